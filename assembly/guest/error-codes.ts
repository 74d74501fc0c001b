/** Owns the code of an errno as text. Knows the names in assembly/shared. */

import { ERRNO_NAMES } from "../shared/errno";
import { ascii } from "./ascii";
import { decimal } from "./messages";

const BLANK: i32 = 32;

/** "ECONNREFUSED" for 14; "E999" for a number without a name. */
export function errorCode(errno: i32): string {
  const names = ascii(ERRNO_NAMES);
  let left = errno;
  let code = ascii("E");
  for (let i = 0; i < names.length && left >= 0; i++) {
    if (names.charCodeAt(i) == BLANK) left -= 1;
    else if (left == 0) code += names.charAt(i);
  }
  return code.length > 1 ? code : code + decimal(errno);
}
