/** Streams, futures and sets of a component's own: random sequences of built-in functions have the outcomes of the Component Model's. */

import { expect, test } from "vitest";
import { builtIn } from "../../host/component/async/builtins.js";
import { Runtime } from "../../host/component/async/runtime.js";
import type { Element } from "../../host/component/async/streams.js";
import { CallMemory } from "../../host/component/call-memory.js";
import type { CoreFunction } from "../../host/component/calls.js";
import type { CanonName } from "../../host/component/canonical.js";
import { Poller } from "../../host/component/polling.js";
import { HandleTable, UNCOUNTED } from "../../host/component/resources.js";
import { trapMessage } from "../../host/component/trap.js";
import { defaultBackend } from "../../host/net/default-backend.js";
import { Random } from "../../host/sim/random.js";
import { ModelEnd, ModelSet, ModelTrap } from "./async-model.js";

const SEEDS = 600;
const STEPS = 60;
/** Ends are read and written here; an event is written after it. */
const AREA = 1024;
const EVENT_AT = AREA;
const LENGTHS = [0, 1, 2, 3, 5, 8, 17];
const ENDED = "trap";

const ELEMENTS: readonly Element[] = [false, true].flatMap((isFuture) =>
  [1, 4, 0].map((size) => ({ isFuture, size, align: Math.max(1, size), type: undefined })),
);

/** The same steps in the host's and in the model. */
class Both {
  readonly #poller = new Poller(defaultBackend());
  readonly #runtime: Runtime;
  readonly #buffer = new ArrayBuffer(2 * AREA);
  readonly #memory: CallMemory;
  readonly #bytes = new Uint8Array(this.#buffer);
  readonly #model = new Uint8Array(AREA);
  readonly #ends = new Map<number, { readonly end: ModelEnd; readonly element: Element }>();
  readonly #sets = new Map<number, ModelSet>();
  readonly #random: (count: number) => number;
  readonly steps: string[] = [];

  constructor(seed: number) {
    const numbers = new Random(seed);
    const random = (count: number): number => numbers.next() % count;
    const handles = new HandleTable(UNCOUNTED);
    this.#random = random;
    this.#runtime = new Runtime(this.#poller, handles);
    this.#memory = new CallMemory(handles, { buffer: this.#buffer }, undefined, "utf8");
    for (let at = 0; at < AREA; at++) this.#model[at] = this.#bytes[at] = random(256);
  }

  close(): void {
    this.#runtime.handles.close();
    this.#poller.close();
  }

  /** One step. @returns is the component over, by a trap of both? */
  step(): boolean {
    const steps = [this.#open, this.#copy, this.#copy, this.#copy, this.#cancel, this.#drop, this.#join, this.#look];
    const step = steps[this.#random(steps.length)] as () => boolean;
    const isOver = step.call(this);
    this.#expect(Buffer.compare(this.#bytes.subarray(0, AREA), this.#model), 0);
    return isOver;
  }

  #call(name: CanonName, element: Element | undefined): CoreFunction {
    const options = {
      ...({ encoding: "utf8", isAsync: true, memory: 0 } as const),
      ...{ realloc: undefined, postReturn: undefined, callback: undefined },
    };
    return builtIn(
      this.#runtime,
      { name, type: 0, options, slot: 0, isWide: false },
      element,
      this.#memory,
      () => true,
    );
  }

  /** With the steps where it fails: they are many. */
  #expect(found: unknown, wanted: unknown): void {
    if (found !== wanted) expect(found, this.steps.join("\n")).toBe(wanted);
  }

