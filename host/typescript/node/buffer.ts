/** Owns node:buffer: the package "buffer". */

export { Buffer } from "buffer";
