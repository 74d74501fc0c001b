/**
 * Owns the answers to calls that WASI 0.2 has nothing for: -ENOSYS, which the package's errors name. Knows no descriptor.
 */

import type { AncillaryCalls, FileCalls, PathCalls } from "../backend/backend.js";
import { ERRNO } from "./errors.js";

const missing = (): number => -ERRNO.ENOSYS;

export const missingCalls: AncillaryCalls & PathCalls & Pick<FileCalls, MissingOfFiles> = {
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
  pipe: missing,
  duplicate: missing,
  readFrom: missing,
  writeTo: missing,
  seek: () => BigInt(missing()),
  setLength: missing,
  setTimes: missing,
  allocate: missing,
  advise: missing,
  synchronize: missing,
  setAppend: missing,
  readDirectory: missing,
};

type MissingOfFiles =
  | "pipe"
  | "duplicate"
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
