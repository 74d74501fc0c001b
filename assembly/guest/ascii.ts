/**
 * Owns text that is seldom needed, kept in one byte a character. The build turns `ascii("...")` into {@link asciiAt} of
 * bytes in the module's data; without it the string itself is there, at twice the size and 20 bytes more.
 */

@inline
export function ascii(text: string): string {
  return text;
}

/** A new string of `length` bytes. */
export function asciiAt(at: usize, length: i32): string {
  const text = __new((<usize>length) << 1, idof<string>());
  for (let i = 0; i < length; i++) store<u16>(text + ((<usize>i) << 1), load<u8>(at + i));
  return changetype<string>(text);
}
