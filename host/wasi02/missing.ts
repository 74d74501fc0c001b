/**
 * Owns the answers to calls that WASI 0.2 has nothing for: -ENOSYS, which the package's errors name. Of one that is not open: -EBADF.
 */

import type { AncillaryCalls, FileCalls, PathCalls } from "../backend/backend.js";
import type { Descriptors } from "./descriptors.js";
import { ERRNO } from "./errors.js";

export function createMissingCalls(
  descriptors: Descriptors,
): AncillaryCalls & PathCalls & Pick<FileCalls, MissingOfFiles> {
  const missing = (fd: number): number => (descriptors.at(fd) === undefined ? -ERRNO.EBADF : -ERRNO.ENOSYS);
  return {
    getTextOption: missing,
    setTextOption: missing,
    getRawOption: missing,
    setRawOption: missing,
    setMembership: missing,
    setMulticastInterface: missing,
    peerCredentials: missing,
    sendDescriptors: missing,
    receiveDescriptors: missing,
    openBeneath: missing,
    statusBeneath: missing,
    setTimesBeneath: missing,
    makeDirectoryBeneath: missing,
    removeFileBeneath: missing,
    removeDirectoryBeneath: missing,
    renameBeneath: missing,
    linkBeneath: missing,
    symlinkBeneath: missing,
    readLinkBeneath: missing,
    pipe: () => -ERRNO.ENOSYS,
    readFrom: missing,
    writeTo: missing,
    seek: (fd) => BigInt(missing(fd)),
    setLength: missing,
    setTimes: missing,
    allocate: missing,
    advise: missing,
    synchronize: missing,
    setAppend: missing,
    readDirectory: missing,
  };
}

type MissingOfFiles =
  | "pipe"
  | "readFrom"
  | "writeTo"
  | "seek"
  | "setLength"
  | "setTimes"
  | "allocate"
  | "advise"
  | "synchronize"
  | "setAppend"
  | "readDirectory";
