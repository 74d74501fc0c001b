/** Owns the paths of Unix sockets, as an address has them. Knows no socket and no tree. */

import type { SocketAddress } from "../backend/backend.js";
import { E } from "./file.js";

/** Linux's sun_path. */
const PATH_BYTES = 108;

const encoder = new TextEncoder();

/** @returns the path, or -errno */
export function pathOf(address: SocketAddress): string | number {
  const { path } = address;
  if (path === undefined) return -E.EINVAL;
  const isAbstract = path.startsWith("\0");
  const bytes = encoder.encode(path).length;
  if (bytes > (isAbstract ? PATH_BYTES : PATH_BYTES - 1)) return -E.ENAMETOOLONG;
  return !isAbstract && path.includes("\0") ? -E.EINVAL : path;
}
