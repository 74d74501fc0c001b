/** Owns the opening of files beneath a directory. Knows the backend seam; the descriptor is the caller's to close. */

import type { Backend } from "../backend/backend.js";
import { checkDescriptor, checkInteger, checkObject, checkString } from "../backend/check.js";
import { OSError } from "../backend/errors.js";
import { defaultBackend } from "../node/default.js";

/** How a file is opened. */
export interface OpenBeneathOptions {
  /** `constants` of node:fs, combined: O_WRONLY | O_CREAT, for example. Default: O_RDONLY. */
  readonly flags?: number;
  /** Permissions of a file that is made, less the process's umask. Default: 0o666. */
  readonly mode?: number;
}

const FLAGS_MAX = 0x7fffffff;
const MODE_MAX = 0o7777;

/**
 * Opens a file beneath a directory in one step. No path leads out of the directory: not by "..", not by a symbolic link
 * (one that stays beneath the directory is followed; an absolute one and one of /proc never are), and not even while
 * another process renames a part of the path. The descriptor identifies the directory, even after it has been moved.
 * openat2(2) with RESOLVE_BENEATH and RESOLVE_NO_MAGICLINKS: Linux 5.6 and later.
 *
 * The call blocks, so a slow file system holds the process up. Use the descriptor with node:fs. It is close-on-exec;
 * close it yourself.
 * @param directory a descriptor of the directory, open for the length of the call
 * @param path relative to it; "." is the directory itself
 * @throws OSError: EXDEV for a path that leads out; ENOSYS where there is no such call; ENOENT, EACCES, ELOOP, ...
 * EAGAIN only on a machine where files are renamed continuously
 * @throws TypeError, RangeError for arguments of the wrong kind
 */
export function openBeneath(
  directory: number,
  path: string,
  options: OpenBeneathOptions = {},
  backend: Backend = defaultBackend(),
): number {
  checkDescriptor("directory", directory);
  checkString("path", path);
  checkObject("options", options);
  const { flags = 0, mode = 0o666 } = options;
  checkInteger("options.flags", flags, 0, FLAGS_MAX);
  checkInteger("options.mode", mode, 0, MODE_MAX);
  const fd = backend.openBeneath(directory, path, flags, mode);
  if (fd >= 0) return fd;
  throw new OSError(backend.errorCode(fd), { errno: fd, syscall: "openat2", path });
}
