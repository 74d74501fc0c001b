/**
 * Owns the flight recorder: the last stretch of what a backend did, in memory, and when it is written. Knows the wrapper and
 * the container; knows no turn.
 *
 * The stretch is a list of blocks, each with a snapshot of the descriptors that were open when it began. The oldest block
 * goes when there are too many; its buffer is used again.
 */

import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { Backend } from "../backend/backend.js";
import { checkBackend, checkOptions, checkString, rangeError } from "../backend/check.js";
import { isDisconnect } from "../backend/errors.js";
import { logThrown, writeLog } from "../backend/log.js";
import { Kind } from "./calls.js";
import { createRecordingFile } from "./files.js";
import { BLOCK_HEAD_BYTES } from "./format.js";
import { Journal } from "./journal.js";
import { OpenDescriptors } from "./open-descriptors.js";
import { planRecord, type RecordOptions } from "./options.js";
import { headerOf } from "./recorder.js";
import { ValueBuffer } from "./values.js";
import { wrapBackend } from "./wrap.js";
import { RecordBuffer, RecordingWriter } from "./writer.js";

/** So many blocks are in the ring. */
const BLOCKS = 16;
const BYTES_MIN = 0x4_0000;
const BYTES_MAX = 0x1_0000_0000;
/** After a write because of an error, the next one comes at the earliest after so long. */
const REST_NS = 10e9;
const UNITS: Readonly<Record<string, number>> = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };
/** The channel of node:diagnostics_channel with the errors of callbacks. */
const ERRORS = "wasyncore:error";

/** Options of {@link recordRing}. */
export interface RingOptions extends RecordOptions {
  /** How much is kept: a number, or "64MiB". 256 KiB to 4 GiB. Default "16MiB". */
  readonly bytes?: number | string | undefined;
  /**
   * Where it is written when a `handleError` is reached, when an error leaves the process, and at the signal. An earlier one
   * is replaced. By default it is written by {@link FlightRecorder.write} alone.
   */
  readonly path?: string | undefined;
  /** A signal at which it is written to `path`: "SIGUSR2". */
  readonly signal?: NodeJS.Signals | undefined;
}

/** A flight recorder. */
export interface FlightRecorder {
  /** Is recorded: give it to a `ChannelMap`. */
  readonly backend: Backend;
  /** How many bytes are kept now. */
  readonly bytes: number;
  /** Writes what is kept, as a recording that can be read alone. @throws an error of node:fs */
  write(path: string): void;
  /** Nothing is written by itself any more, and nothing is kept. */
  end(): void;
}

interface Block {
  bytes: Uint8Array<ArrayBuffer>;
  length: number;
  readonly snapshot: Uint8Array;
  readonly startNs: number;
}

class Ring extends RecordBuffer {
  /** The oldest first, without the one that is being filled. */
  readonly blocks: Block[] = [];
  /** What the block that is being filled began with. */
  snapshot: Uint8Array = snapshotOf(new OpenDescriptors());
  startNs: number;
  readonly #bytes: number;
  readonly #begin: () => void;

  /** @param begin called when a block begins */
  constructor(bytes: number, startNs: number, begin: () => void) {
    super(Math.floor(bytes / BLOCKS));
    this.#bytes = bytes;
    this.startNs = startNs;
    this.#begin = begin;
  }

  get keptBytes(): number {
    return this.blocks.reduce((sum, { length }) => sum + length, this.pendingBytes);
  }

