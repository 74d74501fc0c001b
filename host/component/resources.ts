/**
 * Owns handles: the numbers by which a component names what the host has made for it. Each handle has one owner, the component,
 * which drops it. Knows no interface.
 */

import { Trap } from "./trap.js";

/** What a handle is for. One that was made of another is its child: a parent is not dropped before its children. */
export abstract class Resource {
  children = 0;
  readonly parent: Resource | undefined;

  constructor(parent: Resource | undefined) {
    this.parent = parent;
    if (parent !== undefined) parent.children += 1;
  }

  /** Gives back what it holds. Called once. */
  abstract release(): void;
}

/** A class of resources, by which the type of a handle is checked. */
export type ResourceClass<T extends Resource = Resource> = abstract new (...parameters: never[]) => T;

/** Memory of the host's that a component takes up, where it is counted. */
export interface HostBytes {
  /** @returns may it have so many more? */
  take(count: number): boolean;
  give(count: number): void;
}

/** Not counted. */
export const UNCOUNTED: HostBytes = { take: () => true, give: () => undefined };

/** What a component may have at most, whether they are counted or not. */
const HANDLES_MAX = 1_000_000;
/** What the host keeps of a handle, and of what it is for. */
const HANDLE_BYTES = 256;

export class HandleTable {
  /** No handle is 0. */
  readonly #values: (Resource | undefined)[] = [undefined];
  readonly #free: number[] = [];
  readonly bytes: HostBytes;
  /** May the component call the host? Not from its allocator, while it is given a value, nor from what tidies up after one. */
  mayCall = true;

  constructor(bytes: HostBytes) {
    this.bytes = bytes;
  }

  /** @throws Trap while it may not call the host */
  checkCall(): void {
    if (!this.mayCall) throw new Trap("it calls the host from its allocator, or after it has returned");
  }

  add(value: Resource): number {
    const free = this.#free.pop();
    if (free !== undefined) {
      this.#values[free] = value;
      return free;
    }
    if (this.#values.length > HANDLES_MAX || !this.bytes.take(HANDLE_BYTES)) {
      value.release();
      throw new Trap(`it has more handles than it may: ${this.#values.length - 1}`);
    }
    return this.#values.push(value) - 1;
  }

  /** @throws Trap for a handle that is not open, or is one of another type */
  get<T extends Resource>(handle: number, type: ResourceClass<T>): T {
    const value = this.#values[handle];
    if (value instanceof type) return value;
    throw new Trap(value === undefined ? `unknown handle ${handle}` : `handle ${handle} is of another type`);
  }

  /** @throws Trap as {@link get}, and for one with children */
  drop(handle: number, type: ResourceClass): void {
    this.take(handle, type).release();
  }

  /** The handle is not open any more; what it is for has another owner. @throws Trap as {@link drop} */
  take<T extends Resource>(handle: number, type: ResourceClass<T>): T {
    const value = this.get(handle, type);
    if (value.children > 0) throw new Trap(`handle ${handle} is dropped before what was made of it`);
    this.#values[handle] = undefined;
    this.#free.push(handle);
    if (value.parent !== undefined) value.parent.children -= 1;
    return value;
  }

  /** Releases everything, children first. */
  close(): void {
    const values = this.#values.filter((each) => each !== undefined);
    this.#values.length = 1;
    this.#free.length = 0;
    const depth = ({ parent }: Resource): number => (parent === undefined ? 0 : 1 + depth(parent));
    for (const value of values.toSorted((a, b) => depth(b) - depth(a))) value.release();
  }
}
