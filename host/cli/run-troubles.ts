/** Owns what `wasyncore run` says of a file or an address that it cannot use, and of a trap. Knows error codes; opens nothing. */

import type { GuestTrap } from "../guest/run.js";
import { printable } from "../backend/printable.js";
import { frameText } from "./frame-text.js";

const PATH_MAX = 4096;

/** A path, without control characters. */
export function pathText(path: string): string {
  return printable(path, PATH_MAX);
}

export function fileTrouble(code: unknown): string {
  if (code === "ENOENT") return "there is no such file";
  if (code === "EISDIR") return "it is a directory";
  return code === "EACCES" ? "permission denied" : String(code);
}

export const ADDRESS_TROUBLES: Readonly<Record<string, string>> = {
  EADDRINUSE: "the address is in use",
  EADDRNOTAVAIL: "this machine does not have the address",
  EACCES: "permission denied",
  ENOENT: "there is no such directory",
  ENOTDIR: "there is no such directory",
  ENAMETOOLONG: "the path is too long for a Unix socket",
  ENOTFOUND: "the name is not known",
};

export function trapText(path: string, { message, frames }: GuestTrap): string {
  return [`${pathText(path)} trapped: ${message}`, ...frames.map(frameText)].join("\n");
}
