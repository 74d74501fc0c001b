/** Owns node:path: that of POSIX, from the package "path-browserify". */

import path from "path-browserify";

export default path;
export const posix = path;
export const {
  basename,
  delimiter,
  dirname,
  extname,
  format,
  isAbsolute,
  join,
  normalize,
  parse,
  relative,
  resolve,
  sep,
} = path;
