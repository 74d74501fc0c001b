/**
 * Owns the count of calls that moved something: bytes, a connection, an end of input. Knows nothing of who calls. A poll
 * after which it has not grown said that descriptors were ready, and none was.
 */

let count: u32 = 0;


@inline
export function noteActivity(): void {
  count += 1;
}


@inline
export function activityCount(): u32 {
  return count;
}
