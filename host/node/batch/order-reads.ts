/**
 * Owns reading where input may have been read ahead: unread input comes before what the kernel has, and the failure of a
 * batched call comes where input ends. Knows the batch and its records; knows no other call.
 */

import { copyTo, isLength, lengthOf, roomOf } from "../../backend/bytes.js";
import { errnos } from "../constants.js";
import type { Slab } from "../slab.js";
import type { Batch } from "./batch.js";
import type { OrderedCalls } from "./order.js";
import { type DescriptorRecord, isDescriptor } from "./record.js";

export interface OrderedReads {
  /** Reads into `target`: first unread input, then through `call`. `isNoted`: the result says whether the socket is empty. */
  readonly readInto: (
    call: OrderedCalls["recv"],
    fd: number,
    target: Uint8Array,
    wanted: number | undefined,
    isNoted: boolean,
  ) => number;
  /** The same, into a new array. */
  readonly readOwn: (call: OrderedCalls["receive"], fd: number, most: number, isNoted: boolean) => Uint8Array | number;
  readonly peek: OrderedCalls["peek"];
  readonly hasUnread: (fd: number) => boolean;
  /** The failure of a batched call, as -errno, which is reported once; 0 for none. */
  readonly takeFailure: (record: DescriptorRecord) => number;
}

/** @param slab the memory in which unread input is returned */
export function orderReads(direct: OrderedCalls, batch: Batch, slab: Slab): OrderedReads {
  const { records } = batch;
  const [EBADF, EAGAIN, EINVAL] = [-errnos.EBADF, -errnos.EAGAIN, -errnos.EINVAL];

  /** Takes up to `most` bytes of unread input. @returns where they begin in the record's bytes */
  function advance(record: DescriptorRecord, most: number): number {
    const from = record.unreadFrom;
    record.unreadFrom = Math.min(from + most, record.unreadTo);
    return from;
  }

  function takeFailure(record: DescriptorRecord): number {
    const { failure } = record;
    record.failure = 0;
    return failure;
  }

  /** The bytes of a read that continued unread input. If it failed, -errno is kept for the next read. */
  function taken(fd: number, count: number): number {
    if (count < 0 && count !== EAGAIN) batch.fail(fd, count);
    return Math.max(count, 0);
  }

  function readInto(
    call: OrderedCalls["recv"],
    fd: number,
    target: Uint8Array,
    wanted: number | undefined,
    isNoted: boolean,
  ): number {
    if (!isDescriptor(fd)) return EBADF;
    const record = records.get(fd);
    if (record === undefined) {
      batch.flush();
      const count = call(fd, target, wanted);
      if (isNoted) records.noteRead(fd, count, wanted ?? lengthOf(target));
      return count;
    }
    const most = roomOf(target, wanted);
    if (most < 0) return EINVAL;
    if (record.unreadFrom < record.unreadTo) {
      const from = advance(record, most);
      const count = record.unreadFrom - from;
      copyTo(target, record.unread.subarray(from, record.unreadFrom));
      if (count === most || !record.hasFilledBuffer) return count;
      batch.flush();
      const more = call(fd, target.subarray(count, most));
      return count + taken(fd, more);
    }
    batch.flush();
    const count = call(fd, target, most);
    if (isNoted) record.noteRead(count, most);
    return (count > 0 ? 0 : takeFailure(record)) || count;
  }

  function readOwn(call: OrderedCalls["receive"], fd: number, most: number, isNoted: boolean): Uint8Array | number {
    if (!isDescriptor(fd)) return EBADF;
    const record = records.get(fd);
    if (record === undefined) {
      batch.flush();
      const data = call(fd, most);
      if (isNoted) records.noteRead(fd, typeof data === "number" ? data : data.length, most);
      return data;
    }
    if (record.unreadFrom < record.unreadTo) {
      if (!isLength(most)) return EINVAL;
      const from = advance(record, most);
      const count = record.unreadFrom - from;
      const data = slab.copyOf(record.unread, count, from);
      if (count === most || !record.hasFilledBuffer) return data;
      batch.flush();
      const more = call(fd, most - count);
      return taken(fd, typeof more === "number" ? more : more.length) > 0 ? joined(data, more as Uint8Array) : data;
    }
    batch.flush();
    const data = call(fd, most);
    const count = typeof data === "number" ? data : data.length;
    if (isNoted) record.noteRead(count, most);
    return (count > 0 ? 0 : takeFailure(record)) || data;
  }

  function hasUnread(fd: number): boolean {
    return (records.get(fd)?.unreadBytes ?? 0) > 0;
  }

  function peek(fd: number, target: Uint8Array, wanted?: number): number {
    if (!isDescriptor(fd)) return EBADF;
    const record = records.get(fd);
    if (record !== undefined && record.unreadFrom < record.unreadTo) {
      const most = roomOf(target, wanted);
      if (most < 0) return EINVAL;
      const to = Math.min(record.unreadFrom + most, record.unreadTo);
      copyTo(target, record.unread.subarray(record.unreadFrom, to));
      return to - record.unreadFrom;
    }
    batch.flush();
    const failure = record === undefined ? 0 : takeFailure(record);
    return failure || direct.peek(fd, target, wanted);
  }

  return { readInto, readOwn, peek, hasUnread, takeFailure };
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const both = new Uint8Array(first.length + second.length);
  copyTo(both, first);
  copyTo(both, second, first.length);
  return both;
}
