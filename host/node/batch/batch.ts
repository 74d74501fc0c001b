/**
 * Owns the batch of this thread: input that is read ahead from many connections in one system call, and output that is
 * collected and sent in another. Knows records and submission; knows no poll set and no loop. There is one batch at a
 * time, whichever map's turn it belongs to.
 */

import { copyOf, copyTo, lengthOf } from "../../backend/bytes.js";
import { errnos, type PlatformConstants } from "../constants.js";
import type { Libc } from "../libc.js";
import { ConnectionFacts, costOf } from "./connection-facts.js";
import { isLater, type OutputCalls, PendingOutput, RETRY_MS } from "./pending-output.js";
import { AHEAD_BYTES, Batching, type DescriptorRecord, type Records } from "./record.js";
import { NOT_MADE, Submission, SUBMISSION_MAX } from "./submission.js";

/** Distance between buffers. Not a power of two, because such buffers would compete for the same sets of the cache. */
const AHEAD_STRIDE = AHEAD_BYTES + 64;
/** From how many connections input is read ahead at most; others are read when `recv` is called. */
const AHEAD_MAX = 512;
/** Longer output is sent at once: the system call is only a small part of its cost. */
const DEFERRED_BYTES = 2048;
/** Up to this many are sent one by one: a submission costs two system calls itself. */
const FEW = 2;

export class Batch {
  readonly records: Records;
  readonly pendingOutput: PendingOutput;
  /** Calls that were batched, since the thread began. */
  batchedCalls = 0;
  readonly #libc: Libc;
  readonly #sendFlags: number;
  readonly #facts: ConnectionFacts | undefined;
  #submission: Submission | undefined;
  /** Has the kernel refused to open a submission? Tried again when all poll sets have been closed. */
  #isRefused = false;
  #users = 0;
  #isUnderWay = false;
  /** Turns that are under way: more than one where a callback runs another loop. */
  #turns = 0;
  /** The connection to which the turn's last send went, which took everything; -1 for none. */
  #lastSentTo = -1;

  /** What was read: one buffer for each connection, and which connection each belongs to. */
  #ahead = new Uint8Array(0);
  #aheadAt = 0;
  readonly #aheadFds = new Int32Array(AHEAD_MAX);
  #aheadCount = 0;

  /** What is to be sent, in order: for each send its connection, and where its bytes end. They begin where the previous ones end. */
  readonly #deferred = new Uint8Array(SUBMISSION_MAX * DEFERRED_BYTES);
  readonly #deferredAt: number;
  readonly #fds = new Int32Array(SUBMISSION_MAX);
  readonly #ends = new Int32Array(SUBMISSION_MAX);
  #count = 0;

  constructor(libc: Libc, constants: PlatformConstants, records: Records, calls: OutputCalls) {
    const { linux } = libc;
    this.records = records;
    this.#libc = libc;
    this.#sendFlags = constants.MSG_NOSIGNAL;
    this.#facts = linux === undefined ? undefined : new ConnectionFacts(libc, linux, constants);
    this.#deferredAt = Number(libc.addressOf(this.#deferred));
    this.pendingOutput = new PendingOutput(records, calls, (fd, errno) => this.fail(fd, errno));
  }

