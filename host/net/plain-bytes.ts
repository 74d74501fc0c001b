/**
 * Owns reading the bytes that a program passes in from the view's internal slots, so that no property of the object and
 * no subclass can give another length or other bytes. Knows no socket.
 */

import { checkBytes } from "../backend/check.js";

const typedArray: object = Object.getPrototypeOf(Uint8Array.prototype) as object;
const lengthOf = slot<number>("length");
const offsetOf = slot<number>("byteOffset");
const bufferOf = slot<ArrayBufferLike>("buffer");

/**
 * Bytes whose `length` is reliable: `data` itself if it is an ordinary Uint8Array or Buffer, otherwise a view of the same
 * memory. Use {@link partOf} to slice it.
 * @param expected what the error asks for, where more than bytes is allowed
 * @throws TypeError for anything else
 */
export function plainBytes(name: string, data: unknown, expected?: string): Uint8Array {
  const ordinary = isOrdinary(data);
  if (ordinary && data.length > 0) return data;
  checkBytes(name, data, expected);
  return ordinary ? data : partOf(data, 0, lengthOf(data));
}

/** Bytes `from` to `to` of `data`, as a view: like `subarray`, but without using properties of the object or its class. */
export function partOf(data: Uint8Array, from: number, to: number): Uint8Array {
  return new Uint8Array(bufferOf(data), offsetOf(data) + from, to - from);
}

function isOrdinary(data: unknown): data is Uint8Array {
  if (typeof data !== "object" || data === null) return false;
  const prototype: unknown = Object.getPrototypeOf(data);
  if (prototype !== Uint8Array.prototype && prototype !== Buffer.prototype) return false;
  try {
    return lengthOf(data as Uint8Array) === (data as Uint8Array).length;
  } catch {
    return false;
  }
}

/** A getter of typed arrays, which reads the internal slot regardless of the object's properties. */
function slot<T>(name: string): (data: Uint8Array) => T {
  const get = Object.getOwnPropertyDescriptor(typedArray, name)?.get as (this: Uint8Array) => T;
  return (data) => get.call(data);
}
