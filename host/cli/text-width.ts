/** Owns texts of a given width in columns of a terminal, where some characters take two and some none. */

import stringWidth from "string-width";
import { withoutControls } from "../backend/log.js";

const graphemes = new Intl.Segmenter();

/** As much of the text as `columns` hold. */
export function fit(text: string, columns: number): string {
  if (text.length <= columns && isAscii(text)) return text;
  let width = 0;
  let fitting = "";
  for (const { segment } of graphemes.segment(text)) {
    width += stringWidth(segment);
    if (width > columns) break;
    fitting += segment;
  }
  return fitting;
}

/** The text in just so many columns, what is too much cut off; without control characters. */
export function cell(text: string, columns: number): string {
  const fitting = fit(withoutControls(text), columns);
  return fitting + " ".repeat(columns - stringWidth(fitting));
}

/** The same, with the text at the right. */
export function cellRight(text: string, columns: number): string {
  const fitting = fit(withoutControls(text), columns);
  return " ".repeat(columns - stringWidth(fitting)) + fitting;
}

function isAscii(text: string): boolean {
  return /^[ -~]*$/.test(text);
}