  /** A poll set that may use this batch has been made. */
  addUser(): void {
    if (this.#users === 0) this.#isRefused = false;
    this.#users++;
  }

  /** Such a poll set has been closed. With the last one, the kernel's resources for batches are released. */
  removeUser(): void {
    this.#users--;
    if (this.#users > 0) return;
    this.end();
    this.#submission?.close();
    this.#submission = undefined;
  }

  /** A poll set that may use this batch begins a turn. */
  beginTurn(): void {
    this.#turns++;
    this.#lastSentTo = -1;
  }

  endTurn(): void {
    this.#turns--;
    this.end();
  }

  /** Ends the batch that is under way, before a poll set waits. @returns for how long it may wait, of `timeoutMs` */
  beforeWait(timeoutMs: number): number {
    this.end();
    if (this.pendingOutput.size === 0) return timeoutMs;
    this.pendingOutput.retry();
    return this.pendingOutput.size === 0 ? timeoutMs : Math.min(timeoutMs, RETRY_MS);
  }

  /** May `fd`, which is readable, be read ahead? Its last `shortReads` reads must each have been short. */
  isCandidate(fd: number, shortReads: number): boolean {
    const record = this.records.afterShortReads(fd, shortReads);
    return record !== undefined && !record.hasInput && this.#isAllowed(fd, record);
  }

  /** Begins a batch: reads from the first `count` of `fds`, which are candidates. */
  begin(fds: Int32Array, count: number): void {
    const submission = this.#open();
    if (submission === undefined) return;
    const total = Math.min(count, AHEAD_MAX);
    if (total * AHEAD_STRIDE > this.#ahead.length) this.#growAhead(total);
    for (let first = 0; first < total; first += SUBMISSION_MAX) {
      const calls = Math.min(SUBMISSION_MAX, total - first);
      for (let i = 0; i < calls; i++) {
        submission.read(i, fds[first + i] ?? -1, this.#aheadAt + (first + i) * AHEAD_STRIDE, AHEAD_BYTES);
      }
      submission.run(calls);
      this.batchedCalls += calls;
      for (let i = 0; i < calls; i++) this.#take(first + i, fds[first + i] ?? -1, submission.results[i] ?? 0);
    }
    this.#aheadCount = total;
    this.#isUnderWay = true;
  }

  /** Begins a batch in which nothing is read. */
  beginSends(): void {
    this.#isUnderWay = this.#open() !== undefined;
  }

  /**
   * Accepts `data` to be sent with others: once a batch is under way, or a turn sends to the same connection again.
   * @returns false where it is neither, or the kernel is not known to have room: then send it directly
   */
  defer(fd: number, data: Uint8Array): boolean {
    if (!this.#isUnderWay && fd !== this.#lastSentTo) return false;
    const at = this.#reserve(fd, lengthOf(data));
    if (at < 0) return false;
    this.#isUnderWay = true;
    copyTo(this.#deferred, data, at);
    return true;
  }

  /** The same with several pieces, all or none. @returns how many bytes they are; 0 for none */
  deferAll(fd: number, pieces: readonly Uint8Array[]): number {
    if (!this.#isUnderWay && fd !== this.#lastSentTo) return 0;
    let total = 0;
    for (const piece of pieces) total += lengthOf(piece);
    let at = this.#reserve(fd, total);
    if (at < 0) return 0;
    this.#isUnderWay = true;
    for (const piece of pieces) {
      copyTo(this.#deferred, piece, at);
      at += lengthOf(piece);
    }
    return total;
  }

  /** Sends what was accepted. */
  flush(): void {
    if (this.#count > 0) this.#flush();
  }

  /** The batch is over: accepted output is sent, and unread input is kept in the records. */
  end(): void {
    this.#lastSentTo = -1;
    if (!this.#isUnderWay) return;
    this.#isUnderWay = false;
    this.flush();
    const ahead = this.#ahead;
    for (let buffer = 0; buffer < this.#aheadCount; buffer++) {
      const fd = this.#aheadFds[buffer] ?? -1;
      const record = this.records.get(fd);
      if (record === undefined || record.unread !== ahead || record.unreadBytes === 0) continue;
      const rest = copyOf(ahead, record.unreadBytes, record.unreadFrom);
      record.setUnread(rest, 0, rest.length, record.hasFilledBuffer);
      record.shortReads = 0;
      this.records.notifyKept(fd);
    }
    this.#aheadCount = 0;
  }

  /** The process ends: accepted output is sent, and pending output is tried once more. */
  finish(): void {
    this.end();
    this.pendingOutput.retry();
  }

  /** A send that was made at once has taken `sent` of `length` bytes, or failed. */
  noteSent(fd: number, sent: number, length: number): void {
    this.#lastSentTo = this.#turns > 0 && sent === length ? fd : -1;
    const record = this.records.get(fd);
    if (record !== undefined) record.room = sent === length ? record.room - costOf(length) : 0;
  }

  #flush(): void {
    const count = this.#count;
    const submission = count > FEW ? this.#open() : undefined;
    this.#count = 0;
    if (submission !== undefined) {
      for (let i = 0, at = 0; i < count; i++) {
        const end = this.#ends[i] ?? 0;
        submission.write(i, this.#fds[i] ?? -1, this.#deferredAt + at, end - at);
        at = end;
      }
      submission.run(count);
    }
    this.batchedCalls += count;
    for (let i = 0, at = 0; i < count; i++) {
      const fd = this.#fds[i] ?? -1;
      const record = this.records.of(fd);
      const end = this.#ends[i] ?? 0;
      record.isDeferred = false;
      let result = submission === undefined ? NOT_MADE : (submission.results[i] ?? 0);
      if (result === NOT_MADE) result = this.#send(fd, at, end);
      if (result !== end - at) this.#fallShort(fd, record, at, end, result);
      at = end;
    }
  }

  /** Reserves room for a send. @returns where in the buffer; -1 where it is not accepted */
  #reserve(fd: number, length: number): number {
    if (length === 0 || length > DEFERRED_BYTES) return -1;
    const record = this.records.get(fd) ?? this.#recordToSend(fd);
    if (record === undefined || record.hasEndedOutput || record.failure !== 0) return -1;
    const joined = record.isDeferred ? this.#join(fd, record, length) : -1;
    if (joined >= 0) return joined;
    const cost = costOf(length);
    if (record.room < cost && !this.#hasRoom(fd, record, cost)) return -1;
    // Two sends of one connection are never in one batch: the first could be partial, and the second not.
    if (record.isDeferred || this.#count === SUBMISSION_MAX) this.#flush();
    // The flush may have found that the kernel takes nothing.
    if (record.pendingOutput !== undefined || record.failure !== 0) return -1;
    record.room -= cost;
    record.isDeferred = true;
    const at = this.#count === 0 ? 0 : (this.#ends[this.#count - 1] ?? 0);
    this.#fds[this.#count] = fd;
    this.#ends[this.#count] = at + length;
    this.#count++;
    return at;
  }

  /** A record for `fd`, which has none: of what cannot be batched as well, so that the kernel is asked once. */
  #recordToSend(fd: number): DescriptorRecord | undefined {
    const batching = this.#facts?.batchingOf(fd) ?? Batching.UNKNOWN;
    if (batching === Batching.UNKNOWN) return undefined;
    const record = this.records.of(fd);
    record.batching = batching;
    return record;
  }

  /** Lets `length` bytes follow the send that was accepted last, if it is on `fd`. @returns where in the buffer, or -1 */
  #join(fd: number, record: DescriptorRecord, length: number): number {
    const last = this.#count - 1;
    const begin = last <= 0 ? 0 : (this.#ends[last - 1] ?? 0);
    const end = this.#ends[last] ?? 0;
    // The kernel's own structures have been charged for already: it stays one send.
    const fits = end + length - begin <= DEFERRED_BYTES && record.room >= length;
    if (this.#fds[last] !== fd || !fits) return -1;
    record.room -= length;
    this.#ends[last] = end + length;
    return end;
  }

  #hasRoom(fd: number, record: DescriptorRecord, cost: number): boolean {
    if (this.#facts === undefined || !this.#isAllowed(fd, record)) return false;
    // What has been accepted is not in the kernel's figures yet.
    if (record.isDeferred) this.#flush();
    record.room = record.pendingOutput === undefined ? this.#facts.roomOf(fd) : 0;
    return record.room >= cost;
  }

  #isAllowed(fd: number, record: DescriptorRecord): boolean {
    if (record.batching === Batching.UNKNOWN) record.batching = this.#facts?.batchingOf(fd) ?? Batching.REFUSED;
    return record.batching === Batching.ALLOWED;
  }

  /** A read ahead has given `result`. */
  #take(buffer: number, fd: number, result: number): void {
    const record = this.records.of(fd);
    const from = buffer * AHEAD_STRIDE;
    this.#aheadFds[buffer] = fd;
    if (result > 0) record.setUnread(this.#ahead, from, from + result, result === AHEAD_BYTES);
    // The end of input need not be kept: the kernel reports it again at the next read.
    else if (result < 0 && result !== -errnos.EAGAIN && result !== NOT_MADE) this.fail(fd, result);
    record.noteRead(result, AHEAD_BYTES);
  }

  #send(fd: number, at: number, end: number): number {
    const sent = this.#libc.sendAt(fd, this.#deferredAt + at, end - at, this.#sendFlags);
    return sent < 0 ? -this.#libc.errno() : sent;
  }

  #fallShort(fd: number, record: DescriptorRecord, at: number, end: number, result: number): void {
    record.room = 0;
    const taken = Math.max(result, 0);
    if (result < 0 && !isLater(result)) this.fail(fd, result);
    else this.pendingOutput.add(fd, copyOf(this.#deferred, end - at - taken, at + taken));
  }

  /** A call on `fd` has failed, and the kernel will not report it again: the read that reaches the end returns the error. */
  fail(fd: number, errno: number): void {
    const record = this.records.of(fd);
    if (record.failure === 0) record.failure = errno;
    record.room = 0;
    record.shortReads = 0;
    this.records.notifyKept(fd);
  }

  /** Called only while the buffers are empty, because it does not copy them. */
  #growAhead(total: number): void {
    const buffers = Math.min(AHEAD_MAX, Math.max(SUBMISSION_MAX, 2 ** Math.ceil(Math.log2(total))));
    this.#ahead = new Uint8Array(buffers * AHEAD_STRIDE);
    this.#aheadAt = Number(this.#libc.addressOf(this.#ahead));
  }

  /** Opens the submission at first use. */
  #open(): Submission | undefined {
    const { linux } = this.#libc;
    if (this.#submission !== undefined || this.#isRefused || linux === undefined) return this.#submission;
    this.#submission = Submission.open(this.#libc, linux);
    this.#isRefused = this.#submission === undefined;
    return this.#submission;
  }
}
