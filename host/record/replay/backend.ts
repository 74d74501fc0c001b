/**
 * Owns a backend that answers from a recording: what the program calls has to be what it called then. Knows the player and
 * the seam; opens nothing. Leaves waiting to the poll sets, and what follows a wait to the turns.
 */

import { constants } from "node:os";
import { getSystemErrorName } from "node:util";
import type { Backend, Clock } from "../../backend/backend.js";
import { copyTo } from "../../backend/bytes.js";
import { printable } from "../../backend/printable.js";
import { CALLS, type CallForm, Kind, type RecordedCall, type ShortCall } from "../calls.js";
import { hashOf } from "../hash.js";
import { RecordingError } from "../format.js";
import { argumentsOf, joined, NO_BYTES } from "../journal.js";
import { OutsidePlayer } from "../outside/player.js";
import { Hashed, readValue, textIn, Thrown, TOO_DEEP } from "../values.js";
import { callText, contentsText, valueText } from "./describe.js";
import type { Player } from "./player.js";
import { ReplaySet } from "./poll-set.js";
import { isResult } from "./results.js";
import { TurnPlayer } from "./turns.js";

/** What opens the files that the program opened: it may go on with them outside of the backend. */
export type FileOpener = Pick<Backend, "openBeneath">;

type AnyCall = (...args: unknown[]) => unknown;

