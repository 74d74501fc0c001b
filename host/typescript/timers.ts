/** Owns the timers of the global scope: setTimeout, setInterval, setImmediate. Knows no loop; the event loop runs them. */

type Call = (...args: readonly unknown[]) => unknown;

/** Node's. */
const TIMER_MS_MAX = 0x7fffffff;

/** What setTimeout and setInterval return. */
export class Timeout {
  isReferenced = true;
  isActive = false;
  isStopped = false;
  dueMs = 0;
  readonly id: number;
  readonly delayMs: number;
  readonly call: () => unknown;
  readonly repeats: boolean;
  readonly #timers: Timers;

  constructor(timers: Timers, id: number, delayMs: number, call: () => unknown, repeats: boolean) {
    this.#timers = timers;
    this.id = id;
    this.delayMs = delayMs;
    this.call = call;
    this.repeats = repeats;
  }

  ref(): this {
    this.isReferenced = true;
    return this;
  }

  unref(): this {
    this.isReferenced = false;
    return this;
  }

  hasRef(): boolean {
    return this.isReferenced;
  }

  refresh(): this {
    this.#timers.refresh(this);
    return this;
  }

  close(): this {
    this.#timers.stop(this);
    return this;
  }

  [Symbol.toPrimitive](): number {
    return this.id;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

export class Immediate {
  isReferenced = true;
  readonly call: () => unknown;

  constructor(call: () => unknown) {
    this.call = call;
  }

  ref(): this {
    this.isReferenced = true;
    return this;
  }

  unref(): this {
    this.isReferenced = false;
    return this;
  }

  hasRef(): boolean {
    return this.isReferenced;
  }
}

export class Timers {
  readonly #nowMs: () => number;
  /** By deadline, ties by age. */
  readonly #waiting: Timeout[] = [];
  readonly #byId = new Map<number, Timeout>();
  #immediates = new Set<Immediate>();
  /** Those of this pass. */
  #taken = new Set<Immediate>();
  #lastId = 0;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  add(call: Call, delay: unknown, args: readonly unknown[], repeats: boolean): Timeout {
    if (typeof call !== "function") throw callbackError(call);
    const number = Number(delay ?? 0);
    const delayMs = number >= 1 && number <= TIMER_MS_MAX ? Math.trunc(number) : 1;
    this.#lastId += 1;
    const timer = new Timeout(this, this.#lastId, delayMs, () => call(...args), repeats);
    this.#byId.set(timer.id, timer);
    this.start(timer);
    return timer;
  }

  addImmediate(call: Call, args: readonly unknown[]): Immediate {
    if (typeof call !== "function") throw callbackError(call);
    const immediate = new Immediate(() => call(...args));
    this.#immediates.add(immediate);
    return immediate;
  }

  start(timer: Timeout): void {
    if (timer.isActive) this.#remove(timer);
    timer.isActive = true;
    timer.dueMs = this.#nowMs() + timer.delayMs;
    const waiting = this.#waiting;
    let [low, high] = [0, waiting.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((waiting[middle]?.dueMs ?? 0) <= timer.dueMs) low = middle + 1;
      else high = middle;
    }
    waiting.splice(low, 0, timer);
  }

  /** Counts its delay from now. One that has called back starts again; one that was stopped does not. */
  refresh(timer: Timeout): void {
    if (timer.isStopped) return;
    this.#byId.set(timer.id, timer);
    this.start(timer);
  }

  stop(timer: unknown): void {
    const found = timer instanceof Timeout ? timer : this.#byId.get(Number(timer));
    if (found === undefined) return;
    this.#byId.delete(found.id);
    if (found.isActive) this.#remove(found);
    found.isActive = false;
    found.isStopped = true;
  }

  stopImmediate(immediate: unknown): void {
    this.#immediates.delete(immediate as Immediate);
    this.#taken.delete(immediate as Immediate);
  }

  /** When the next one is due: Infinity where there is none. */
  get nextMs(): number {
    return this.#waiting[0]?.dueMs ?? Infinity;
  }

  get hasImmediates(): boolean {
    return this.#immediates.size > 0;
  }

  /** Does one of them keep the program going? */
  get keepAlive(): boolean {
    return this.#waiting.some((timer) => timer.isReferenced) || [...this.#immediates].some((each) => each.isReferenced);
  }

  /** Takes the next one that is due. One that repeats is started again by {@link repeat}. */
  takeDue(nowMs: number): Timeout | undefined {
    const [first] = this.#waiting;
    if (first === undefined || first.dueMs > nowMs) return undefined;
    this.#waiting.shift();
    first.isActive = false;
    if (!first.repeats) this.#byId.delete(first.id);
    return first;
  }

  /** After its callback, unless that has stopped it. */
  repeat(timer: Timeout): void {
    if (timer.repeats && !timer.isActive && this.#byId.has(timer.id)) this.start(timer);
  }

  /** Those that are there now, without what they stop while they run; what they add waits for the next pass. */
  takeImmediates(): Iterable<Immediate> {
    this.#taken = this.#immediates;
    this.#immediates = new Set();
    return this.#taken;
  }

  #remove(timer: Timeout): void {
    const at = this.#waiting.indexOf(timer);
    if (at >= 0) this.#waiting.splice(at, 1);
  }
}

export function callbackError(call: unknown): TypeError {
  const error = new TypeError(`The "callback" argument must be of type function. Received ${String(call)}`);
  return Object.assign(error, { code: "ERR_INVALID_ARG_TYPE" });
}
