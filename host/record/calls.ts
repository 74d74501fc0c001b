/**
 * Owns the kinds of records of a backend's recording. Knows the seam; knows no bytes.
 *
 * A call that is new in the seam is missing here first, and the package does not compile: give it a number that no other has
 * had.
 */

import type { Backend } from "../backend/backend.js";

export const Kind = {
  /** The monotonic clock was read: by the program, or by a turn after its wait. */
  CLOCK: 1,
  TURN: 2,
  TURN_END: 3,
  WAIT: 4,
  SET: 5,
  SET_CLOSED: 6,
  /** A poll set has refused a descriptor. */
  UPDATE_FAILED: 7,
  /** A name is being looked up. */
  LOOKUP: 8,
  LOOKED_UP: 9,
  /** The process was notified of a signal that it listens for. */
  SIGNAL: 10,
  /** In a flight recorder's stretch: a descriptor that was open at its beginning. */
  OPEN: 11,
  REALTIME: 12,
  /** The time when a wait or a turn was over: the program has not read it. For those who look at the recording. */
  TICK: 15,
  THREAD_CPU: 13,
  /** The process exits. */
  EXIT: 14,

  RECEIVE: 16,
  RECV: 17,
  READ: 18,
  READ_BYTES: 19,
  SEND: 20,
  SEND_VECTOR: 21,
  WRITE: 22,
  CLOSE: 23,

  /** The monotonic clock was read by the first half of a turn, which the host takes as often as it likes. */
  TURN_TIME: 24,

  /** A call of node:fs that returned, or that was refused before it began. */
  FILE: 100,
  /** An asynchronous one has ended: its callback comes now. */
  FILE_DONE: 101,
  /** A timer or an immediate of Node fires. */
  TIMER: 102,
  /** `Date.now` gave something new. */
  DATE: 103,
} as const;

/** Calls whose records have a form of their own as long as their arguments are what they should be. */
export type ShortCall = "receive" | "recv" | "read" | "readBytes" | "send" | "sendVector" | "write" | "close";

/** Members that are no calls, or are not recorded: their answers depend on nothing. */
type Unrecorded = "name" | "clock" | "errorCode" | "createPollSet" | "lookup";

export type RecordedCall = Exclude<keyof Backend, Unrecorded>;

/** A call by its record's kind. */
export interface CallForm {
  readonly kind: number;
  /** Which argument is filled by the call, rather than read. */
  readonly target?: number;
}

/** Records of these have all arguments and the result, as values. */
export const CALLS = {
  receive: { kind: 32 },
  recv: { kind: 33, target: 1 },
  read: { kind: 34, target: 1 },
  readBytes: { kind: 35 },
  send: { kind: 36 },
  sendVector: { kind: 37 },
  write: { kind: 38 },
  close: { kind: 39 },
  socket: { kind: 40 },
  socketPair: { kind: 41 },
  bind: { kind: 42 },
  listen: { kind: 43 },
  accept: { kind: 44 },
  connect: { kind: 45 },
  shutdown: { kind: 46 },
  peek: { kind: 47, target: 1 },
  recvFrom: { kind: 48, target: 1 },
  receiveFrom: { kind: 49 },
  recvOutOfBand: { kind: 50, target: 1 },
  sendOutOfBand: { kind: 51 },
  sendTo: { kind: 52 },
  getOption: { kind: 53 },
  setOption: { kind: 54 },
  getLinger: { kind: 55 },
  setLinger: { kind: 56 },
  socketType: { kind: 57 },
  family: { kind: 58 },
  localAddress: { kind: 59 },
  remoteAddress: { kind: 60 },
  getTextOption: { kind: 61 },
  setTextOption: { kind: 62 },
  getRawOption: { kind: 63 },
  setRawOption: { kind: 64 },
  setMembership: { kind: 65 },
  setMulticastInterface: { kind: 66 },
  peerCredentials: { kind: 67 },
  sendDescriptors: { kind: 68 },
  receiveDescriptors: { kind: 69 },
  readFrom: { kind: 70, target: 1 },
  writeTo: { kind: 71 },
  seek: { kind: 72 },
  status: { kind: 73 },
  setLength: { kind: 74 },
  setTimes: { kind: 75 },
  allocate: { kind: 76 },
  advise: { kind: 77 },
  synchronize: { kind: 78 },
  setAppend: { kind: 79 },
  readDirectory: { kind: 80 },
  pipe: { kind: 81 },
  duplicate: { kind: 82 },
  setNonBlocking: { kind: 83 },
  setCloseOnExec: { kind: 84 },
  adopt: { kind: 85 },
  release: { kind: 86 },
  openBeneath: { kind: 87 },
  statusBeneath: { kind: 88 },
  setTimesBeneath: { kind: 89 },
  makeDirectoryBeneath: { kind: 90 },
  removeFileBeneath: { kind: 91 },
  removeDirectoryBeneath: { kind: 92 },
  renameBeneath: { kind: 93 },
  linkBeneath: { kind: 94 },
  symlinkBeneath: { kind: 95 },
  readLinkBeneath: { kind: 96 },
  isNumeric: { kind: 97 },
  lookupSync: { kind: 98 },
} as const satisfies Record<RecordedCall, CallForm>;

/** By kind: the name of the call. */
export const NAMES: ReadonlyMap<number, RecordedCall> = new Map([
  ...Object.entries(CALLS).map(([name, { kind }]) => [kind, name as RecordedCall] as const),
  [Kind.RECEIVE, "receive"],
  [Kind.RECV, "recv"],
  [Kind.READ, "read"],
  [Kind.READ_BYTES, "readBytes"],
  [Kind.SEND, "send"],
  [Kind.SEND_VECTOR, "sendVector"],
  [Kind.WRITE, "write"],
  [Kind.CLOSE, "close"],
] as const);

/** How many records have the short form: see {@link ShortCall}. */
export const isShort = (kind: number): boolean => kind >= Kind.RECEIVE && kind <= Kind.CLOSE;
