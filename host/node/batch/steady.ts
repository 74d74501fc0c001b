/**
 * Owns which connections of an epoll set are steady, and what that is good for. A steady connection is a TCP one whose
 * reads take all that is there, time after time. It is watched edge-triggered and for writing as well, so that the word
 * that it can read also tells whether it has room; and where several of them are ready at once, they are read ahead, and
 * what is sent to them is put off, to be done in a few system calls. With the first thing that is not as expected, a
 * connection is level-triggered again. Knows the epoll set by {@link EpollSet} alone.
 */

import { Ready } from "../../backend/backend.js";
import { Aio } from "./aio.js";
import { IPPROTO_TCP, type PlatformConstants, SO_PROTOCOL } from "../constants.js";
import { grown } from "../grown.js";
import type { Libc, LinuxCalls } from "../libc.js";
import { ReadAhead } from "./read-ahead.js";
import { POLLIN, POLLOUT } from "../readiness.js";
import { type Batch, endBatchUnderWay, type Streams } from "./streams.js";
import { WriteBehind } from "./write-behind.js";

const EPOLLET = 0x8000_0000;
/** The peer has ended. Asked for because a read that takes the last bytes does not tell that the end comes after them. */
const EPOLLRDHUP = 0x2000;

/** After so many reads in a row that took all there was, a connection is steady. */
const STEADY_READS = 2;

/** By descriptor: how it is watched. */
const LEVEL = 0;
const EDGE = 1;
/** Level-triggered for good: it is no TCP connection, or one that is kept small. */
const NEVER = 2;

/** In a smaller send buffer, "has room" may be less than what is put off. */
const SEND_BUFFER_MIN = 16_384;

/** What the epoll set does for {@link Steady}. */
export interface EpollSet {
  /** What `fd` is watched for where it is level-triggered, in epoll's bits. */
  levelEvents(fd: number): number;
  /** epoll_ctl(2) with EPOLL_CTL_MOD. @returns 0 or -errno */
  modify(fd: number, events: number): number;
}

export class Steady {
  readonly #libc: Libc;
  readonly #linux: LinuxCalls;
  readonly #constants: PlatformConstants;
  readonly #streams: Streams;
  readonly #set: EpollSet;
  #batchMin: number;
  #batch: (Batch & { readonly aio: Aio }) | undefined;
  #isOpen = false;
  #states = new Uint8Array(1024);
  /** The steady connections that the last wait has found, and whether each has room. */
  #served = new Int32Array(64);
  #roomy = new Uint8Array(64);
  #count = 0;

  constructor(
    libc: Libc,
    linux: LinuxCalls,
    constants: PlatformConstants,
    streams: Streams,
    batchMin: number,
    set: EpollSet,
  ) {
    this.#libc = libc;
    this.#linux = linux;
    this.#constants = constants;
    this.#streams = streams;
    this.#batchMin = batchMin;
    this.#set = set;
  }