  /** @returns is it over? */
  #same(text: string, real: () => unknown, model: () => unknown): boolean {
    const outcome = (call: () => unknown): unknown => {
      try {
        return call();
      } catch (error) {
        if (error instanceof ModelTrap || trapMessage(error) !== undefined) return ENDED;
        throw error;
      }
    };
    const found = outcome(real);
    this.steps.push(`${text}: ${String(found)}`);
    this.#expect(found, outcome(model));
    return found === ENDED;
  }

  #open(): boolean {
    if (this.#random(3) === 0) {
      this.#sets.set(Number(this.#call("waitable-set.new", undefined)()), new ModelSet());
      return false;
    }
    const element = ELEMENTS[this.#random(ELEMENTS.length)] as Element;
    const both = BigInt(this.#call("new", element)() ?? 0);
    const [reader, writer] = ModelEnd.pair(element.isFuture, element.size ?? 0);
    this.#ends.set(Number(both & 0xffffffffn), { end: reader, element });
    this.#ends.set(Number(both >> 32n), { end: writer, element });
    this.steps.push(`new ${both & 0xffffffffn} ${both >> 32n} of ${element.size} bytes`);
    return false;
  }

  /** One of those for which the call is no trap; now and then any one. */
  #anyEnd(fits: (end: ModelEnd) => boolean) {
    const isAny = this.#random(40) === 0;
    const found = [...this.#ends].filter(([, { end }]) => isAny || fits(end));
    return found[this.#random(Math.max(1, found.length))];
  }

  #copy(): boolean {
    const [handle, { end, element } = this.#none] = this.#anyEnd(({ state }) => state === "idle") ?? [0];
    if (handle === 0) return false;
    const at = this.#random(100) * 8;
    const length = LENGTHS[this.#random(LENGTHS.length)] as number;
    const name = end.isReader ? "read" : "write";
    return this.#same(
      `${name} ${handle} ${length}`,
      () => this.#call(name, element)(handle, at, length),
      () => end.copy(this.#model, at, length),
    );
  }

  #cancel(): boolean {
    const [handle, { end, element } = this.#none] = this.#anyEnd(({ state }) => state === "copying") ?? [0];
    if (handle === 0) return false;
    const name = end.isReader ? "cancel-read" : "cancel-write";
    return this.#same(
      `${name} ${handle}`,
      () => this.#call(name, element)(handle),
      () => end.cancel(),
    );
  }

  #drop(): boolean {
    const mayDrop = ({ state, isFuture, isReader }: ModelEnd): boolean =>
      isFuture && !isReader ? state === "done" : state !== "copying";
    const [handle, { end, element } = this.#none] = this.#anyEnd(mayDrop) ?? [0];
    if (handle === 0) return false;
    const name = end.isReader ? "drop-readable" : "drop-writable";
    this.#ends.delete(handle);
    return this.#same(
      `${name} ${handle}`,
      () => this.#call(name, element)(handle),
      () => end.drop(),
    );
  }

  #join(): boolean {
    const [handle, { end } = this.#none] = this.#anyEnd(() => true) ?? [0];
    const sets = [...this.#sets];
    const [setHandle, set] = sets[this.#random(sets.length + 1)] ?? [0, undefined];
    if (handle === 0) return false;
    return this.#same(
      `join ${handle} ${setHandle}`,
      () => this.#call("waitable.join", undefined)(handle, setHandle),
      () => end.join(set),
    );
  }

  /** The model does not say which event of several comes first. */
  #look(): boolean {
    const sets = [...this.#sets];
    const found = sets[this.#random(Math.max(1, sets.length))];
    if (found === undefined) return false;
    const [handle, set] = found;
    const kind = Number(this.#call("waitable-set.poll", undefined)(handle, EVENT_AT));
    const [from = 0, code] = new Int32Array(this.#buffer, EVENT_AT, 2);
    this.steps.push(`poll ${handle}: ${kind} ${from} ${code}`);
    const ready = [...set.members].filter(({ hasEvent }) => hasEvent);
    if (kind === 0) this.#expect(ready.length, 0);
    else {
      const end = this.#ends.get(from)?.end as ModelEnd;
      this.#expect(ready.includes(end), true);
      this.#expect(kind, (end.isFuture ? 4 : 2) + (end.isReader ? 0 : 1));
      this.#expect(code, end.takeEvent());
    }
    return false;
  }

  readonly #none = { end: ModelEnd.pair(false, 0)[0], element: ELEMENTS[0] as Element };
}

test(`${SEEDS} random sequences of built-in functions have the outcomes of the Component Model's definition`, () => {
  let trapped = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    const both = new Both(seed);
    let isOver = false;
    for (let step = 0; step < STEPS && !isOver; step++) isOver = both.step();
    if (isOver) trapped += 1;
    both.close();
  }
  expect(trapped).toBeGreaterThan(0);
  expect(trapped).toBeLessThan(SEEDS / 2);
});
