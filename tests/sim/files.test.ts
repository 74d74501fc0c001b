/** Files of a simulated host: they do what Linux's do, call by call, and go by the host's own clock. */

import { constants } from "node:fs";
import { describe, expect, test } from "vitest";
import type { Backend, FileStatus } from "../../host/backend/backend.js";
import { createNodeBackend } from "../../host/node/backend.js";
import { type SimHost, SimWorld } from "../../host/sim/index.js";
import { bytes, ERRNO, owned, text } from "../backend/support.js";
import { operatingSystem } from "../backend/system.js";

const CALLS = 4000;
/** So many files and directories are open at a time. */
const OPEN_MAX = 8;
const DIRECTORIES_MAX = 3;

/** One side of the comparison: a backend and what it has opened. Both sides have the same at the same index. */
interface Side {
  readonly backend: Backend;
  readonly directories: number[];
  readonly files: number[];
}

/** xorshift32: the calls of a seed are the same each time. */
class Choices {
  #state: number;

  constructor(seed: number) {
    this.#state = Math.imul(seed, 0x9e3779b1) >>> 0 || 1;
  }

  below(limit: number): number {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state >>> 0;
    return this.#state % limit;
  }

  of<T>(values: readonly T[]): T {
    return values[this.below(values.length)] as T;
  }

  path(): string {
    const odd = this.below(50);
    if (odd < 3) return ["", "/a", "x".repeat(256)][odd] ?? "";
    const names = Array.from({ length: 1 + this.below(3) }, () => this.of(["a", "b", "c", "d", "l", "m", ".", ".."]));
    return names.join("/") + this.of(["", "", "", "", "", "/"]);
  }

  flags(): number {
    const access = this.of([constants.O_RDONLY, constants.O_WRONLY, constants.O_RDWR]);
    const more = this.of([0, 0, constants.O_NOFOLLOW]);
    // What open(2) leaves undefined is left out.
    if (this.below(2) === 0) return access | more | this.of([0, constants.O_DIRECTORY]);
    const cut = access === constants.O_RDONLY ? 0 : this.of([0, constants.O_TRUNC, constants.O_APPEND]);
    return access | more | cut | constants.O_CREAT | this.of([0, 0, constants.O_EXCL]);
  }

  bytes(): Uint8Array {
    return new Uint8Array(this.below(40)).fill(97 + this.below(26));
  }
}

/** A call, for each side alike. Descriptors that it makes are answered as such. */
type Call = (side: Side) => unknown;

const descriptor = (fd: number): unknown => (fd < 0 ? fd : { fd });

function pathCall(choices: Choices): Call {
  const [one, other] = [choices.below(DIRECTORIES_MAX), choices.below(DIRECTORIES_MAX)];
  const [path, second, follow, flags] = [choices.path(), choices.path(), choices.below(2) === 0, choices.flags()];
  const at = (side: Side, index: number): number => side.directories[index % side.directories.length] ?? -1;
  return choices.of<Call>([
    (side) => descriptor(side.backend.openBeneath(at(side, one), path, flags, 0o666)),
    (side) => side.backend.statusBeneath(at(side, one), path, follow),
    (side) => side.backend.setTimesBeneath(at(side, one), path, follow, 5n, "now"),
    (side) => side.backend.makeDirectoryBeneath(at(side, one), path, 0o777),
    (side) => side.backend.removeFileBeneath(at(side, one), path),
    (side) => side.backend.removeDirectoryBeneath(at(side, one), path),
    (side) => side.backend.renameBeneath(at(side, one), path, at(side, other), second),
    (side) => side.backend.linkBeneath(at(side, one), path, at(side, other), second),
    (side) => side.backend.symlinkBeneath(at(side, one), path, second),
    (side) => side.backend.readLinkBeneath(at(side, one), path),
    (side) => names(side.backend.readDirectory(at(side, one), 0n, 65_536)),
  ]);
}

/** The order of a directory's entries is the file system's own affair. */
function names(entries: ReturnType<Backend["readDirectory"]>): unknown {
  if (typeof entries === "number") return entries;
  return entries.map(({ name, kind }) => `${text(name)} ${kind}`).toSorted();
}

