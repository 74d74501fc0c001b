/** Owns what `wasyncore run` says of a file or an address that it cannot use, and of a trap. Knows error codes; opens nothing. */

import { lstatSync } from "node:fs";
import type { GuestTrap } from "../guest/run.js";
import { printable } from "../backend/printable.js";
import { frameText } from "./frame-text.js";

const PATH_MAX = 4096;

/** A path, without control characters. */
export function pathText(path: string): string {
  return printable(path, PATH_MAX);
}

const FILE_TROUBLES: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  ENOTDIR: "there is no such file",
  EISDIR: "it is a directory",
  EEXIST: "there is a file of that name",
  EACCES: "permission denied",
  ENOSPC: "no space is left (ENOSPC)",
  EFBIG: "the file may not become so large (EFBIG)",
  EDQUOT: "the quota of the disk is used up (EDQUOT)",
  EROFS: "the file system is read-only (EROFS)",
  ERR_FS_FILE_TOO_LARGE: "it is larger than 2 GiB",
};

/** Of a file that is to be read. */
export function fileTrouble(code: unknown): string {
  return FILE_TROUBLES[String(code)] ?? String(code);
}

/** Of a file that is to be made: what is missing is the directory for it. */
export function writeTrouble(code: unknown): string {
  return code === "ENOENT" || code === "ENOTDIR" ? "there is no such directory" : fileTrouble(code);
}

/** Has the operating system refused it? Then its code says why. */
export function isOfSystem(error: unknown): error is NodeJS.ErrnoException {
  return typeof (error as NodeJS.ErrnoException | undefined)?.syscall === "string";
}

const ADDRESS_TROUBLES: Readonly<Record<string, string>> = {
  EADDRINUSE: "the address is in use",
  EADDRNOTAVAIL: "this machine does not have the address",
  EACCES: "permission denied",
  ENOENT: "there is no such directory",
  ENOTDIR: "there is no such directory",
  ENAMETOOLONG: "the path is too long for a Unix socket",
  ENOTFOUND: "the name is not known",
};

/** @param path of a Unix socket */
export function addressTrouble(
  { code, message }: { readonly code?: string | undefined; readonly message: string },
  path?: string,
): string {
  if (code === "EADDRINUSE" && path !== undefined && isOtherFile(path))
    return "there is a file of that name, which is no socket (EADDRINUSE)";
  const trouble = ADDRESS_TROUBLES[code ?? ""];
  return trouble === undefined ? message : `${trouble} (${code})`;
}

/** Is what is at the path of a Unix socket anything else? */
export function isOtherFile(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSocket() === false;
}

/** @param more follows the message, in its line */
export function trapText(path: string, { message, frames }: GuestTrap, more = ""): string {
  return [`${pathText(path)} trapped: ${message}${more}`, ...frames.map(frameText)].join("\n");
}
