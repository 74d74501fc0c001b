/**
 * Owns replaying what a program used of Node besides its backend: nothing is read or written, no timer runs. Knows the hooks
 * and the player of the recording; knows no turn.
 */

import { AsyncResource } from "node:async_hooks";
import { Kind } from "../calls.js";
import { RecordingError } from "../format.js";
import { callText } from "../replay/describe.js";
import type { Player } from "../replay/player.js";
import { readValue } from "../values.js";
import { Contents } from "./contents.js";
import { type Outcome, original, type Outside } from "./answer.js";
import { Random } from "./random.js";
import { argumentValues, fill, isSameArgument, outcomeOf } from "./values.js";

/** Made now where the recording does not have them: modules that are loaded, files that Node itself looks at. */
const READS = /^(?:readFile|stat|lstat|exists|realpath|readdir|access|readlink|fstat)Sync$/;
const PATH_CALLS = /^(?!f)/;

/** Node does not export the class. */
const Timeout = timeoutClass();

function timeoutClass(): new () => NodeJS.Timeout {
  const one = original.setTimeout(() => undefined);
  original.clearTimeout(one);
  return one.constructor as new () => NodeJS.Timeout;
}

interface Pending {
  readonly name: string;
  readonly args: readonly unknown[];
  readonly given: readonly unknown[];
  readonly settle: (outcome: Outcome) => void;
}

export class OutsidePlayer implements Outside {
  readonly #player: Player;
  readonly #random: Random;
  readonly #contents = new Contents();
  readonly #pending = new Map<number, Pending>();
  readonly #timers = new Map<number, () => void>();
  readonly #ids = new WeakMap<object, number>();
  /** Of timers whose number the program has: by their start; and the start by the number, and by its text. */
  readonly #numbers = new Map<number, number>();
  readonly #byNumber = new Map<unknown, number>();
  #calls = 0;
  #started = 0;
  /** Called when something begins that the recording will end. */
  onBegin: (() => void) | undefined;

  constructor(player: Player, seed: readonly number[]) {
    this.#player = player;
    this.#random = new Random(seed);
  }

  /** How many calls and timers the program waits for. */
  get waiting(): number {
    return this.#pending.size + this.#timers.size;
  }

  now(): number {
    return this.#player.readDate();
  }

  random(): number {
    return this.#random.next();
  }

  call(name: string, args: readonly unknown[], perform: () => unknown): unknown {
    const given = argumentValues(name, args);
    if (READS.test(name) && PATH_CALLS.test(name) && !this.#comes(0, name, given)) return perform();
    const { error, values } = this.#take(Kind.FILE, 0, name, args, given);
    if (error !== undefined) throw error;
    return values[0];
  }

  begin(name: string, args: readonly unknown[], _perform: unknown, settle: (outcome: Outcome) => void): void {
    const given = argumentValues(name, args);
    const id = ++this.#calls;
    if (this.#comes(id, name, given)) {
      const { error } = this.#take(Kind.FILE, id, name, args, given);
      throw error;
    }
    this.#pending.set(id, { name, args, given, settle });
    this.onBegin?.();
  }

  timer<T extends object>(
    fire: (self: unknown) => void,
    arm: (call: (self: unknown) => void, never: boolean) => T,
    repeats = false,
  ): T {
    const id = ++this.#started;
    const handle = arm(() => undefined, true);
    const call = AsyncResource.bind(() => {
      // Node's own would be kept for as long as the process lives.
      if (!repeats && this.#over(id)) original.clearTimeout(handle as NodeJS.Timeout);
      fire(handle);
    });
    this.#timers.set(id, call);
    this.#ids.set(handle, id);
    if (handle instanceof Timeout) this.#numbered(handle, id);
    if (!repeats && handle instanceof Timeout) {
      // It may be started again after it has fired.
      const value = (): T => {
        this.#timers.set(id, call);
        return Reflect.apply(Timeout.prototype.refresh, handle, []) as unknown as T;
      };
      Object.defineProperty(handle, "refresh", { value, configurable: true, writable: true });
    }
    this.onBegin?.();
    return handle;
  }

  cleared(handle: unknown): void {
    const isObject = typeof handle === "object" && handle !== null;
    const id = isObject ? this.#ids.get(handle) : this.#byNumber.get(handle);
    if (id !== undefined) this.#over(id);
  }

  /** The program may clear a timer by its number, once it has asked for that: Node takes it as a text too. */
  #numbered(handle: NodeJS.Timeout, id: number): void {
    const value = (): number => {
      const number = Reflect.apply(Timeout.prototype[Symbol.toPrimitive], handle, []) as number;
      // A timer that has fired has none, even where it is started again.
      if (this.#timers.has(id)) {
        this.#numbers.set(id, number);
        this.#byNumber.set(number, id).set(String(number), id);
      }
      return number;
    };
    Object.defineProperty(handle, Symbol.toPrimitive, { value, configurable: true, writable: true });
    const close = (): NodeJS.Timeout => {
      this.#over(id);
      return Reflect.apply(Timeout.prototype.close, handle, []) as NodeJS.Timeout;
    };
    Object.defineProperty(handle, "close", { value: close, configurable: true, writable: true });
  }

  /** @returns did it wait? */
  #over(id: number): boolean {
    const number = this.#numbers.get(id);
    this.#numbers.delete(id);
    this.#byNumber.delete(number);
    this.#byNumber.delete(String(number));
    return this.#timers.delete(id);
  }