  /** A batch begins: until {@link end} calls may be made together. */
  begin(): void {
    this.#isOpen = true;
    // One that there is from an earlier batch; the first is made when there is use for it.
    if (this.#batch !== undefined) this.#streams.begin(this.#batch);
    else endBatchUnderWay();
  }

  /** A wait begins: what an earlier one has found is over, and so is the batch of another set. */
  beginWait(): void {
    if (!this.#isOpen) endBatchUnderWay();
    else if (this.#count > 0) {
      this.end();
      this.begin();
    }
  }

  /** The batch is over: what was put off is done, and connections that were not read to the end are level-triggered. */
  end(): void {
    this.#isOpen = false;
    if (this.#batch === undefined) return;
    if (this.#streams.isUnderWay(this.#batch)) this.#streams.end();
    const { drained } = this.#streams;
    for (let i = 0; i < this.#count; i++) {
      const fd = this.#served[i] ?? -1;
      this.#batch.behind.setRoom(fd, false);
      if (this.#states[fd] === EDGE && drained.count(fd) === 0) this.#toLevel(fd);
    }
    this.#count = 0;
  }

  /**
   * What epoll has found of `fd`, as it would have found it level-triggered and watched for `interest` alone.
   * @param isBusy whether it found so many that batches are worth their while
   * @returns 0 for nothing
   */
  see(fd: number, events: number, interest: number, isBusy: boolean): number {
    if (this.#states[fd] === EDGE) {
      if ((events & ~POLLOUT) === POLLIN && this.#isOpen) {
        this.#serve(fd, events);
        return POLLIN;
      }
      if (events !== POLLOUT || !this.#isOpen) this.#toLevel(fd);
      return events & ~(POLLOUT | EPOLLRDHUP);
    }
    const isSteady = events === POLLIN && this.#streams.drained.count(fd) >= STEADY_READS;
    if (isSteady && isBusy && this.#isOpen && !this.#streams.isHolding(fd)) this.#toEdge(fd, interest);
    return events;
  }

  /** How many must be ready for a batch. */
  get batchMin(): number {
    return this.#batchMin;
  }

  /** Reads ahead what the wait has found, if that is worth its while. */
  readAhead(): void {
    const batch = this.#batch;
    const count = this.#count;
    if (batch === undefined || count < this.#batchMin || !this.#streams.isUnderWay(batch)) return;
    batch.ahead.read(this.#served, count, this.#streams.fail);
    for (let i = 0; i < count; i++) if (this.#roomy[i] === 1) batch.behind.setRoom(this.#served[i] ?? -1, true);
  }

  /** `fd` is watched level-triggered from now on; it may be another than before if `isGone`. */
  forget(fd: number, isGone: boolean): void {
    if (isGone || this.#states[fd] === EDGE) this.#states[fd] = LEVEL;
  }

  close(): void {
    this.end();
    this.#batch?.aio.close();
    this.#batch = undefined;
    this.#batchMin = Infinity;
    this.#states.fill(LEVEL);
  }

  #serve(fd: number, events: number): void {
    if (this.#count === this.#served.length) {
      this.#served = grown(this.#served, this.#count);
      this.#roomy = grown(this.#roomy, this.#count);
    }
    this.#served[this.#count] = fd;
    this.#roomy[this.#count] = Number((events & POLLOUT) !== 0);
    this.#count++;
    // To be proven anew in every turn.
    this.#streams.drained.clear(fd);
  }

  #toEdge(fd: number, interest: number): void {
    if ((interest & Ready.WRITE) !== 0 || this.#states[fd] === NEVER) return;
    const isFit = this.#isFit(fd);
    if (isFit && !this.#hasBatch()) return;
    if (isFit && this.#set.modify(fd, this.#set.levelEvents(fd) | POLLOUT | EPOLLRDHUP | EPOLLET) !== 0) return;
    if (fd >= this.#states.length) this.#states = grown(this.#states, fd);
    this.#states[fd] = isFit ? EDGE : NEVER;
  }

  #toLevel(fd: number): void {
    this.#states[fd] = LEVEL;
    this.#streams.drained.clear(fd);
    this.#set.modify(fd, this.#set.levelEvents(fd));
  }

  /** Is it a TCP connection with a send buffer of an ordinary size? */
  #isFit(fd: number): boolean {
    const [level, sendBuffer] = this.#constants.options.SO_SNDBUF;
    return (
      this.#optionOf(fd, level, SO_PROTOCOL) === IPPROTO_TCP && this.#optionOf(fd, level, sendBuffer) >= SEND_BUFFER_MIN
    );
  }

  /** -1 where there is none. */
  #optionOf(fd: number, level: number, option: number): number {
    const [value, length] = [new Int32Array(1), new Uint32Array([4])];
    return this.#libc.getsockopt(fd, level, option, value, length) < 0 ? -1 : (value[0] ?? -1);
  }

  /** Makes what batches need, once. */
  #hasBatch(): boolean {
    if (this.#batch !== undefined) return true;
    if (this.#batchMin === Infinity) return false;
    const aio = Aio.open(this.#libc, this.#linux);
    if (aio === undefined) {
      this.#batchMin = Infinity;
      return false;
    }
    const ahead = new ReadAhead(this.#libc, aio, this.#streams.drained);
    const behind = new WriteBehind(this.#libc, aio, this.#constants.MSG_NOSIGNAL, this.#streams);
    this.#batch = { ahead, behind, aio };
    return true;
  }
}
