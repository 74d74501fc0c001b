/**
 * Owns a guest that calls at random: every import, with parameters and structures that are garbage, nearly right, or right.
 * A seed replays a run. Knows no single call.
 */

import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Backend, PollSet } from "../../host/backend/backend.js";
import { SIGNATURES } from "../../host/guest/signatures.js";
import type { GuestCalls } from "../../host/guest/instance.js";
import { Preview1 } from "../../host/guest/preview1.js";
import { backend, PAGE } from "./support.js";
import { ERRNO } from "../backend/support.js";

const PAGES = 130;
const PATHS = [
  ".",
  "..",
  "../outside",
  "/etc/passwd",
  "a",
  "a/b",
  "a/../..",
  "out",
  "out/secret",
  "loop",
  "",
  "a/",
  "\u0000",
  "å",
];
/** Where paths, iovecs and subscriptions are written. */
const PATHS_AT = 4096;
const IOVECS_AT = 8192;
const SUBSCRIPTIONS_AT = 12_288;
const RESULTS_AT = 49_152;
const ERRNO_MAX = 76;
const CALLS_OF_GUEST = 400;

/** A call would have waited for ever: the run goes on with the next. */
class WouldWait extends Error {}

/** mulberry32. */
export function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296) * below);
  };
}

/** Waits for nothing, sends nothing anywhere, and does not fill the disk. */
function harmless(): Backend {
  const refuse = (): number => -ERRNO.ENETUNREACH;
  return {
    ...backend,
    connect: refuse,
    sendTo: refuse,
    bind: (fd, address) =>
      address.path === undefined ? backend.bind(fd, { host: "127.0.0.1", port: 0 }) : -ERRNO.EACCES,
    allocate: (fd, offset, length) =>
      offset >= 0n && length >= 0n && offset + length < 1_000_000n
        ? backend.allocate(fd, offset, length)
        : -ERRNO.ENOSPC,
    createPollSet: () => unwaiting(backend.createPollSet()),
  };
}

function unwaiting(set: PollSet): PollSet {
  const wait = set.wait.bind(set);
  return Object.assign(set, {
    wait(timeoutMs: number): number {
      const count = wait(0);
      if (count === 0 && timeoutMs > 1) throw new WouldWait();
      return count;
    },
  });
}

/** All that is beneath a directory: names, sizes, contents. */
function contents(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return entry.isFile() ? `${path} ${statSync(path).mtimeMs} ${readFileSync(path, "latin1")}` : path;
    })
    .toSorted();
}

export interface FuzzResult {
  /** How many calls answered each errno. */
  readonly answers: ReadonlyMap<number, number>;
  /** What was wrong, in words. */
  readonly faults: readonly string[];
}

/** What answers the calls, or what is between them and it. */
export type Answering = Pick<GuestCalls, "imports" | "attach">;
type Between = (preview1: Preview1) => Answering;

