/**
 * Owns the order of the calls of this thread's backends: unread input is returned before what the kernel has, and what was
 * sent is in the kernel before any other call is made. So every call has the effect that it would have alone, in the order
 * in which the calls were made. Knows the batch; knows no poll set.
 *
 * No call can be forgotten: {@link Unordered} names the members of a backend whose order does not matter, and this file
 * does not compile unless {@link orderCalls} handles each of the others.
 */

import type { Backend } from "../../backend/backend.js";
import { lengthOf } from "../../backend/bytes.js";
import { errnos } from "../constants.js";
import type { Slab } from "../slab.js";
import type { Batch } from "./batch.js";
import { orderReads } from "./order-reads.js";
import { Batching, isDescriptor } from "./record.js";

/**
 * Members whose order no peer and no handler can observe: values; a look-up, which begins after this turn's calls; and
 * poll sets, which end the batch themselves before they wait.
 */
export type Unordered = "name" | "clock" | "errorCode" | "isNumeric" | "lookup" | "createPollSet";

/** The calls that are ordered: as the kernel makes them, and wrapped by {@link orderCalls}. */
export type OrderedCalls = Omit<Backend, Unordered>;

type CallOn<A extends readonly unknown[], R> = (fd: number, ...rest: A) => R;

/** @param slab the memory in which unread input is returned */
export function orderCalls(direct: OrderedCalls, batch: Batch, slab: Slab): OrderedCalls {
  const { records, pendingOutput } = batch;
  const [EBADF, EAGAIN, EBUSY, EPIPE] = [-errnos.EBADF, -errnos.EAGAIN, -errnos.EBUSY, -errnos.EPIPE];
  const { readInto, readOwn, peek, hasUnread, takeFailure } = orderReads(direct, batch, slab);

  /** Wraps a call: sends everything in the batch first. */
  function inOrder<A extends readonly unknown[], R>(call: CallOn<A, R>): CallOn<A, R | number> {
    return (fd, ...rest) => {
      if (!isDescriptor(fd)) return EBADF;
      batch.flush();
      return call(fd, ...rest);
    };
  }

  /** The same for a call that changes whether later calls may be batched, or how much room they have. */
  function changing<A extends readonly unknown[]>(call: CallOn<A, number>): CallOn<A, number> {
    return inOrder((fd, ...rest) => {
      const record = records.get(fd);
      if (record !== undefined) {
        record.batching = Batching.UNKNOWN;
        record.room = 0;
      }
      return call(fd, ...rest);
    });
  }

  /** The same for a call that sends by itself: output that is pending on the descriptor comes first as well. */
  function sending<A extends readonly unknown[]>(call: CallOn<A, number>): CallOn<A, number> {
    return inOrder((fd, ...rest) => {
      const blocked = blockedOutput(fd);
      if (blocked !== 0) return blocked;
      const record = records.get(fd);
      if (record !== undefined) record.room = 0;
      return call(fd, ...rest);
    });
  }

  /** A call returned a new descriptor, or -errno. The record of that number is about an earlier file, and is reset. */
  function made(fd: number): number {
    if (fd >= 0) records.reset(fd);
    return fd;
  }

  /** The same for a descriptor of a new file, which no other descriptor has. */
  function madeSole(fd: number): number {
    if (fd >= 0) {
      records.reset(fd);
      records.setSole(fd, true);
    }
    return fd;
  }

  function madePair(pair: readonly [number, number] | number): readonly [number, number] | number {
    if (typeof pair === "object") for (const fd of pair) records.reset(fd);
    return pair;
  }

  /** Sends the pending output of `fd`. @returns 0, or the -errno that a later send on `fd` must return */
  function blockedOutput(fd: number): number {
    if (pendingOutput.size === 0) return 0;
    const record = records.get(fd);
    if (record?.isAbandoned === true) return EBADF;
    if (record?.pendingOutput === undefined) return 0;
    const hasEnded = record.shutdownAfter !== undefined;
    return pendingOutput.send(fd) ? 0 : hasEnded ? EPIPE : EAGAIN;
  }

  /** Does the backend hold bytes of `fd`, which code that does not use this backend would miss? */
  function isHeld(fd: number): boolean {
    return hasUnread(fd) || blockedOutput(fd) !== 0;
  }

  /** Who sent the unread input of a stream: its peer. */
  function sender(fd: number) {
    const address = direct.remoteAddress(fd);
    return typeof address === "number" ? { path: "" } : address;
  }

  return {
    // These return unread input from the record, or are made after everything in the batch is sent.
    recv: (fd, target, length) => readInto(direct.recv, fd, target, length, true),
    peek,
    receive: (fd, maxBytes) => readOwn(direct.receive, fd, maxBytes, true),
    read: (fd, target, length) => readInto(direct.read, fd, target, length, false),
    readBytes: (fd, maxBytes) => readOwn(direct.readBytes, fd, maxBytes, false),
    recvFrom(fd, target, length) {
      if (!isDescriptor(fd)) return EBADF;
      batch.flush();
      if (!hasUnread(fd)) return direct.recvFrom(fd, target, length);
      const count = readInto(direct.recv, fd, target, length, false);
      return count < 0 ? count : { length: count, address: sender(fd) };
    },
    receiveFrom(fd, maxBytes) {
      if (!isDescriptor(fd)) return EBADF;
      batch.flush();
      if (!hasUnread(fd)) return direct.receiveFrom(fd, maxBytes);
      const data = readOwn(direct.receive, fd, maxBytes, false);
      return typeof data === "number" ? data : { data, address: sender(fd) };
    },

    /** What was read ahead had no descriptors, or lost them. */
    receiveDescriptors(fd, maxBytes, maxDescriptors) {
      if (!isDescriptor(fd)) return EBADF;
      batch.flush();
      if (hasUnread(fd)) {
        const data = readOwn(direct.receive, fd, maxBytes, false);
        return typeof data === "number" ? data : { data, descriptors: [], isTruncated: false };
      }
      const passed = direct.receiveDescriptors(fd, maxBytes, maxDescriptors);
      if (typeof passed === "object") for (const each of passed.descriptors) records.reset(each);
      return passed;
    },

    // These join the batch, or are made after everything in the batch is sent.
    send(fd, data) {
      if (!isDescriptor(fd)) return EBADF;
      const blocked = blockedOutput(fd);
      if (blocked !== 0) return blocked;
      if (batch.defer(fd, data)) return lengthOf(data);
      batch.flush();
      // The flush may have left output of this descriptor pending.
      const blockedNow = blockedOutput(fd);
      if (blockedNow !== 0) return blockedNow;
      const sent = direct.send(fd, data);
      batch.noteSent(fd, sent, lengthOf(data));
      return sent;
    },
    sendVector(fd, pieces) {
      if (!isDescriptor(fd)) return EBADF;
      const blocked = blockedOutput(fd);
      if (blocked !== 0) return blocked;
      const accepted = batch.deferAll(fd, pieces);
      if (accepted > 0) return accepted;
      batch.flush();
      const blockedNow = blockedOutput(fd);
      if (blockedNow !== 0) return blockedNow;
      const sent = direct.sendVector(fd, pieces);
      let length = 0;
      for (const piece of pieces) length += lengthOf(piece);
      batch.noteSent(fd, sent, length);
      return sent;
    },

    sendOutOfBand: sending(direct.sendOutOfBand),
    sendTo: sending(direct.sendTo),
    sendDescriptors: sending(direct.sendDescriptors),
    write: sending(direct.write),

    // These change what may be batched.
    bind: changing(direct.bind),
    listen: changing(direct.listen),
    connect: changing(direct.connect),
    setOption: changing(direct.setOption),
    setTextOption: changing(direct.setTextOption),
    setRawOption: changing(direct.setRawOption),
    setMembership: changing(direct.setMembership),
    setMulticastInterface: changing(direct.setMulticastInterface),
    setNonBlocking: changing(direct.setNonBlocking),
    shutdown: inOrder((fd, how) => {
      const result = pendingOutput.shutdown(fd, how);
      if (result === 0 && how !== "read") records.of(fd).hasEndedOutput = true;
      return result;
    }),

    recvOutOfBand: inOrder(direct.recvOutOfBand),
    getOption: inOrder((fd, option) => {
      const value = direct.getOption(fd, option);
      const record = option === "SO_ERROR" && value === 0 ? records.get(fd) : undefined;
      return record === undefined || record.failure === 0 ? value : -takeFailure(record);
    }),
    getTextOption: inOrder(direct.getTextOption),
    getRawOption: inOrder(direct.getRawOption),
    peerCredentials: inOrder(direct.peerCredentials),
    getLinger: inOrder(direct.getLinger),
    setLinger: inOrder(direct.setLinger),
    socketType: inOrder(direct.socketType),
    family: inOrder(direct.family),
    localAddress: inOrder(direct.localAddress),
    remoteAddress: inOrder(direct.remoteAddress),
    setCloseOnExec: inOrder((fd, on) => {
      if (!on) records.setSole(fd, false);
      return direct.setCloseOnExec(fd, on);
    }),

    accept(fd) {
      if (!isDescriptor(fd)) return EBADF;
      batch.flush();
      const accepted = direct.accept(fd);
      if (typeof accepted === "object") madeSole(accepted.fd);
      return accepted;
    },
    readFrom: inOrder(direct.readFrom),
    writeTo: inOrder(direct.writeTo),
    seek(fd, offset, from) {
      if (!isDescriptor(fd)) return BigInt(EBADF);
      batch.flush();
      return direct.seek(fd, offset, from);
    },
    status: inOrder(direct.status),
    setLength: inOrder(direct.setLength),
    setTimes: inOrder(direct.setTimes),
    allocate: inOrder(direct.allocate),
    advise: inOrder(direct.advise),
    synchronize: inOrder(direct.synchronize),
    setAppend: inOrder(direct.setAppend),
    readDirectory: inOrder(direct.readDirectory),
    statusBeneath: inOrder(direct.statusBeneath),
    setTimesBeneath: inOrder(direct.setTimesBeneath),
    makeDirectoryBeneath: inOrder(direct.makeDirectoryBeneath),
    removeFileBeneath: inOrder(direct.removeFileBeneath),
    removeDirectoryBeneath: inOrder(direct.removeDirectoryBeneath),
    renameBeneath: inOrder(direct.renameBeneath),
    linkBeneath: inOrder(direct.linkBeneath),
    symlinkBeneath: inOrder(direct.symlinkBeneath),
    readLinkBeneath: inOrder(direct.readLinkBeneath),
    openBeneath: inOrder((directory, path, flags, mode) => made(direct.openBeneath(directory, path, flags, mode))),
    /** A reader of the duplicate would not see the bytes in the record. */
    duplicate: inOrder((fd) => {
      if (isHeld(fd)) return EBUSY;
      records.setSole(fd, false);
      return made(direct.duplicate(fd));
    }),
    adopt: inOrder((fd) => {
      records.setSole(fd, false);
      return direct.adopt(fd);
    }),
    release: inOrder((fd) => {
      if (isHeld(fd)) return EBUSY;
      records.reset(fd);
      return direct.release(fd);
    }),
    close(fd) {
      if (!isDescriptor(fd)) return EBADF;
      batch.flush();
      const record = records.get(fd);
      if (record?.isAbandoned === true) return EBADF;
      // Before it is closed: epoll could not remove a closed number whose file a duplicate keeps open. Pending output is
      // sent through such a duplicate.
      records.unwatch(fd, records.isSole(fd) && pendingOutput.isFree(fd));
      if (hasUnread(fd)) {
        // With unread input close(2) resets the connection, so pending output cannot be sent any more.
        pendingOutput.drop(fd);
        direct.setLinger(fd, { on: true, seconds: 0 });
      }
      const closed = pendingOutput.close(fd);
      // With pending output and no descriptor left for a duplicate, the number itself stays in use.
      if (pendingOutput.isFree(fd)) records.reset(fd);
      return closed;
    },

    // These only make new descriptors, so they need not wait for what was sent.
    socket: (family, type) => madeSole(direct.socket(family, type)),
    socketPair: (type) => madePair(direct.socketPair(type)),
    pipe: () => madePair(direct.pipe()),

    /** Blocks. */
    lookupSync(host, family) {
      batch.flush();
      return direct.lookupSync(host, family);
    },
  };
}
