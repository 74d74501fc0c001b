/**
 * Owns which of preview 1's rights go with what kind of file, and what a path_open asks of the operating system. Knows no
 * descriptor.
 */

import { Filetype, Rights } from "../wasi/layout.js";

const ANY = Rights.FD_FDSTAT_SET_FLAGS | Rights.FD_FILESTAT_GET | Rights.POLL_FD_READWRITE;
const READ_FILE = Rights.FD_READ | Rights.FD_SEEK | Rights.FD_TELL | Rights.FD_ADVISE;
const SYNC = Rights.FD_DATASYNC | Rights.FD_SYNC;

/** Rights that take a descriptor that is open for writing. */
export const WRITE_FILE = Rights.FD_WRITE | Rights.FD_ALLOCATE | Rights.FD_FILESTAT_SET_SIZE;

/** Of a file that a guest has opened. */
export const FILE_RIGHTS = ANY | READ_FILE | SYNC | WRITE_FILE | Rights.FD_FILESTAT_SET_TIMES;

const CHANGE_DIRECTORY =
  Rights.PATH_CREATE_DIRECTORY |
  Rights.PATH_CREATE_FILE |
  Rights.PATH_LINK_SOURCE |
  Rights.PATH_LINK_TARGET |
  Rights.PATH_RENAME_SOURCE |
  Rights.PATH_RENAME_TARGET |
  Rights.PATH_FILESTAT_SET_SIZE |
  Rights.PATH_FILESTAT_SET_TIMES |
  Rights.PATH_SYMLINK |
  Rights.PATH_REMOVE_DIRECTORY |
  Rights.PATH_UNLINK_FILE;

export const DIRECTORY_RIGHTS =
  Rights.FD_FDSTAT_SET_FLAGS |
  Rights.FD_FILESTAT_GET |
  Rights.FD_FILESTAT_SET_TIMES |
  SYNC |
  Rights.PATH_OPEN |
  Rights.FD_READDIR |
  Rights.PATH_READLINK |
  Rights.PATH_FILESTAT_GET |
  CHANGE_DIRECTORY;

/** What may be opened beneath a directory. */
export const INHERITED_RIGHTS = FILE_RIGHTS | DIRECTORY_RIGHTS;

/** What no descriptor beneath a read-only directory lets a guest do. */
export const CHANGING_RIGHTS = WRITE_FILE | CHANGE_DIRECTORY | Rights.FD_FILESTAT_SET_TIMES;

/** Of a file on standard output: it is the host's, so a guest neither truncates it nor sets its times. */
const WRITTEN_FILE = Rights.FD_WRITE | Rights.FD_SEEK | Rights.FD_TELL | SYNC;

/** The rights of a descriptor that a guest is given, or of a socket. */
export function givenRights(filetype: number, readable: boolean, writable: boolean): bigint {
  let rights = ANY;
  if (readable) rights |= filetype === Filetype.REGULAR_FILE ? READ_FILE : Rights.FD_READ;
  if (writable) rights |= filetype === Filetype.REGULAR_FILE ? WRITTEN_FILE : Rights.FD_WRITE;
  const isSocket = filetype === Filetype.SOCKET_STREAM || filetype === Filetype.SOCKET_DGRAM;
  return isSocket ? rights | Rights.SOCK_ACCEPT | Rights.SOCK_SHUTDOWN : rights;
}

/**
 * Does who asks for these rights want to write? Go asks for FD_FILESTAT_SET_SIZE whenever it opens a file, so that says
 * nothing.
 */
export function wantsWriting(rights: bigint): boolean {
  return (rights & (Rights.FD_WRITE | Rights.FD_ALLOCATE)) !== 0n;
}

/** Does it have to be open for reading? */
export function wantsReading(rights: bigint): boolean {
  return (rights & (Rights.FD_READ | Rights.FD_READDIR)) !== 0n;
}
