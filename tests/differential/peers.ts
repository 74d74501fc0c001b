/**
 * Owns the outside of a scenario: sockets and pipe ends that are driven by hand. Of the library it knows Socket and the
 * backend; no loop and no handler. Twin of peers.py.
 */

import {
  BlockingIOError,
  defaultBackend,
  type Family,
  OSError,
  Socket,
  type SocketAddress,
  type SocketType,
} from "wasyncore";
import { platformConstants } from "../../host/node/constants.js";
import { loadLibc } from "../../host/node/libc.js";

export const PATIENCE_MS = 5000;
const READ_BYTES = 65_536;

/** Bits of poll(2). */
const CONDITIONS: Readonly<Record<string, number>> = {
  readable: 0x1,
  writable: 0x4,
  urgent: 0x2,
  // POLLRDHUP and POLLHUP.
  end: 0x2010,
  hangup: 0x10,
  error: 0x8,
};

/** Waits until poll(2) says so of a descriptor, or until so many bytes can be read; takes nothing from it. */
export function waitFor(fd: number, condition: string | number): void {
  const libc = loadLibc();
  const wanted = typeof condition === "number" ? 0 : (CONDITIONS[condition] ?? 0);
  const record = new Int16Array(4);
  new Int32Array(record.buffer)[0] = fd;
  record[2] = wanted;
  const deadlineMs = performance.now() + PATIENCE_MS;
  while (performance.now() < deadlineMs) {
    if (typeof condition === "number" && readableBytes(fd) >= condition) return;
    libc.poll(record, 1, 1);
    if (((record[3] ?? 0) & wanted) !== 0) return;
  }
  throw new Error(`never so: ${condition}`);
}

function readableBytes(fd: number): number {
  const value = new Int32Array(1);
  return loadLibc().ioctl(fd, platformConstants().FIONREAD, value) < 0 ? -1 : (value[0] ?? -1);
}

/** A socket, or an end of a pipe; never blocks. */
export class Peer {
  readonly #socket: Socket | undefined;
  readonly #pipeFd: number;
  #pipeOpen: boolean;
  readonly address: SocketAddress | undefined;
  /** "end", or the code of the error that was the end. */
  ended: string | undefined;

  constructor(from: { readonly socket: Socket } | { readonly pipeFd: number }) {
    this.#socket = "socket" in from ? from.socket : undefined;
    this.#pipeFd = "socket" in from ? -1 : from.pipeFd;
    this.#pipeOpen = this.#pipeFd >= 0;
    this.address = this.#socket?.localAddress();
  }

  get socket(): Socket {
    if (this.#socket === undefined) throw new Error("a pipe is no socket");
    return this.#socket;
  }

  get fd(): number {
    return this.#socket?.fd ?? this.#pipeFd;
  }

  send(data: Uint8Array): void {
    const sent = this.#socket?.send(data) ?? defaultBackend().write(this.#pipeFd, data);
    if (sent !== data.length) throw new Error(`only ${sent} of ${data.length} bytes could be sent`);
  }

  reset(): void {
    this.socket.setOption("SO_LINGER", 0);
    this.socket.close();
  }

  /** Everything that can be read now; {@link ended} says afterwards whether that was all. */
  take(): Uint8Array {
    const taken: Uint8Array[] = [];
    while (this.ended === undefined && this.fd >= 0) {
      try {
        const data = this.#read();
        taken.push(data);
        if (this.#socket?.type === "dgram") break;
        if (data.length === 0) this.ended = "end";
      } catch (error) {
        if (error instanceof BlockingIOError) break;
        if (!(error instanceof OSError)) throw error;
        this.ended = error.code;
      }
    }
    return Buffer.concat(taken);
  }

  close(): void {
    this.#socket?.close();
    if (this.#pipeOpen) defaultBackend().close(this.#pipeFd);
    this.#pipeOpen = false;
  }

  #read(): Uint8Array {
    if (this.#socket !== undefined) return this.#socket.recv(READ_BYTES);
    const target = new Uint8Array(READ_BYTES);
    const length = defaultBackend().read(this.#pipeFd, target);
    if (length >= 0) return target.subarray(0, length);
    const code = defaultBackend().errorCode(length);
    const details = { errno: length, syscall: "read" };
    throw code === "EAGAIN" ? new BlockingIOError(code, details) : new OSError(code, details);
  }
}

/** An address of `family` that nobody else has. */
export function anyAddress(family: Family): SocketAddress {
  if (family === "unix") return { path: "" };
  return { host: family === "IPv4" ? "127.0.0.1" : "::1", port: 0 };
}

export function boundSocket(family: Family, type: SocketType = "stream"): Socket {
  const socket = Socket.create({ family, type });
  socket.bind(anyAddress(family));
  return socket;
}

/** A socket that is connected. */
export function connectedTo(family: Family, address: SocketAddress): Socket {
  const socket = Socket.create({ family });
  if (!socket.connect(address)) waitFor(socket.fd, "writable");
  return socket;
}

/** Takes the connection that comes. */
export function acceptFrom(listener: Socket): Socket {
  waitFor(listener.fd, "readable");
  const accepted = listener.accept();
  if (accepted === undefined) throw new Error("nothing to accept");
  return accepted[0];
}

/** The one that was accepted, and the one that connected. */
export function connectedPair(family: Family): [near: Socket, far: Socket] {
  if (family === "unix") return Socket.pair();
  using listener = boundSocket(family);
  listener.listen(1);
  const far = connectedTo(family, listener.localAddress());
  return [acceptFrom(listener), far];
}

/** A pipe; the end that is not the handler's does not block. */
export function pipe(handlersEnd: "read" | "write"): { nearFd: number; far: Peer } {
  const backend = defaultBackend();
  const ends = backend.pipe();
  if (typeof ends === "number") throw new Error(`pipe: ${backend.errorCode(ends)}`);
  const [nearFd, farFd] = handlersEnd === "read" ? ends : ([ends[1], ends[0]] as const);
  backend.setNonBlocking(farFd, true);
  return { nearFd, far: new Peer({ pipeFd: farFd }) };
}
