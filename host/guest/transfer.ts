/**
 * Owns moving bytes between a descriptor and the vector of a call, and waiting where the guest wants to wait. Knows
 * the backend seam; knows no layout.
 *
 * Sockets of a backend never wait. Standard input and output are shared with whoever started the host, so they are left
 * as they are: a guest that wants them not to wait has them looked at first. Results are a number of bytes, or a WASI
 * errno below zero.
 */

import { Ready, type Received } from "../backend/backend.js";
import { ERRNO_AGAIN, ERRNO_MSGSIZE, ERRNO_SUCCESS } from "../wasi/errno.js";
import type { GuestContext } from "./calls/context.js";
import type { Descriptor } from "./descriptors.js";

/** A pipe that is ready takes so many bytes without waiting: the least PIPE_BUF that POSIX allows. */
const PIPE_BYTES = 512;
/** Of one call of the backend's: larger vectors are received in several, and sent in part. */
const BUFFER_BYTES = 65_536;
/**
 * What one call reads of a file, or writes to it, at most: a longer one is short, as POSIX allows. Nothing else runs on the thread
 * meanwhile, and for a shared plugin that is the thread of its neighbours.
 */
export const FILE_BYTES_MAX = 0x10_0000;

export class Transfer {
  readonly #context: GuestContext;
  #gathered: Uint8Array | undefined;
  #received: Uint8Array | undefined;

  constructor(context: GuestContext) {
    this.#context = context;
  }

  /** Was the last datagram longer than the vector? */
  truncated = false;

  /** What is received, before it is in the guest's vector. */
  get #buffer(): Uint8Array {
    return (this.#received ??= new Uint8Array(BUFFER_BYTES));
  }

  /** Receives into the vector. `all` waits until it is full, if the guest waits at all. */
  receive(descriptor: Descriptor, all: boolean): number {
    const { iovecs } = this.#context;
    this.truncated = false;
    if (descriptor.isDatagram) return this.#receiveDatagram(descriptor);
    const most = descriptor.isFile ? Math.min(iovecs.total, FILE_BYTES_MAX) : iovecs.total;
    let done = 0;
    while (done < most) {
      const length = Math.min(most - done, BUFFER_BYTES);
      const result = this.#take(descriptor, length);
      if (result < 0) return this.#partial(descriptor, done, result);
      iovecs.scatter(this.#buffer, result, done);
      done += result;
      if (result === 0 || (!all && !descriptor.isFile) || descriptor.nonBlocking) break;
    }
    return done;
  }

  /** Receives into the vector what stays unread: what has arrived, at least one byte if the guest waits. */
  peek(descriptor: Descriptor): number {
    const { backend, iovecs } = this.#context;
    // Of a datagram more than the vector holds, which tells whether it is cut.
    const length = descriptor.isDatagram ? BUFFER_BYTES : Math.min(iovecs.total, BUFFER_BYTES);
    const result = this.#repeat(descriptor, () => backend.peek(descriptor.fd, this.#buffer, length));
    if (result < 0) return result;
    this.#deliver(result);
    return Math.min(result, iovecs.total);
  }

  /** Reads into the vector from a position of a file. */
  receiveAt({ fd }: Descriptor, position: bigint): number {
    const { backend, errnos, iovecs } = this.#context;
    const most = Math.min(iovecs.total, FILE_BYTES_MAX);
    let done = 0;
    while (done < most) {
      const buffer = this.#buffer.subarray(0, Math.min(most - done, BUFFER_BYTES));
      const result = backend.readFrom(fd, buffer, position + BigInt(done));
      if (result < 0) return done > 0 ? done : -errnos.wasi(result);
      if (result === 0) break;
      iovecs.scatter(buffer, result, done);
      done += result;
    }
    return done;
  }

  /** Writes the vector, or a part of it, at a position of a file. */
  sendAt(descriptor: Descriptor, position: bigint): number {
    const data = this.#data(descriptor);
    if (typeof data === "number") return data;
    const { backend, errnos } = this.#context;
    const result = backend.writeTo(descriptor.fd, data, position);
    return result < 0 ? -errnos.wasi(result) : result;
  }

  /** Sends the vector; a part of it may be all that a guest that does not wait gets rid of. */
  send(descriptor: Descriptor): number {
    const data = this.#data(descriptor);
    if (typeof data === "number") return data;
    let done = this.#give(descriptor, data);
    while (done >= 0 && done < data.length && !descriptor.nonBlocking) {
      const result = this.#give(descriptor, data.subarray(done));
      if (result < 0) return this.#partial(descriptor, done, result);
      done += result;
    }
    return done;
  }

  /** Sends the vector as one datagram. `post` is the backend's call. */
  sendTo(descriptor: Descriptor, post: (data: Uint8Array) => number): number {
    const data = this.#data(descriptor);
    if (typeof data === "number") return data;
    while (true) {
      const result = post(data);
      if (result >= 0) return result;
      const failed = this.#failure(descriptor, Ready.WRITE, result);
      if (failed !== ERRNO_SUCCESS) return -failed;
    }
  }

  /** Receives one datagram of a socket into the vector, and says who sent it. */
  receiveFrom(descriptor: Descriptor): Received | number {
    const { backend, iovecs } = this.#context;
    // Of a stream no more may be taken than there is room for.
    const length = descriptor.isDatagram ? BUFFER_BYTES : Math.min(iovecs.total, BUFFER_BYTES);
    while (true) {
      const received = backend.recvFrom(descriptor.fd, this.#buffer, length);
      if (typeof received !== "number") {
        this.#deliver(received.length);
        return { length: Math.min(received.length, iovecs.total), address: received.address };
      }
      const failed = this.#failure(descriptor, Ready.READ, received);
      if (failed !== ERRNO_SUCCESS) return -failed;
    }
  }

  #receiveDatagram(descriptor: Descriptor): number {
    const length = this.#take(descriptor, BUFFER_BYTES);
    if (length < 0) return length;
    this.#deliver(length);
    return Math.min(length, this.#context.iovecs.total);
  }

  /** Calls until it succeeds, fails, or would have to wait and must not; at the end of input, the error that a poll has found. */
  #repeat(descriptor: Descriptor, call: () => number): number {
    while (true) {
      const result = call();
      if (result > 0) return result;
      if (result === 0) return 0 - descriptor.takePendingError();
      const failed = this.#failure(descriptor, Ready.READ, result);
      if (failed !== ERRNO_SUCCESS) return -failed;
    }
  }

  #deliver(length: number): void {
    const { iovecs } = this.#context;
    this.truncated = length > iovecs.total;
    iovecs.scatter(this.#buffer, Math.min(length, iovecs.total));
  }

  /** Up to `length` bytes into {@link #buffer}; at the end of input the error that a poll has found. */
  #take(descriptor: Descriptor, length: number): number {
    const { backend } = this.#context;
    const { fd, isSocket } = descriptor;
    while (true) {
      const refused = this.#refusal(descriptor, Ready.READ);
      if (refused !== ERRNO_SUCCESS) return -refused;
      const result = isSocket ? backend.recv(fd, this.#buffer, length) : backend.read(fd, this.#buffer, length);
      if (result > 0) return result;
      if (result === 0) return 0 - descriptor.takePendingError();
      const failed = this.#failure(descriptor, Ready.READ, result);
      if (failed !== ERRNO_SUCCESS) return -failed;
    }
  }

  #give(descriptor: Descriptor, data: Uint8Array): number {
    const { backend } = this.#context;
    const { fd, isSocket } = descriptor;
    const part = isSocket || descriptor.isFile || !descriptor.nonBlocking ? data : data.subarray(0, PIPE_BYTES);
    while (true) {
      const refused = this.#refusal(descriptor, Ready.WRITE);
      if (refused !== ERRNO_SUCCESS) return -refused;
      const result = isSocket ? backend.send(fd, part) : backend.write(fd, part);
      if (result >= 0) return result;
      const failed = this.#failure(descriptor, Ready.WRITE, result);
      if (failed === ERRNO_SUCCESS) continue;
      // What a poll has found says more than the EPIPE that is left of it.
      const pending = failed === ERRNO_AGAIN ? ERRNO_SUCCESS : descriptor.takePendingError();
      return -(pending === ERRNO_SUCCESS ? failed : pending);
    }
  }

