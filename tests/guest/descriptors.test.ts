/** Holds a guest's descriptor table, and the calls that a descriptor takes whatever it stands for. */

import { describe, expect, test } from "vitest";
import type { Preview1Imports } from "../../host/guest/preview1.js";
import {
  backend,
  createCaller,
  createConnection,
  createServer,
  DATA_AT,
  Errno,
  FLAGS_AT,
  NONBLOCK,
  ownedPair,
  PAGE,
  receive,
  RESULT_AT,
} from "./support.js";

const READ = 1n << 1n;
const WRITE = 1n << 6n;
const SET_FLAGS = 1n << 3n;
const FILESTAT = 1n << 21n;
const POLL = 1n << 27n;
const SHUTDOWN = 1n << 28n;
const ACCEPT = 1n << 29n;
const ANY = SET_FLAGS | FILESTAT | POLL;

/** The functions of WASI preview 1, from its specification. */
const PREVIEW1 =
  "args_get args_sizes_get environ_get environ_sizes_get clock_res_get clock_time_get fd_advise fd_allocate fd_close " +
  "fd_datasync fd_fdstat_get fd_fdstat_set_flags fd_fdstat_set_rights fd_filestat_get fd_filestat_set_size " +
  "fd_filestat_set_times fd_pread fd_prestat_get fd_prestat_dir_name fd_pwrite fd_read fd_readdir fd_renumber fd_seek " +
  "fd_sync fd_tell fd_write path_create_directory path_filestat_get path_filestat_set_times path_link path_open " +
  "path_readlink path_remove_directory path_rename path_symlink path_unlink_file poll_oneoff proc_exit proc_raise " +
  "sched_yield random_get sock_accept sock_recv sock_send sock_shutdown";

test("every function of preview 1 is there, and no other", () => {
  const [{ calls }] = createCaller();
  expect(Object.keys(calls).toSorted()).toEqual(PREVIEW1.split(" ").toSorted());
});

describe("fd_fdstat_get", () => {
  test.each([
    ["standard input", 0, 0, 0, ANY | READ],
    ["standard output", 1, 0, 0, ANY | WRITE],
    ["a listener", 3, 6, NONBLOCK, ANY | READ | WRITE | ACCEPT | SHUTDOWN],
    ["a connection", 4, 6, NONBLOCK, ANY | READ | WRITE | ACCEPT | SHUTDOWN],
  ])("%s", (_name, fd, filetype, flags, rights) => {
    const { caller } = createConnection();
    caller.bytes(DATA_AT, 25).fill(0xee);
    expect(caller.calls.fd_fdstat_get(fd, DATA_AT)).toBe(Errno.SUCCESS);
    const { view } = caller;
    expect([view.getUint8(DATA_AT), view.getUint16(DATA_AT + 2, true), view.getBigUint64(DATA_AT + 8, true)]).toEqual([
      filetype,
      flags,
      rights,
    ]);
    expect([view.getBigUint64(DATA_AT + 16, true), view.getUint8(DATA_AT + 24)]).toEqual([0n, 0xee]);
  });

  test("a terminal is a character device that cannot seek, which is how a guest tells it; a file is a file", () => {
    const [readEnd, writeEnd] = ownedPair(backend, backend.pipe());
    const stdio = [{ fd: readEnd, kind: "terminal" }, { fd: writeEnd, kind: "file" }, { fd: writeEnd }] as const;
    const [{ calls, view }] = createCaller({ stdio });
    const filetypes = [0, 1, 2].map((fd) => [calls.fd_fdstat_get(fd, DATA_AT), view.getUint8(DATA_AT)]);
    expect(filetypes).toEqual([
      [0, 2],
      [0, 4],
      [0, 0],
    ]);
  });
});

test("fd_filestat_get tells the kind of a descriptor, and nothing else", () => {
  const { caller } = createConnection();
  caller.bytes(DATA_AT, 65).fill(0xee);
  expect(caller.calls.fd_filestat_get(4, DATA_AT)).toBe(Errno.SUCCESS);
  const expected = new Uint8Array(65);
  expected[16] = 6;
  expected[24] = 1;
  expected[64] = 0xee;
  expect(caller.bytes(DATA_AT, 65)).toEqual(expected);
});

