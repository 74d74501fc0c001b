/** Owns bytes that show where one is missing or out of place. Knows nothing else: components have it too. */

/** The pattern repeats after it. */
const PERIOD = 0x1_0000;
const period = Uint8Array.from({ length: PERIOD }, (_, index) => (index * 7 + (index >> 8)) & 0xff);

/** Bytes that show where one is missing or out of place. */
export function pattern(length: number): Uint8Array {
  const made = new Uint8Array(length);
  // Whole periods: megabytes are made in many tests, and byte by byte they would take longer than what is tested.
  for (let at = 0; at < length; at += PERIOD) made.set(period.subarray(0, length - at), at);
  return made;
}