  /** Before a call that would wait: EAGAIN for a guest that does not. @returns a WASI errno. */
  #refusal(descriptor: Descriptor, interest: number): number {
    if (!descriptor.nonBlocking || descriptor.isSocket || descriptor.isFile) return ERRNO_SUCCESS;
    return this.#wait(descriptor, interest, 0);
  }

  /** After a call that failed: 0 when it is to be repeated, because the guest waits and has waited. */
  #failure(descriptor: Descriptor, interest: number, result: number): number {
    const errno = this.#context.errnos.wasi(result);
    if (errno !== ERRNO_AGAIN) return errno;
    // Of a datagram socket a pending error is all that there is to receive.
    const pending = descriptor.takePendingError();
    if (pending !== ERRNO_SUCCESS || descriptor.nonBlocking) return pending || errno;
    return this.#wait(descriptor, interest, Infinity);
  }

  /** @returns a WASI errno: EAGAIN where `timeoutMs` is 0 and it is not ready. */
  #wait(descriptor: Descriptor, interest: number, timeoutMs: number): number {
    const { errnos, waiting } = this.#context;
    const { failed, ready, pendingError } = waiting.wait(descriptor.fd, interest, timeoutMs);
    if (failed < 0) return errnos.wasi(failed);
    if (pendingError < 0) descriptor.setPendingError(errnos.wasi(pendingError));
    return ready ? ERRNO_SUCCESS : ERRNO_AGAIN;
  }

  /** A failure after some bytes is returned by the next call. */
  #partial(descriptor: Descriptor, done: number, failed: number): number {
    if (done === 0) return failed;
    if (failed !== -ERRNO_AGAIN) descriptor.setPendingError(-failed);
    return done;
  }

  /** What is to be sent, in one piece. A datagram cannot be sent in part. */
  #data(descriptor: Descriptor): Uint8Array | number {
    const { iovecs } = this.#context;
    // A socket takes no more than its buffer. What else is written by one call is bounded, whatever the guest asks for.
    const mostBytes = descriptor.isSocket ? Infinity : BUFFER_BYTES;
    const gathered = iovecs.gather(mostBytes, () => (this.#gathered ??= new Uint8Array(BUFFER_BYTES)));
    return descriptor.isDatagram && gathered.length < iovecs.total ? -ERRNO_MSGSIZE : gathered;
  }
}