describe("fd_fdstat_set_flags", () => {
  test("sets and clears NONBLOCK; what is for files is ignored", () => {
    const { caller } = createConnection();
    const { calls, view } = caller;
    const flags = [0, NONBLOCK | 1 | 16, 0].map((set) => {
      expect(calls.fd_fdstat_set_flags(4, set)).toBe(Errno.SUCCESS);
      calls.fd_fdstat_get(4, DATA_AT);
      return view.getUint16(DATA_AT + 2, true);
    });
    expect(flags).toEqual([0, NONBLOCK, 0]);
  });

  test.each([32, -1])("%i: EINVAL", (flags) => {
    const [{ calls }] = createCaller();
    expect(calls.fd_fdstat_set_flags(0, flags)).toBe(Errno.INVAL);
  });
});

describe("fd_close", () => {
  test("closes a socket of the guest", () => {
    const { caller, fd, peer } = createConnection();
    expect(caller.calls.fd_close(fd)).toBe(Errno.SUCCESS);
    expect(receive(peer)).toHaveLength(0);
  });

  test("twice is EBADF", () => {
    const { caller, fd } = createConnection();
    expect([caller.calls.fd_close(fd), caller.calls.fd_close(fd)]).toEqual([Errno.SUCCESS, Errno.BADF]);
  });

  test("takes standard output from the guest, and leaves it to the host", () => {
    const [readEnd, writeEnd] = ownedPair(backend, backend.pipe());
    const [caller] = createCaller({ stdio: [{ fd: readEnd }, { fd: writeEnd }, { fd: writeEnd }] });
    expect(caller.calls.fd_close(1)).toBe(Errno.SUCCESS);
    expect(caller.write(1, "x")).toBe(-Errno.BADF);
    expect(caller.write(2, "y")).toBe(1);
    expect(backend.write(writeEnd, Buffer.from("z"))).toBe(1);
    expect(receive(readEnd, 2).toString()).toBe("yz");
  });

  test("frees the number for what is accepted next", () => {
    const { caller, address } = createServer();
    const connect = (): void => void backend.connect(backend.socket("IPv4", "stream"), address);
    connect();
    connect();
    caller.calls.fd_fdstat_set_flags(3, 0);
    expect([caller.accept(3), caller.calls.fd_close(0), caller.accept(3)]).toEqual([4, Errno.SUCCESS, 0]);
  });
});

describe("fd_renumber", () => {
  test("moves a descriptor, and closes what was there", () => {
    const { caller, fd, peer } = createConnection();
    expect(caller.calls.fd_renumber(fd, 0)).toBe(Errno.SUCCESS);
    backend.send(peer, Buffer.from("hello"));
    expect(caller.read(0)).toBe("hello");
    expect(caller.read(fd)).toBe(Errno.BADF);
    expect(caller.calls.fd_close(0)).toBe(Errno.SUCCESS);
    expect(receive(peer)).toHaveLength(0);
  });

  test("onto itself does nothing", () => {
    const [caller] = createCaller();
    expect(caller.calls.fd_renumber(1, 1)).toBe(Errno.SUCCESS);
    expect(caller.write(1, "x")).toBe(1);
  });

  test.each([
    [9, 1],
    [1, 9],
    [-1, 1],
    [1, 0x7fffffff],
  ])("of %i to %i: EBADF", (from, to) => {
    const [caller] = createCaller();
    expect(caller.calls.fd_renumber(from, to)).toBe(Errno.BADF);
    expect(caller.write(1, "x")).toBe(1);
  });
});

test("the guest has no more descriptors than it may: EMFILE, and the connection waits on", () => {
  const { caller, address } = createServer({ maxDescriptors: 5 });
  for (let i = 0; i < 2; i++) backend.connect(backend.socket("IPv4", "stream"), address);
  caller.calls.fd_fdstat_set_flags(3, 0);
  expect([caller.accept(3), caller.accept(3)]).toEqual([4, -Errno.MFILE]);
  caller.calls.fd_close(4);
  expect(caller.accept(3)).toBe(4);
});