  flush(): void {
    const { snapshot, startNs } = this;
    this.blocks.push({ bytes: this.held, length: this.pendingBytes, snapshot, startNs });
    let reused: Uint8Array<ArrayBuffer> | undefined;
    while (this.blocks.length >= BLOCKS || (this.blocks.length > 1 && this.keptBytes > this.#bytes)) {
      reused = this.blocks.shift()?.bytes;
    }
    this.hold(reused ?? this.newBytes());
    this.shrink();
    this.at = BLOCK_HEAD_BYTES;
    this.#begin();
  }

  /** A stretch is looked at, and not replayed: it goes on without the record. */
  dropped(): void {
    // Nothing is wrong with the records before and after it.
  }

  clear(): void {
    this.blocks.length = 0;
    this.at = BLOCK_HEAD_BYTES;
  }

  /** All blocks, the oldest first. */
  *all(): IterableIterator<Block> {
    yield* this.blocks;
    yield { bytes: this.held, length: this.pendingBytes, snapshot: this.snapshot, startNs: this.startNs };
  }
}

/**
 * Records the last stretch of what a backend does, in memory: cheap enough to leave on.
 * @throws TypeError, RangeError
 * @example
 * const recorder = recordRing(defaultBackend(), { bytes: "64MiB", path: "failure.wrec", signal: "SIGUSR2" });
 * const map = new ChannelMap({ backend: recorder.backend });
 */
export function recordRing(backend: Backend, options: RingOptions = {}): FlightRecorder {
  checkBackend("backend", backend);
  checkOptions("options", options as unknown, ["bytes", "path", "signal", "payloads", "sent", "redact"]);
  const { bytes = "16MiB", path, signal, ...rest } = options;
  if (path !== undefined) checkString("options.path", path);
  if (signal !== undefined && path === undefined)
    throw rangeError("options.path", "a path, where there is a signal", path);
  const plan = planRecord(rest);
  const header = headerOf(backend, plan, true);
  const descriptors = new OpenDescriptors();
  const ring = new Ring(bytesOf(bytes), Number(header.monotonicNs), () => {
    ring.startNs = journal.nowNs;
    ring.snapshot = snapshotOf(descriptors);
  });
  const journal = new Journal(ring, plan, Number(header.monotonicNs));
  let restsUntilNs = -Infinity;

  function write(to: string): void {
    const blocks = [...ring.all()];
    const [first] = blocks;
    const startNs = first?.startNs ?? 0;
    const sinceNs = startNs - Number(header.monotonicNs);
    const file = createRecordingFile(to);
    try {
      const writer = new RecordingWriter(file.sink, {
        ...header,
        monotonicNs: BigInt(startNs),
        realtimeNs: header.realtimeNs + BigInt(sinceNs),
      });
      if (first !== undefined) writer.add(Kind.OPEN, first.snapshot);
      for (const { bytes: held, length } of blocks) {
        if (length > 0) writer.addAll(held.subarray(BLOCK_HEAD_BYTES, BLOCK_HEAD_BYTES + length));
      }
      writer.end();
      if (writer.failure !== undefined) throw writer.failure.error;
    } finally {
      file.close();
    }
  }

  function writeAt(occasion: string): void {
    if (path === undefined) return;
    try {
      write(path);
      writeLog("info", `flight recorder: written to ${path}: ${occasion}`, "stderr");
    } catch (error) {
      logThrown(`flight recorder: cannot be written to ${path}`, error);
    }
  }

  /** What ends a connection is no failure of the program. */
  const failed = (message: unknown): void => {
    const { code } = Object((message as { error?: unknown }).error) as { code?: unknown };
    if ((typeof code === "string" && isDisconnect(code)) || journal.nowNs < restsUntilNs) return;
    restsUntilNs = journal.nowNs + REST_NS;
    writeAt("a callback has failed");
  };
  const crashes = (): void => writeAt("an error leaves the process");
  const signalled = (): void => writeAt(`${signal}`);

  if (path !== undefined) {
    subscribe(ERRORS, failed);
    process.on("uncaughtExceptionMonitor", crashes);
    if (signal !== undefined) process.on(signal, signalled);
  }
  return {
    backend: wrapBackend(backend, journal, {
      rest() {
        if (ring.isFull) ring.flush();
      },
      changed: (name, args, result) => descriptors.note(name, args, result),
    }),
    get bytes() {
      return ring.keptBytes;
    },
    write(to) {
      checkString("path", to);
      write(to);
    },
    end() {
      unsubscribe(ERRORS, failed);
      process.removeListener("uncaughtExceptionMonitor", crashes);
      if (signal !== undefined) process.removeListener(signal, signalled);
      ring.clear();
    },
  };
}

function snapshotOf({ all }: OpenDescriptors): Uint8Array {
  const values = new ValueBuffer();
  const list = Array.from(all, ([fd, known]) => ({ fd, ...known }));
  values.put(list, (data) => data);
  return values.contents.slice();
}

/** @throws RangeError */
function bytesOf(text: number | string): number {
  const [, count = "", unit = "B"] = /^(\d+(?:\.\d+)?) ?(B|KiB|MiB|GiB)?$/.exec(String(text)) ?? [];
  const bytes = Number(count === "" ? Number.NaN : count) * (UNITS[unit] ?? 1);
  if (bytes >= BYTES_MIN && bytes <= BYTES_MAX) return bytes;
  throw rangeError("options.bytes", `256 KiB to 4 GiB, as in "64MiB"`, text);
}
