/** Owns the opening of the directories that a guest is granted. Knows the backend seam; knows no guest. */

import { closeSync, constants, openSync } from "node:fs";
import type { Backend } from "../backend/backend.js";
import { checkArray, checkBoolean, checkObject, checkString } from "../backend/check.js";
import { OSError } from "../backend/errors.js";
import { GuestError } from "./module.js";
import type { GuestDirectory } from "./preview1.js";

/** A directory of the host's that a guest may use. */
export interface DirectoryGrant {
  /** Where it is. The directory itself is granted: the guest keeps it, and nothing else, when it is moved or replaced. */
  readonly hostPath: string;
  /** The path by which the guest knows it, such as "/" or "data". */
  readonly guestPath: string;
  /** May the guest only read? Default: false. */
  readonly readOnly?: boolean | undefined;
}

/** @throws TypeError */
export function checkDirectories(name: string, value: unknown): asserts value is readonly DirectoryGrant[] {
  checkArray(name, value);
  for (const [index, each] of value.entries()) {
    const at = `${name}[${index}]`;
    checkObject(at, each);
    checkString(`${at}.hostPath`, each["hostPath"]);
    checkString(`${at}.guestPath`, each["guestPath"]);
    if (each["readOnly"] !== undefined) checkBoolean(`${at}.readOnly`, each["readOnly"]);
  }
}

/**
 * Opens them. The descriptors are the caller's.
 * @throws GuestError ERR_GUEST_DIRECTORY where one cannot be opened, or none can be granted
 */
export function openDirectories(backend: Backend, grants: readonly DirectoryGrant[]): GuestDirectory[] {
  const opened: GuestDirectory[] = [];
  try {
    for (const { hostPath, guestPath, readOnly = false } of grants) {
      const fd = open(backend, hostPath);
      opened.push({ fd, guestPath, readOnly });
      checkGrantable(backend, fd);
    }
    return opened;
  } catch (error) {
    for (const { fd } of opened) backend.close(fd);
    throw error;
  }
}

const TROUBLES: Readonly<Record<string, string>> = {
  ENOENT: "there is no such directory",
  ENOTDIR: "it is no directory",
  EACCES: "permission denied",
};

function open(backend: Backend, path: string): number {
  try {
    return openOwned(backend, path, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch (error) {
    const code = String((error as { code?: unknown }).code);
    throw new GuestError("ERR_GUEST_DIRECTORY", `${path} cannot be granted: ${TROUBLES[code] ?? code}`);
  }
}

/**
 * Opens a file of the host's, as a descriptor that the backend closes. Node closes what a worker thread has opened when the
 * thread ends, whoever owns the number by then, so the backend gets a duplicate.
 * @throws what node:fs throws, OSError
 */
export function openOwned(backend: Backend, path: string, flags: string | number): number {
  const fd = openSync(path, flags);
  try {
    const copy = backend.duplicate(fd);
    if (copy < 0) throw new OSError(backend.errorCode(copy), { errno: copy, syscall: "dup", path });
    return copy;
  } finally {
    closeSync(fd);
  }
}

/** O_PATH, which only Linux has. */
const O_PATH = 0o10000000;

/** Where the kernel cannot keep a path beneath a directory, or a sandbox does not let it, no directory is granted. */
function checkGrantable(backend: Backend, directory: number): void {
  const fd = backend.openBeneath(directory, ".", O_PATH | constants.O_DIRECTORY, 0);
  const status = fd < 0 ? fd : backend.status(fd);
  if (fd >= 0) backend.close(fd);
  if (typeof status !== "number") return;
  throw new GuestError(
    "ERR_GUEST_DIRECTORY",
    `no directory can be granted on this system: that takes openat2(2), which Linux has from 5.6 on (${backend.errorCode(status)})`,
  );
}