test("closing the host's side closes all that the guest had", () => {
  const { caller, fd, peer } = createConnection();
  caller.preview1.close();
  expect(caller.read(fd)).toBe(Errno.BADF);
  expect(receive(peer)).toHaveLength(0);
});

/** Calls that take a descriptor, with good parameters for the rest; and what they answer for a pipe and for a socket. */
const CALLS: readonly (readonly [
  keyof Preview1Imports,
  (calls: Preview1Imports, fd: number) => number,
  number,
  number,
])[] = [
  ["fd_advise", (calls, fd) => calls.fd_advise(fd, 0n, 0n, 0), Errno.SPIPE, Errno.SPIPE],
  ["fd_allocate", (calls, fd) => calls.fd_allocate(fd, 0n, 1n), Errno.SPIPE, Errno.SPIPE],
  ["fd_datasync", (calls, fd) => calls.fd_datasync(fd), Errno.INVAL, Errno.INVAL],
  ["fd_fdstat_set_rights", (calls, fd) => calls.fd_fdstat_set_rights(fd, 0n, 0n), Errno.SUCCESS, Errno.SUCCESS],
  ["fd_filestat_set_size", (calls, fd) => calls.fd_filestat_set_size(fd, 0n), Errno.INVAL, Errno.INVAL],
  ["fd_filestat_set_times", (calls, fd) => calls.fd_filestat_set_times(fd, 0n, 0n, 0), Errno.NOTSUP, Errno.NOTSUP],
  ["fd_pread", (calls, fd) => calls.fd_pread(fd, 0, 0, 0n, RESULT_AT), Errno.SPIPE, Errno.SPIPE],
  ["fd_pwrite", (calls, fd) => calls.fd_pwrite(fd, 0, 0, 0n, RESULT_AT), Errno.SPIPE, Errno.SPIPE],
  ["fd_readdir", (calls, fd) => calls.fd_readdir(fd, 0, 0, 0n, RESULT_AT), Errno.NOTDIR, Errno.NOTDIR],
  ["fd_seek", (calls, fd) => calls.fd_seek(fd, 0n, 0, RESULT_AT), Errno.SPIPE, Errno.SPIPE],
  ["fd_sync", (calls, fd) => calls.fd_sync(fd), Errno.INVAL, Errno.INVAL],
  ["fd_tell", (calls, fd) => calls.fd_tell(fd, RESULT_AT), Errno.SPIPE, Errno.SPIPE],
  ["path_create_directory", (calls, fd) => calls.path_create_directory(fd, 0, 0), Errno.NOTDIR, Errno.NOTDIR],
  ["path_filestat_get", (calls, fd) => calls.path_filestat_get(fd, 0, 0, 0, DATA_AT), Errno.NOTDIR, Errno.NOTDIR],
  [
    "path_filestat_set_times",
    (calls, fd) => calls.path_filestat_set_times(fd, 0, 0, 0, 0n, 0n, 0),
    Errno.NOTDIR,
    Errno.NOTDIR,
  ],
  ["path_link", (calls, fd) => calls.path_link(fd, 0, 0, 0, fd, 0, 0), Errno.NOTDIR, Errno.NOTDIR],
  ["path_open", (calls, fd) => calls.path_open(fd, 0, 0, 0, 0, 0n, 0n, 0, RESULT_AT), Errno.NOTDIR, Errno.NOTDIR],
  ["path_readlink", (calls, fd) => calls.path_readlink(fd, 0, 0, 0, 0, RESULT_AT), Errno.NOTDIR, Errno.NOTDIR],
  ["path_remove_directory", (calls, fd) => calls.path_remove_directory(fd, 0, 0), Errno.NOTDIR, Errno.NOTDIR],
  ["path_rename", (calls, fd) => calls.path_rename(fd, 0, 0, fd, 0, 0), Errno.NOTDIR, Errno.NOTDIR],
  ["path_symlink", (calls, fd) => calls.path_symlink(0, 0, fd, 0, 0), Errno.NOTDIR, Errno.NOTDIR],
  ["path_unlink_file", (calls, fd) => calls.path_unlink_file(fd, 0, 0), Errno.NOTDIR, Errno.NOTDIR],
  ["fd_prestat_get", (calls, fd) => calls.fd_prestat_get(fd, DATA_AT), Errno.BADF, Errno.BADF],
  ["fd_prestat_dir_name", (calls, fd) => calls.fd_prestat_dir_name(fd, DATA_AT, 1), Errno.BADF, Errno.BADF],
  ["fd_read", (calls, fd) => calls.fd_read(fd, 0, 0, RESULT_AT), Errno.BADF, Errno.SUCCESS],
  ["fd_write", (calls, fd) => calls.fd_write(fd, 0, 0, RESULT_AT), Errno.SUCCESS, Errno.SUCCESS],
  ["sock_accept", (calls, fd) => calls.sock_accept(fd, 0, RESULT_AT), Errno.NOTSOCK, Errno.INVAL],
  ["sock_recv", (calls, fd) => calls.sock_recv(fd, 0, 0, 0, RESULT_AT, FLAGS_AT), Errno.NOTSOCK, Errno.SUCCESS],
  ["sock_send", (calls, fd) => calls.sock_send(fd, 0, 0, 0, RESULT_AT), Errno.NOTSOCK, Errno.SUCCESS],
  ["sock_shutdown", (calls, fd) => calls.sock_shutdown(fd, 2), Errno.NOTSOCK, Errno.SUCCESS],
  ["fd_filestat_get", (calls, fd) => calls.fd_filestat_get(fd, DATA_AT), Errno.SUCCESS, Errno.SUCCESS],
  ["fd_fdstat_get", (calls, fd) => calls.fd_fdstat_get(fd, DATA_AT), Errno.SUCCESS, Errno.SUCCESS],
  ["fd_fdstat_set_flags", (calls, fd) => calls.fd_fdstat_set_flags(fd, 0), Errno.SUCCESS, Errno.SUCCESS],
  ["fd_close", (calls, fd) => calls.fd_close(fd), Errno.SUCCESS, Errno.SUCCESS],
];