function fileCall(choices: Choices): Call {
  const [index, offset, length, on] = [
    choices.below(OPEN_MAX),
    BigInt(choices.below(80) - 5),
    BigInt(choices.below(80) - 5),
    choices.below(2) === 0,
  ];
  const [data, from] = [choices.bytes(), choices.of(["start", "current", "end"] as const)];
  const call = choices.of<(backend: Backend, fd: number) => unknown>([
    (backend, fd) => backend.readBytes(fd, Number(length)),
    (backend, fd) => backend.write(fd, data),
    (backend, fd) => read(backend, fd, offset),
    (backend, fd) => backend.writeTo(fd, data, offset),
    (backend, fd) => backend.seek(fd, offset, from),
    (backend, fd) => backend.status(fd),
    (backend, fd) => backend.setLength(fd, length),
    (backend, fd) => backend.advise(fd, offset, length, "sequential"),
    (backend, fd) => backend.synchronize(fd, on),
    (backend, fd) => backend.setAppend(fd, on),
    (backend, fd) => backend.setTimes(fd, "now", 6n),
    (backend, fd) => descriptor(backend.duplicate(fd)),
  ]);
  return (side) => {
    const fd = side.files[index % Math.max(1, side.files.length)];
    return fd === undefined ? "nothing is open" : call(side.backend, fd);
  };
}

function read(backend: Backend, fd: number, position: bigint): unknown {
  const target = new Uint8Array(20);
  return [backend.readFrom(fd, target, position), text(target)];
}

/** What is the same on every file system of Linux. */
function comparable(result: unknown): unknown {
  if (result instanceof Uint8Array) return text(result);
  if (typeof result !== "object" || result === null) return result;
  if ("fd" in result) return "a descriptor";
  if (!("kind" in result)) return result;
  const { kind, links, size } = result as FileStatus;
  return kind === "directory" ? { kind } : { kind, links, size };
}

/** Keeps what was opened, and closes what is too much, on both sides alike. */
function keep(sides: readonly Side[], results: readonly unknown[], choices: Choices): void {
  const at = choices.below(OPEN_MAX);
  for (const [index, { backend, directories, files }] of sides.entries()) {
    const opened = results[index];
    if (typeof opened !== "object" || opened === null || !("fd" in opened)) continue;
    const fd = Number(opened.fd);
    const { kind } = backend.status(fd) as FileStatus;
    if (kind !== "directory") files.push(fd);
    else if (directories.length < DIRECTORIES_MAX) directories.push(fd);
    else backend.close(fd);
    if (files.length > OPEN_MAX) for (const each of files.splice(at, 1)) backend.close(each);
  }
}

function emptyHost(): SimHost {
  const host = new SimWorld({ start: new Date("2030-01-01") }).host("10.0.0.1");
  host.makeDirectory("/empty");
  return host;
}

describe.runIf(operatingSystem.isLinux)("do what Linux's do", () => {
  test.each([1, 2, 3, 4, 5])("random calls, seed %i", (seed) => {
    const choices = new Choices(seed);
    const host = emptyHost();
    const sides: readonly Side[] = [
      { backend: createNodeBackend(), directories: [operatingSystem.directory().open(".")], files: [] },
      { backend: host.backend, directories: [host.open("/empty")], files: [] },
    ];
    for (let index = 0; index < CALLS; index++) {
      const call = choices.below(2) === 0 ? pathCall(choices) : fileCall(choices);
      const results = sides.map(call);
      const [real, simulated] = results.map(comparable);
      expect(simulated, `call ${index}: ${String(call)}`).toEqual(real);
      keep(sides, results, choices);
    }
    for (const { backend, directories, files } of sides) for (const fd of [...directories, ...files]) backend.close(fd);
    expect(host.openDescriptors).toBe(0);
  });
});

describe("permissions", () => {
  test("are asked of directories that are searched and changed, and when a file is opened", () => {
    const host = emptyHost();
    const { backend } = host;
    const fd = owned(backend, host.open("/empty"));
    expect([
      backend.makeDirectoryBeneath(fd, "closed", 0o600),
      backend.makeDirectoryBeneath(fd, "fixed", 0o500),
    ]).toEqual([0, 0]);
    expect(backend.statusBeneath(fd, "closed/a", true)).toBe(-ERRNO.EACCES);
    expect([backend.statusBeneath(fd, "fixed/a", true), backend.symlinkBeneath(fd, "fixed/a", "b")]).toEqual([
      -ERRNO.ENOENT,
      -ERRNO.EACCES,
    ]);
    const secret = owned(backend, backend.openBeneath(fd, "secret", constants.O_RDWR | constants.O_CREAT, 0));
    expect(backend.write(secret, bytes("x"))).toBe(1);
    expect(backend.openBeneath(fd, "secret", constants.O_RDONLY, 0)).toBe(-ERRNO.EACCES);
  });
});

