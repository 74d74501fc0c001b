/** Owns making a text from outside printable: it may hold escape sequences, and be of any length. Imports nothing. */

const LENGTH_MAX = 80;

/** Without control characters, which a terminal obeys, and not longer than a line; "\u{1b}" for ESC. */
export function printable(text: string, lengthMax = LENGTH_MAX): string {
  const short = text.length > lengthMax ? `${text.slice(0, lengthMax)}...` : text;
  return short.replace(/\p{C}|\p{Zl}|\p{Zp}/gu, (each) => `\\u{${(each.codePointAt(0) ?? 0).toString(16)}}`);
}