/** @param between makes what is called in the place of a guest's calls */
export function fuzz(seed: number, calls: number, between: Between = (preview1) => preview1): FuzzResult {
  const root = mkdtempSync(join(tmpdir(), "guest-fuzz-"));
  try {
    return run(root, seed, calls, between);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

function run(root: string, seed: number, calls: number, between: Between): FuzzResult {
  const [inside, outside] = [join(root, "inside"), join(root, "outside")];
  for (const each of [inside, outside, join(inside, "a")]) mkdirSync(each);
  writeFileSync(join(outside, "secret"), "secret");
  writeFileSync(join(inside, "a", "b"), "b");
  symlinkSync("../outside", join(inside, "out"));
  symlinkSync("loop", join(inside, "loop"));
  const before = contents(outside);
  const answers = new Map<number, number>();
  const faults: string[] = [];
  const below = generator(seed);
  // A guest closes its descriptors, sooner or later all of them: then the next one goes on.
  for (let done = 0; done < calls; done += CALLS_OF_GUEST) {
    runGuest(inside, below, between, Math.min(calls - done, CALLS_OF_GUEST), (answer, call) => {
      if (typeof answer === "number") answers.set(answer, (answers.get(answer) ?? 0) + 1);
      else if (answer !== undefined) faults.push(`call ${done + call}: ${answer}`);
    });
  }
  if (contents(outside).join("\n") !== before.join("\n")) faults.push("something outside of the directory has changed");
  return { answers, faults };
}

function runGuest(
  inside: string,
  below: (below: number) => number,
  between: Between,
  calls: number,
  onAnswer: (answer: number | string | undefined, call: number) => void,
): void {
  const stdio = openSync("/dev/null", "r+");
  const listener = backend.socket("IPv4", "stream");
  backend.bind(listener, { host: "127.0.0.1", port: 0 });
  backend.listen(listener, 1);
  const preview1 = new Preview1(harmless(), {
    args: ["fuzz"],
    env: { A: "1" },
    stdio: [{ fd: stdio }, { fd: stdio }, { fd: stdio }],
    listeners: [{ fd: listener }],
    directories: [
      { fd: openSync(inside, "r"), guestPath: "/" },
      { fd: openSync(inside, "r"), guestPath: "/ro", readOnly: true },
    ],
    socketExtension: true,
    unixPaths: ["/granted"],
    maxDescriptors: 64,
  });
  try {
    const caller = new RandomCaller(between(preview1), below);
    for (let i = 0; i < calls; i++) onAnswer(caller.call(), i);
  } finally {
    preview1.close();
    closeSync(stdio);
  }
}

class RandomCaller {
  readonly #imports: Readonly<Record<string, (...parameters: never[]) => unknown>>;
  readonly #names: readonly string[];
  readonly #memory = new ArrayBuffer(PAGES * PAGE);
  readonly #view = new DataView(this.#memory);
  readonly #below: (below: number) => number;

  /** The length of the path whose address was given last. */
  #pathLength = 0;

  constructor(answering: Answering, below: (below: number) => number) {
    this.#below = below;
    this.#imports = answering.imports as never;
    this.#names = Object.keys(answering.imports).filter((name) => name !== "proc_exit");
    answering.attach({ buffer: this.#memory });
    this.#scribble();
  }

  #pick<T>(values: readonly T[]): T {
    return values[this.#below(values.length)] as T;
  }

  /** @returns the errno, or what is wrong; undefined for a call that would have waited */
  call(): number | string | undefined {
    if (this.#below(20) === 0) this.#scribble();
    const isFlood = this.#below(2000) === 0;
    const name = isFlood ? "poll_oneoff" : this.#name();
    const signature = this.#pick(SIGNATURES[name as keyof typeof SIGNATURES] ?? [""]);
    const types = signature === "*" ? "iiii" : signature.replace("-", "");
    const parameters = isFlood
      ? [0, 5_000_000, 100_000, 16]
      : [...types].map((type, index) => (type === "I" ? this.#i64() : this.#i32(index, name)));
    this.#pathLength = 0;
    try {
      const answer = this.#imports[name]?.(...(parameters as never[]));
      if (typeof answer === "number" && Number.isInteger(answer) && answer >= 0 && answer <= ERRNO_MAX) return answer;
      return `${name}(${parameters.join(", ")}) answered ${String(answer)}`;
    } catch (error) {
      if (error instanceof WouldWait) return undefined;
      return `${name}(${parameters.join(", ")}) threw ${String((error as Error).stack)}`;
    }
  }

  /** Calls that close come seldom, and those on paths often: most of what they need must be right at once. */
  #name(): string {
    const name = this.#pick(this.#names);
    if (this.#below(3) === 0) return this.#pick(this.#names.filter((each) => each.startsWith("path_")));
    return /^fd_(close|renumber|fdstat_set_rights)$/.test(name) && this.#below(8) !== 0 ? "fd_fdstat_get" : name;
  }

  #i64(): bigint {
    const high = BigInt(this.#below(0x1_0000_0000)) << 32n;
    return this.#pick([0n, 1n, -1n, 100n, 1n << 62n, -(1n << 63n), 0x3fff_ffffn, BigInt.asIntN(64, high), high >> 20n]);
  }

  /** Descriptors come first in most calls; addresses, lengths and flags after them. */
  #i32(index: number, name: string): number {
    if (this.#pathLength > 0 && this.#below(8) !== 0) {
      const length = this.#pathLength;
      this.#pathLength = 0;
      return length;
    }
    if (index > 0 && name.startsWith("path_") && this.#below(2) === 0) {
      const path = this.#below(PATHS.length);
      this.#pathLength = Buffer.byteLength(PATHS[path] ?? "");
      return PATHS_AT + 16 * path;
    }
    if (index === 0 && !/^(args|environ|clock|random|poll)/.test(name) && this.#below(8) !== 0) return this.#below(12);
    const size = PAGES * PAGE;
    const value = this.#pick([
      this.#below(16),
      this.#below(16),
      this.#below(2),
      RESULTS_AT + 64 * this.#below(64),
      RESULTS_AT + 64 * this.#below(64),
      IOVECS_AT + 8 * this.#below(64),
      SUBSCRIPTIONS_AT + 48 * this.#below(64),
      16_384 + 8 * this.#below(4096),
      this.#below(size),
      size - this.#below(64),
      size,
      -1 - this.#below(16),
      0x7fff_ffff,
      -0x8000_0000,
      this.#below(0x1_0000_0000),
    ]);
    return value | 0;
  }

  /** Writes structures, right and wrong. */
  #scribble(): void {
    for (let i = 0; i < 64; i++) this.#view.setUint32(16_384 + 4 * this.#below(8192), this.#below(0x1_0000_0000), true);
    for (const [index, path] of PATHS.entries()) {
      new Uint8Array(this.#memory).set(Buffer.from(path), PATHS_AT + 16 * index);
    }
    for (let i = 0; i < 64; i++) {
      this.#view.setUint32(IOVECS_AT + 8 * i, this.#i32(1, ""), true);
      this.#view.setUint32(IOVECS_AT + 8 * i + 4, this.#pick([0, 1, 16, 4096, this.#below(0x1_0000_0000)]), true);
      const at = SUBSCRIPTIONS_AT + 48 * i;
      this.#view.setUint8(at + 8, this.#pick([0, 1, 2, 3, 255]));
      this.#view.setUint32(at + 16, this.#pick([0, 1, 2, 3, 4, 5, 6, 7, this.#below(0x1_0000_0000)]), true);
      this.#view.setBigUint64(at + 24, BigInt.asUintN(64, this.#i64()), true);
      this.#view.setUint16(at + 40, this.#pick([0, 1, 2]), true);
    }
  }
}
