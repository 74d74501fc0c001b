/** Owns node:buffer: Buffer. */

export { Buffer } from "../buffer.js";
