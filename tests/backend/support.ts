/**
 * Owns what the tests of backends share: descriptors that are closed when a test ends, connected pairs, and
 * waiting for readiness. Knows the backend by its interface alone.
 */

import { constants } from "node:os";
import { onTestFinished } from "vitest";
import {
  type Backend,
  type Family,
  type PollSet,
  Ready,
  ReadyRow,
  type SocketAddress,
} from "../../host/backend/backend.js";

export const POLLERS = ["epoll", "poll"] as const;
export const ERRNO = constants.errno;

/** Longer than anything on the loopback takes; a test that waits so long has failed. */
export const PATIENCE_MS = 10_000;

/** One row of `PollSet.ready`. */
export interface Row {
  readonly fd: number;
  readonly bits: number;
  readonly error: number;
  readonly readable: number;
}

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function text(data: Uint8Array, length = data.length): string {
  return new TextDecoder().decode(data.subarray(0, length));
}

const open = new Set<number>();

/** A descriptor that has to be there, closed at the end of the test unless {@link closeOwned} has done it. */
export function owned(backend: Backend, fd: number): number {
  if (fd < 0) throw new Error(`no descriptor: ${backend.errorCode(fd)}`);
  open.add(fd);
  onTestFinished(() => {
    if (open.has(fd)) closeOwned(backend, fd);
  });
  return fd;
}

/** Closes what {@link owned} gave, by `close`, which is the backend's own unless the test goes behind its back. */
export function closeOwned(backend: Backend, fd: number, close = (each: number): unknown => backend.close(each)): void {
  open.delete(fd);
  close(fd);
}

/** Two descriptors, as `pipe` and `socketPair` give them. */
export function ownedPair(backend: Backend, pair: readonly [number, number] | number): [number, number] {
  if (typeof pair === "number") throw new Error(`no descriptors: ${backend.errorCode(pair)}`);
  return [owned(backend, pair[0]), owned(backend, pair[1])];
}

export function ownedSet(backend: Backend): PollSet {
  const set = backend.createPollSet();
  onTestFinished(() => set.close());
  return set;
}

export function rowsOf(set: PollSet, count: number): Row[] {
  if (count < 0) throw new Error(`wait failed: ${count}`);
  return Array.from({ length: count }, (_, index) => {
    const row = set.ready.subarray(index * ReadyRow.STRIDE, (index + 1) * ReadyRow.STRIDE);
    const field = (at: number): number => row[at] ?? 0;
    return {
      fd: field(ReadyRow.FD),
      bits: field(ReadyRow.BITS),
      error: field(ReadyRow.ERROR),
      readable: field(ReadyRow.READABLE),
    };
  });
}

/** Waits once. */
export function wait(set: PollSet, timeoutMs = PATIENCE_MS): Row[] {
  return rowsOf(set, set.wait(timeoutMs));
}

/** Waits until `fd` has all of `bits`. */
export function waitFor(set: PollSet, fd: number, bits: number): Row {
  const deadline = performance.now() + PATIENCE_MS;
  while (performance.now() < deadline) {
    const row = wait(set).find((each) => each.fd === fd && (each.bits & bits) === bits);
    if (row !== undefined) return row;
  }
  throw new Error(`descriptor ${fd} never had the bits ${bits}`);
}

/** The address, or the failure as an error. */
export function addressOf(backend: Backend, found: SocketAddress | number): SocketAddress {
  if (typeof found === "number") throw new Error(`no address: ${backend.errorCode(found)}`);
  return found;
}

/** An address of `family` that no other socket has. */
export function anyAddress(family: Family): SocketAddress {
  if (family === "unix") return { path: "" };
  return { host: family === "IPv4" ? "127.0.0.1" : "::1", port: 0 };
}

/** A bound socket and where it stands. */
export function boundSocket(backend: Backend, family: Family, type: "stream" | "dgram"): [number, SocketAddress] {
  const fd = owned(backend, backend.socket(family, type));
  const result = backend.bind(fd, anyAddress(family));
  if (result < 0) throw new Error(`bind: ${backend.errorCode(result)}`);
  return [fd, addressOf(backend, backend.localAddress(fd))];
}

/** A connected pair of stream sockets over the loopback. */
export function connectedPair(backend: Backend, family: Family = "IPv4"): { client: number; server: number } {
  const [listener, address] = boundSocket(backend, family, "stream");
  backend.listen(listener, 1);
  const client = owned(backend, backend.socket(family, "stream"));
  const set = backend.createPollSet();
  try {
    const begun = backend.connect(client, address);
    if (begun !== 0 && begun !== -ERRNO.EINPROGRESS) throw new Error(`connect: ${backend.errorCode(begun)}`);
    set.update(listener, Ready.READ);
    waitFor(set, listener, Ready.READ);
    set.update(client, Ready.WRITE);
    waitFor(set, client, Ready.WRITE);
  } finally {
    set.close();
  }
  const accepted = backend.accept(listener);
  if (typeof accepted === "number") throw new Error(`accept: ${backend.errorCode(accepted)}`);
  return { client, server: owned(backend, accepted.fd) };
}