/** @throws RecordingError for a recording of another platform, whose numbers of errors are others */
export function replayBackend(
  player: Player,
  patienceMs: number,
  files: FileOpener | OutsidePlayer | undefined,
): Backend {
  const { details } = player.reader.header;
  if (details["platform"] !== process.platform) {
    throw new RecordingError(`recorded on ${printable(textIn(details["platform"]))}: replay it there`);
  }
  const sets: ReplaySet[] = [];
  const outside = files instanceof OutsidePlayer ? files : undefined;
  const turnPlayer = new TurnPlayer(player, patienceMs, outside);

  function natural(value: unknown): value is number {
    return typeof value === "number" && (value | 0) === value && value >= 0;
  }

  /** A call that received something: its bytes, or -errno. */
  function received(kind: number, name: string, fd: number, most: number): Uint8Array | number {
    const found = (): string => callText(name, [fd, most]);
    const fields = player.take(kind, name, fd, found);
    if (fields.varint() !== fd || fields.varint() !== most) differs(name, fd, found());
    const count = fields.signed();
    if (count < 0) {
      player.used();
      return count;
    }
    if (count > most && count > 0) throw new RecordingError("damaged: more was received than was asked for");
    const data = fields.bytesOf(count).slice();
    player.bytesIn += count;
    player.used();
    return data;
  }

  function receivedInto(kind: number, name: string, fd: number, target: Uint8Array, most: number): number {
    const data = received(kind, name, fd, most);
    if (typeof data === "number") return data;
    copyTo(target, data);
    return data.length;
  }

  /** A call that sends. @returns what it returned */
  function sent(kind: number, name: string, fd: number, given: Uint8Array): number {
    const found = (): string => callText(name, [fd, given]);
    player.rethrow();
    // A part of a file that is there earlier than it was: then the connection ended before it.
    if (player.hasFiles && !player.records.sendsNext(fd)) return -constants.errno.EAGAIN;
    const fields = player.take(kind, name, fd, found);
    const data = player.blank?.(given) ?? given;
    if (fields.varint() !== fd) differs(name, fd, found());
    const result = fields.signed();
    const isSame = fields.varint() === data.length && isSameContents(data);
    if (!isSame) differs(name, fd, found());
    if (result > data.length) throw new RecordingError("damaged: more was sent than there was");
    if (result > 0) player.bytesOut += result;
    player.used();
    return result;
  }

  function isSameContents(data: Uint8Array): boolean {
    const { fields } = player.records;
    if (!player.hasSent) return fields.uint32() === hashOf(data);
    return Buffer.compare(fields.bytesOf(data.length), data) === 0;
  }

  function differs(call: string, fd: number | undefined, found: string): never {
    return player.differ({ call, fd, expected: player.expected, found });
  }

  function plain(name: RecordedCall, { kind, target }: CallForm): AnyCall {
    return (...args) => {
      const given = argumentsOf(args, target);
      const fd = natural(given[0]) ? given[0] : undefined;
      const found = (): string => callText(name, given);
      const isBeneath = name.endsWith("Beneath");
      const fields = player.take(kind, name, isBeneath ? undefined : fd, found);
      const recorded = readValue(fields);
      // The number of a directory that the program has opened by node:fs may be another now.
      if (isBeneath && Array.isArray(recorded)) recorded[0] = given[0];
      if (!isSame(recorded, given, player)) differs(name, fd, found());
      const result = readValue(fields);
      if (!(result instanceof Thrown) && !isResult(name, args, result))
        throw new RecordingError(`damaged: ${name} cannot return ${valueText(result)}`);
      if (target !== undefined) fill(args[target], readValue(fields));
      player.used();
      if (result instanceof Thrown) throw result.error;
      return owned(result);
    };
  }

  /** A program may catch a RecordingError that a call of its throws: the replay ends nevertheless. */
  function reporting<Calls extends object>(calls: Calls): Calls {
    const reported = Object.entries(calls).map(([name, call]: [string, AnyCall]) => [
      name,
      (...args: unknown[]) => {
        // Without a call of its own: the stack of a difference has ten frames, some of which have to be the program's.
        try {
          return call(...args);
        } catch (error) {
          if (error instanceof RecordingError) player.fail(error);
          throw error;
        }
      },
    ]);
    return Object.fromEntries(reported) as Calls;
  }

  const entries = Object.entries(CALLS) as [RecordedCall, CallForm][];
  const all = Object.fromEntries(entries.map(([name, form]) => [name, plain(name, form)])) as unknown as Pick<
    Backend,
    RecordedCall
  >;

  const short: Pick<Backend, ShortCall> = {
    receive: (fd, most) =>
      natural(fd) && natural(most) ? received(Kind.RECEIVE, "receive", fd, most) : all.receive(fd, most),
    readBytes: (fd, most) =>
      natural(fd) && natural(most) ? received(Kind.READ_BYTES, "readBytes", fd, most) : all.readBytes(fd, most),
    recv(fd, target, length) {
      const most = length ?? target?.length;
      if (!natural(fd) || !natural(most)) return all.recv(fd, target, length);
      return receivedInto(Kind.RECV, "recv", fd, target, most);
    },
    read(fd, target, length) {
      const most = length ?? target?.length;
      if (!natural(fd) || !natural(most)) return all.read(fd, target, length);
      return receivedInto(Kind.READ, "read", fd, target, most);
    },
    send: (fd, data) =>
      natural(fd) && data instanceof Uint8Array ? sent(Kind.SEND, "send", fd, data) : all.send(fd, data),
    write: (fd, data) =>
      natural(fd) && data instanceof Uint8Array ? sent(Kind.WRITE, "write", fd, data) : all.write(fd, data),
    sendVector(fd, pieces) {
      const isPlain = Array.isArray(pieces) && pieces.every((each) => each instanceof Uint8Array);
      if (!natural(fd) || !isPlain) return all.sendVector(fd, pieces);
      const [only] = pieces;
      const data = pieces.length === 1 && only !== undefined ? only : joined(pieces);
      return sent(Kind.SEND_VECTOR, "sendVector", fd, data);
    },
    close(fd) {
      if (!natural(fd)) return all.close(fd);
      const found = (): string => callText("close", [fd]);
      const fields = player.take(Kind.CLOSE, "close", fd, found);
      if (fields.varint() !== fd) differs("close", fd, found());
      const result = fields.signed();
      for (const set of sets) set.forget(fd);
      player.used();
      return result;
    },
  };

  function value<T>(kind: number, name: string, check: (result: unknown) => T): T {
    return player.reporting(() => {
      const fields = player.take(kind, name, undefined, () => `${name}()`);
      const result = check(readValue(fields));
      player.used();
      return result;
    });
  }

  const clock: Clock = {
    turnTaker: turnPlayer,
    monotonicNs: () => player.reporting(() => player.readClock()),
    turnNs: () => player.reporting(() => player.readTurnTime()),
    realtimeNs: () => value(Kind.REALTIME, "realtimeNs", asBigint),
    threadCpuNs: () => value(Kind.THREAD_CPU, "threadCpuNs", asBigint),
  };

  return {
    ...reporting({ ...all, ...short }),
    openBeneath(directory, path, flags, mode) {
      const recorded = all.openBeneath(directory, path, flags, mode);
      // What node:fs does with it is in the recording, or nothing is done with it.
      if (recorded < 0 || files === undefined || files instanceof OutsidePlayer) return recorded;
      const fd = files.openBeneath(directory, path, flags, mode);
      if (fd < 0) {
        player.differ({
          call: "openBeneath",
          fd: undefined,
          expected: `${path} can be opened`,
          found: nameOf(fd),
        });
      }
      // Closed by node:fs: its number may be that of a socket of the recording.
      return fd;
    },
    name: textIn(details["backend"]),
    clock,
    errorCode: nameOf,
    createPollSet() {
      const id = value(Kind.SET, "createPollSet", setNumber);
      const set = new ReplaySet(player, id);
      sets.push(set);
      turnPlayer.add(set, id);
      return set;
    },
    lookup(host, family) {
      const found = (): string => callText("lookup", [host, family]);
      const id = player.reporting(() => {
        const fields = player.take(Kind.LOOKUP, "lookup", undefined, found);
        const recorded = readValue(fields);
        if (typeof recorded !== "number") throw new RecordingError("damaged: a lookup without a number");
        if (readValue(fields) !== host || readValue(fields) !== family) differs("lookup", undefined, found());
        player.used();
        return recorded;
      });
      return turnPlayer.lookup(id);
    },
  };
}