  /** Uses what comes next in the recording. @returns the program's callback; undefined where the program has not begun it */
  proceed(): (() => void) | undefined {
    const player = this.#player;
    const isTimer = player.next === Kind.TIMER;
    const { fields } = player.records;
    const { at } = fields;
    if (isTimer) {
      const fire = this.#timers.get(fields.varint());
      fields.at = at;
      if (fire === undefined) return undefined;
      player.records.advance();
      return fire;
    }
    const id = readValue(fields);
    fields.at = at;
    const pending = typeof id === "number" ? this.#pending.get(id) : undefined;
    if (pending === undefined || typeof id !== "number") return undefined;
    this.#pending.delete(id);
    const outcome = this.#take(Kind.FILE_DONE, id, pending.name, pending.args, pending.given);
    return () => pending.settle(outcome);
  }

  #fill(args: readonly unknown[], filled: unknown): void {
    if (filled === undefined) return;
    const data = typeof filled === "number" ? this.#contents.at(filled) : filled;
    if (!(data instanceof Uint8Array)) throw new RecordingError("damaged: a read has no contents");
    if (typeof filled !== "number") this.#contents.keep(data);
    fill(args, data);
  }

  /** Is this call what the recording has next? */
  #comes(id: number, name: string, given: readonly unknown[]): boolean {
    const player = this.#player;
    return player.reporting(() => {
      if (player.next !== Kind.FILE) return false;
      const { fields } = player.records;
      const { at } = fields;
      const isSame = readValue(fields) === id && readValue(fields) === name && isSameArgument(readValue(fields), given);
      fields.at = at;
      return isSame;
    });
  }

  #take(kind: number, id: number, name: string, args: readonly unknown[], given: readonly unknown[]): Outcome {
    return this.#player.reporting(() => this.#taken(kind, id, name, args, given));
  }

  #taken(kind: number, id: number, name: string, args: readonly unknown[], given: readonly unknown[]): Outcome {
    const player = this.#player;
    const call = `fs.${name}`;
    const found = (): string => callText(call, given);
    const fields = player.take(kind, call, undefined, found);
    const isSame = readValue(fields) === id && readValue(fields) === name && isSameArgument(readValue(fields), given);
    if (!isSame) player.differ({ call, fd: undefined, expected: player.expected, found: found() });
    const outcome = outcomeOf(name, args, readValue(fields));
    this.#fill(args, readValue(fields));
    player.used();
    return outcome;
  }
}