describe("times", () => {
  test("are those of the host's clock, which may jump", async () => {
    const world = new SimWorld({ start: new Date("2030-01-01") });
    const host = world.host("10.0.0.1");
    const startNs = BigInt(Date.parse("2030-01-01")) * 1_000_000n;
    host.writeFile("/a", "text");
    await world.run({ untilMs: 5000 });
    const fd = owned(host.backend, host.open("/a", constants.O_RDWR));
    host.backend.write(fd, bytes("more"));
    expect(host.backend.status(fd)).toMatchObject({ accessedNs: startNs, modifiedNs: startNs + 5_000_000_000n });
    host.jumpClock(-3000);
    host.backend.setTimes(fd, "now", "keep");
    expect(host.backend.status(fd)).toMatchObject({
      accessedNs: startNs + 2_000_000_000n,
      modifiedNs: startNs + 5_000_000_000n,
      changedNs: startNs + 2_000_000_000n,
    });
  });

  test("a read sets that of access where it is older than the file, or a day", async () => {
    const world = new SimWorld();
    const host = world.host("10.0.0.1");
    host.writeFile("/a", "text");
    const fd = owned(host.backend, host.open("/a"));
    const accessedAt = async (untilMs: number): Promise<number> => {
      await world.run({ untilMs });
      host.backend.readFrom(fd, new Uint8Array(1), 0n);
      const { accessedNs, modifiedNs } = host.backend.status(fd) as FileStatus;
      return Number((accessedNs - modifiedNs) / 1_000_000n);
    };
    expect([await accessedAt(1000), await accessedAt(2000), await accessedAt(90_000_000)]).toEqual([
      1000, 1000, 90_000_000,
    ]);
  });
});

describe("Unix sockets", () => {
  test("are found by a path that is renamed or linked, and no more when it is removed", () => {
    const host = emptyHost();
    const { backend } = host;
    const listener = owned(backend, backend.socket("unix", "stream"));
    expect([backend.bind(listener, { path: "/empty/s" }), backend.listen(listener, 5)]).toEqual([0, 0]);
    const fd = owned(backend, host.open("/empty"));
    expect(backend.statusBeneath(fd, "s", false)).toMatchObject({ kind: "socket" });
    expect([backend.renameBeneath(fd, "s", fd, "t"), backend.symlinkBeneath(fd, "l", "t")]).toEqual([0, 0]);
    const connect = (path: string): number =>
      backend.connect(owned(backend, backend.socket("unix", "stream")), { path });
    expect([connect("/empty/s"), connect("/empty/t"), connect("/empty/l")]).toEqual([-ERRNO.ENOENT, 0, 0]);
    expect(backend.removeFileBeneath(fd, "t")).toBe(0);
    expect(connect("/empty/l")).toBe(-ERRNO.ENOENT);
  });

  test("a peek leaves descriptors where they are, and bytes that are behind them unread", () => {
    const { backend } = emptyHost();
    const pair = backend.socketPair("stream") as readonly [number, number];
    const [near, far] = [owned(backend, pair[0]), owned(backend, pair[1])];
    backend.send(near, bytes("plain"));
    backend.sendDescriptors(near, bytes("with one"), [near]);
    backend.send(near, bytes("later"));
    const target = new Uint8Array(100);
    // As in Linux, a read ends behind the bytes that the descriptors came with, and may begin before them.
    expect([backend.peek(far, target), text(target, 13)]).toEqual([13, "plainwith one"]);
    const passed = backend.receiveDescriptors(far, 100, 3);
    expect(passed).toMatchObject({ data: bytes("plainwith one"), descriptors: [expect.any(Number)] });
    expect([backend.peek(far, target), text(target, 5)]).toEqual([5, "later"]);
    if (typeof passed !== "number") for (const fd of passed.descriptors) owned(backend, fd);
  });
});