describe("a descriptor that is none: EBADF", () => {
  test.each(CALLS)("%s", (_name, call) => {
    const { caller, fd } = createConnection();
    caller.calls.fd_close(fd);
    expect([fd, 5, 0x7fffffff, -1, -0x80000000].map((none) => call(caller.calls, none))).toEqual([8, 8, 8, 8, 8]);
  });
});

describe("on a pipe and on a connection", () => {
  test.each(CALLS)("%s", (_name, call, onPipe, onSocket) => {
    const { caller, fd } = createConnection();
    expect([call(caller.calls, 1), call(caller.calls, fd)]).toEqual([onPipe, onSocket]);
  });
});

describe("addresses outside of the memory: EFAULT", () => {
  const cases: [name: keyof Preview1Imports, call: (calls: Preview1Imports, at: number) => number][] = [
    ["fd_fdstat_get", (calls, at) => calls.fd_fdstat_get(0, at)],
    ["fd_filestat_get", (calls, at) => calls.fd_filestat_get(0, at)],
    ["fd_read", (calls, at) => calls.fd_read(0, 0, 0, at)],
    ["fd_write", (calls, at) => calls.fd_write(1, 0, 0, at)],
    ["sock_accept", (calls, at) => calls.sock_accept(3, 0, at)],
    ["sock_recv", (calls, at) => calls.sock_recv(4, 0, 0, 0, at, 0)],
    ["sock_recv (flags)", (calls, at) => calls.sock_recv(4, 0, 0, 0, 0, at)],
    ["sock_send", (calls, at) => calls.sock_send(4, 0, 0, 0, at)],
  ] as [keyof Preview1Imports, (calls: Preview1Imports, at: number) => number][];
  test.each(cases)("%s", (_name, call) => {
    const { caller } = createConnection();
    for (const at of [PAGE - 1, PAGE, -1, -2, -0x80000000]) expect(call(caller.calls, at)).toBe(Errno.FAULT);
  });
});
