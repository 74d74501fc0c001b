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
 * @throws TypeError for anything else
 */
export function plainBytes(name: string, data: unknown): Uint8Array {
  if (isOrdinary(data)) return data;
  checkBytes(name, data);
  try {
    return partOf(data, 0, lengthOf(data));
  } catch {
    // An object that inherits from Uint8Array, or a proxy of one, but has no bytes of its own.
    throw Object.assign(
      new TypeError(`"${name}" must be a Uint8Array (a Buffer is one), got an object without bytes`),
      {
        code: "ERR_INVALID_ARG_TYPE",
      },
    );
  }
}

/**
 * The same for bytes that are to be received into.
 * @throws TypeError as well for memory that was transferred: without bytes, it would seem to be at its end
 */
export function targetBytes(name: string, target: unknown): Uint8Array {
  const plain = plainBytes(name, target);
  if (plain.length > 0 || !isDetached(bufferOf(plain))) return plain;
  throw Object.assign(new TypeError(`"${name}" has no memory any more: its ArrayBuffer was transferred`), {
    code: "ERR_INVALID_ARG_VALUE",
  });
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

/** No view can be made of memory that was transferred. */
function isDetached(memory: ArrayBufferLike): boolean {
  try {
    return new Uint8Array(memory).length < 0;
  } catch {
    return true;
  }
}
