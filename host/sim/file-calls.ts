/** Owns the calls of the seam on descriptors of any kind for one simulated host. Knows every kind of file; knows no address and no path. */

import type { FileCalls } from "../backend/backend.js";
import { isLength, lengthOf, roomOf } from "../backend/bytes.js";
import type { Descriptors } from "./descriptors.js";
import { E, type SimFile } from "./file.js";
import { OpenDirectory, OpenFile, OpenPath } from "./files.js";
import { Inode, type Volume } from "./inode.js";
import { makePipe, ReadEnd, WriteEnd } from "./pipes.js";
import type { SimSocket } from "./socket.js";
import type { Surroundings } from "./surroundings.js";

/** Room for the entry of a directory with the longest name, and the most that one call reads. */
const ENTRY_BYTES_MAX = 280;
const DIRECTORY_BYTES_MAX = 65_536;

/** i64, as Linux takes an offset: one beyond it is negative, and refused there. */
const offsetOf = (value: bigint): bigint => BigInt.asIntN(64, value);

/** @param pipeBytes what a pipe has room for */
export function createFileCalls(
  descriptors: Descriptors,
  around: Surroundings,
  volume: Volume,
  pipeBytes: number,
): FileCalls {
  /** The same where it is open for more than its name (O_PATH). */
  function opened(fd: number): SimFile | undefined {
    const file = descriptors.of(fd);
    if (!(file instanceof OpenPath) || file instanceof OpenFile) return file;
    return file instanceof OpenDirectory && file.isReadable ? file : undefined;
  }

  /** Calls with the regular file that has positions; what else `fd` may be says so in its own way. */
  function positioned(fd: number, inDirectory: number, call: (file: OpenFile) => number): number {
    const file = opened(fd);
    if (file === undefined) return -E.EBADF;
    if (file instanceof OpenFile) return call(file);
    return file instanceof OpenDirectory ? inDirectory : -E.ESPIPE;
  }

  function inodeOf(file: SimFile): Inode {
    // Sockets have one when somebody asks: as in Linux, they are of 1970.
    file.inode ??= new Inode("socket", volume, 0o777, 0n);
    return file.inode;
  }

  function allocate(file: SimFile, end: bigint): number {
    if (file instanceof ReadEnd || file instanceof OpenDirectory) return -E.EBADF;
    if (file instanceof WriteEnd) return -E.ESPIPE;
    if (!(file instanceof OpenFile)) return -E.ENODEV;
    if (!file.isWritable) return -E.EBADF;
    if (end <= BigInt(file.inode.size)) return 0;
    return file.inode.resize(Number(end));
  }

  return {
    read(fd, target, length) {
      const file = opened(fd);
      if (file === undefined) return -E.EBADF;
      const room = roomOf(target, length);
      if (room < 0) return -E.EINVAL;
      if (file.isSocket) return (file as unknown as SimSocket).receive(target, room);
      if (file instanceof OpenDirectory) return -E.EISDIR;
      return file instanceof ReadEnd || file instanceof OpenFile ? file.read(target, room) : -E.EBADF;
    },
    readBytes(fd, most) {
      const file = opened(fd);
      if (file === undefined) return -E.EBADF;
      if (!isLength(most)) return -E.EINVAL;
      if (file.isSocket) return (file as unknown as SimSocket).takeBytes(most);
      if (file instanceof OpenDirectory) return -E.EISDIR;
      return file instanceof ReadEnd || file instanceof OpenFile ? file.take(most) : -E.EBADF;
    },
    write(fd, data) {
      const file = descriptors.of(fd);
      if (file === undefined) return -E.EBADF;
      if (file.isSocket) return (file as unknown as SimSocket).send(data);
      return file instanceof WriteEnd || file instanceof OpenFile ? file.write(data) : -E.EBADF;
    },
    readFrom(fd, target, position) {
      const at = offsetOf(position);
      // As a call does: a view that is none is found out first.
      lengthOf(target);
      return at < 0n ? -E.EINVAL : positioned(fd, -E.EISDIR, (file) => file.readFrom(target, at));
    },
    writeTo(fd, data, position) {
      const at = offsetOf(position);
      lengthOf(data);
      return at < 0n ? -E.EINVAL : positioned(fd, -E.EBADF, (file) => file.writeTo(data, at));
    },
    seek(fd, offset, from) {
      const file = opened(fd);
      if (file === undefined) return BigInt(-E.EBADF);
      const isSeekable = file instanceof OpenFile || file instanceof OpenDirectory;
      return isSeekable ? file.seek(offsetOf(offset), from) : BigInt(-E.ESPIPE);
    },
    status(fd) {
      const file = descriptors.of(fd);
      return file === undefined ? -E.EBADF : inodeOf(file).status();
    },
    setLength(fd, length) {
      const size = offsetOf(length);
      if (size < 0n) return -E.EINVAL;
      const file = opened(fd);
      if (file === undefined) return -E.EBADF;
      return file instanceof OpenFile && file.isWritable ? file.inode.resize(Number(size)) : -E.EINVAL;
    },
    setTimes(fd, accessed, modified) {
      const file = opened(fd);
      if (file === undefined) return -E.EBADF;
      inodeOf(file).setTimes(accessed, modified);
      return 0;
    },
    allocate(fd, offset, length) {
      const [from, count] = [offsetOf(offset), offsetOf(length)];
      const file = opened(fd);
      if (file === undefined) return -E.EBADF;
      return from < 0n || count <= 0n ? -E.EINVAL : allocate(file, from + count);
    },
    advise(fd, _offset, length) {
      const file = opened(fd);
      if (file === undefined) return -E.EBADF;
      if (file instanceof ReadEnd || file instanceof WriteEnd) return -E.ESPIPE;
      return offsetOf(length) < 0n ? -E.EINVAL : 0;
    },
    synchronize(fd) {
      const file = opened(fd);
      if (file === undefined) return -E.EBADF;
      return file instanceof OpenPath ? 0 : -E.EINVAL;
    },
    setAppend(fd, on) {
      const file = opened(fd);
      if (file === undefined) return -E.EBADF;
      if (file instanceof OpenFile) file.isAppending = on;
      return 0;
    },
    readDirectory(fd, position, maxBytes) {
      const file = opened(fd);
      if (file === undefined) return -E.EBADF;
      if (!(file instanceof OpenPath)) return -E.ESPIPE;
      if (!(file instanceof OpenDirectory)) return -E.ENOTDIR;
      const failed = Number(file.seek(offsetOf(position), "start"));
      if (failed < 0) return failed;
      return file.entries(Math.min(Math.max(maxBytes, ENTRY_BYTES_MAX), DIRECTORY_BYTES_MAX));
    },
    pipe() {
      const refused = descriptors.refusal(2);
      if (refused < 0) return refused;
      const [reader, writer] = makePipe(pipeBytes, around.faults, around.address);
      reader.inode = new Inode("pipe", volume);
      writer.inode = reader.inode;
      return [descriptors.add(reader), descriptors.add(writer)];
    },
    duplicate(fd) {
      const file = descriptors.of(fd);
      if (file === undefined) return -E.EBADF;
      const refused = descriptors.refusal();
      return refused < 0 ? refused : descriptors.add(file);
    },
    setNonBlocking(fd, on) {
      const file = descriptors.of(fd);
      if (file === undefined) return -E.EBADF;
      file.isNonBlocking = on;
      return 0;
    },
    setCloseOnExec: (fd) => (descriptors.of(fd) === undefined ? -E.EBADF : 0),
    adopt: (fd) => (descriptors.of(fd) === undefined ? -E.EBADF : 0),
    release: (fd) => (descriptors.of(fd) === undefined ? -E.EBADF : 0),
    close: (fd) => descriptors.close(fd),
  };
}