/** Are these the arguments that were recorded? What was sent may be recorded by its hash. */
function isSame(recorded: unknown, given: unknown, player: Player): boolean {
  if (recorded === TOO_DEEP && typeof given === "object") return true;
  if (given instanceof Uint8Array) {
    const data = player.blank?.(given) ?? given;
    if (recorded instanceof Hashed) return recorded.length === data.length && recorded.hash === hashOf(data);
    return recorded instanceof Uint8Array && Buffer.compare(recorded, data) === 0;
  }
  if (Array.isArray(given)) {
    if (!Array.isArray(recorded) || recorded.length !== given.length) return false;
    return given.every((each, index) => isSame(recorded[index], each, player));
  }
  if (typeof given === "object" && given !== null) {
    if (typeof recorded !== "object" || recorded === null) return false;
    const entries = Object.entries(given).filter(([, each]) => each !== undefined);
    const others = recorded as Record<string, unknown>;
    const count = Object.values(others).filter((each) => each !== undefined).length;
    return entries.length === count && entries.every(([key, each]) => isSame(others[key], each, player));
  }
  if (typeof given === "function" || typeof given === "symbol") return recorded === `a ${typeof given}`;
  return Object.is(recorded, given);
}

/** Bytes of the file are copied: the program keeps them. */
function owned(value: unknown): unknown {
  if (value instanceof Uint8Array) return value.slice();
  if (Array.isArray(value)) return value.map(owned);
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, owned(each)]));
  }
  return value;
}

function fill(target: unknown, data: unknown): void {
  if (!(data instanceof Uint8Array)) throw new RecordingError("damaged: a call has no contents");
  if (!(target instanceof Uint8Array) || data === NO_BYTES) return;
  if (data.length > target.length) throw new RecordingError(`damaged: no room for ${contentsText(data)}`);
  copyTo(target, data);
}

function setNumber(value: unknown): number {
  if (typeof value !== "number") throw new RecordingError("damaged: a poll set without a number");
  return value;
}

function asBigint(value: unknown): bigint {
  if (typeof value !== "bigint") throw new RecordingError("damaged: no time");
  return value;
}

/** The platform's names, as the Node backend gives them. */
function nameOf(errno: number): string {
  const name = errno < 0 ? getSystemErrorName(errno) : "";
  if (/^E[A-Z0-9_]+$/.test(name)) return name;
  const [other = `E${Math.abs(errno)}`] = Object.entries(constants.errno).find(([, each]) => each === -errno) ?? [];
  return other;
}
