/**
 * Owns a wrapper of a backend through which a supervisor reaches a guest wherever it waits: every wait of the guest is a wait
 * for a control descriptor too. Knows the control memory; knows no policy and no thread.
 *
 * Descriptors that were lent to the guest (listening sockets, standard streams) are never closed by it.
 */

import { Ready, ReadyRow, type Backend, type PollSet, type Watch } from "../backend/backend.js";
import { Command, Phase, type Control } from "./control.js";

export interface ControlOptions {
  readonly control: Control;
  /** Readable when {@link Control.command} has changed; undefined where the supervisor is on the same thread. */
  readonly commandFd: number | undefined;
  /** Listening sockets, which the guest accepts from until it drains. */
  readonly listeners: ReadonlySet<number>;
  /** Standard output and error, and what takes the bytes that are written to them. */
  readonly outputs: ReadonlyMap<number, (data: Uint8Array) => void>;
  /** Descriptors of the process whose calls may block: standard streams that the guest shares with it. */
  readonly blocking: ReadonlySet<number>;
  /** The guest is about to wait. @returns after how many milliseconds it is to be called again if the wait has not ended */
  readonly onWait: () => number;
  /** The guest waits for the first time. */
  readonly onUp: () => void;
  /** It drains, and its last connection has been closed. */
  readonly onDrained: () => void;
}

/** POSIX: a pipe that is ready for writing takes so many bytes without blocking. */
const PIPE_BYTES = 512;

export class Controlled {
  readonly backend: Backend;
  readonly #inner: Backend;
  readonly #options: ControlOptions;
  readonly #sets = new Set<ControlledSet>();
  readonly #again: number;
  #isDraining = false;
  #isDrained = false;
  /** Made at once, not when descriptors may be used up: what it waits for may be to say so. */
  readonly #blockingSet: ControlledSet | undefined;

  constructor(inner: Backend, options: ControlOptions) {
    this.#inner = inner;
    this.#options = options;
    this.#again = againOf(inner);
    this.backend = this.#wrap();
    if (options.commandFd !== undefined && options.blocking.size > 0) this.#blockingSet = this.#createSet();
  }

  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** Looks at the command. To be called by a supervisor on the same thread when it has changed it. */
  obey(): void {
    const { control, listeners } = this.#options;
    const { command } = control;
    if (command === Command.NONE) return;
    if (!this.#isDraining) {
      this.#isDraining = true;
      for (const set of this.#sets) for (const fd of listeners) set.mute(fd);
    }
    if (command === Command.DRAIN) this.#checkDrained();
  }

  /** Resets the connections that are open. */
  resetConnections(): void {
    resetConnections(this.#inner, this.#options.control);
  }

  close(): void {
    this.#blockingSet?.close();
  }

  /** For its sets. @internal */
  beforeWait(): number {
    const { control, onUp, onWait } = this.#options;
    this.obey();
    if (control.phase !== Phase.UP) {
      control.phase = Phase.UP;
      onUp();
    }
    const againMs = onWait();
    control.waitBegins();
    return againMs;
  }

  /** For its sets: a wait goes on. @internal */
  onWait(): number {
    return this.#options.onWait();
  }

  /** For its sets. @internal */
  afterWait(): void {
    const { control, commandFd } = this.#options;
    control.waitEnds();
    // The supervisor terminates the thread. No call returns meanwhile, so that the guest's code goes no further.
    if (commandFd !== undefined && control.command === Command.KILL) control.hang();
  }

  /** For its sets. @internal */
  forget(set: ControlledSet): void {
    this.#sets.delete(set);
  }

  #checkDrained(): void {
    if (this.#isDrained || this.#options.control.connections > 0) return;
    this.#isDrained = true;
    this.#options.onDrained();
  }

  #createSet(): ControlledSet {
    const { commandFd, listeners } = this.#options;
    const set = new ControlledSet(this, this.#inner, commandFd);
    if (this.#isDraining) for (const fd of listeners) set.mute(fd);
    this.#sets.add(set);
    return set;
  }

  #wrap(): Backend {
    const inner = this.#inner;
    const { control, listeners, outputs, blocking } = this.#options;
    const isLent = (fd: number): boolean => listeners.has(fd) || outputs.has(fd) || blocking.has(fd);
    return {
      ...forwarding(inner),
      adopt: (fd) => (isLent(fd) ? 0 : inner.adopt(fd)),
      createPollSet: () => this.#createSet(),
      accept: (fd) => {
        if (this.#isDraining && listeners.has(fd)) return this.#again;
        const accepted = inner.accept(fd);
        if (typeof accepted !== "number") control.addConnection(accepted.fd);
        return accepted;
      },
      connect: (fd, address) => {
        const result = inner.connect(fd, address);
        if (inner.socketType(fd) === "stream") control.addConnection(fd);
        return result;
      },
      close: (fd) => {
        if (isLent(fd)) return 0;
        control.removeConnection(fd);
        return inner.close(fd);
      },
      read: (fd, target, length) => {
        if (blocking.has(fd)) this.#waitFor(fd, Ready.READ);
        return inner.read(fd, target, length);
      },
      write: (fd, data) => {
        const output = outputs.get(fd);
        if (output !== undefined) {
          output(data);
          return data.length;
        }
        if (!blocking.has(fd)) return inner.write(fd, data);
        this.#waitFor(fd, Ready.WRITE);
        return inner.write(fd, data.subarray(0, PIPE_BYTES));
      },
    };
  }

  /** Waits in a way that the supervisor can end. */
  #waitFor(fd: number, interest: number): void {
    const set = this.#blockingSet;
    if (set === undefined || set.update(fd, interest) < 0) return;
    while (set.wait(Infinity) === 0);
    set.update(fd, 0);
  }
}

/**
 * Makes close(2) of the connections that are open reset them. For a supervisor, when the run has ended.
 * @param onReset called for each, before it is closed
 */
export function resetConnections(backend: Backend, control: Control, onReset?: (fd: number) => void): void {
  for (const fd of control.openConnections()) {
    backend.setLinger(fd, { on: true, seconds: 0 });
    onReset?.(fd);
  }
}

/** Every member of a backend as a property, so that some can be replaced. */
export function forwarding(inner: Backend): Backend {
  const members: Record<string, unknown> = {};
  for (let from: object = inner; from !== Object.prototype; from = Object.getPrototypeOf(from) as object) {
    for (const name of Object.getOwnPropertyNames(from)) {
      if (Object.hasOwn(members, name)) continue;
      const value: unknown = Reflect.get(inner, name, inner);
      members[name] = typeof value === "function" ? (value.bind(inner) as unknown) : value;
    }
  }
  return members as unknown as Backend;
}

/** -EAGAIN in the numbering of the platform. */
export function againOf(backend: Backend): number {
  for (let errno = -1; errno > -200; errno--) if (backend.errorCode(errno) === "EAGAIN") return errno;
  return -11;
}

class ControlledSet implements PollSet {
  readonly #owner: Controlled;
  readonly #backend: Backend;
  readonly #set: PollSet;
  readonly #commandFd: number;
  readonly #commands = new Uint8Array(16);
  readonly #muted = new Set<number>();

  constructor(owner: Controlled, backend: Backend, commandFd: number | undefined) {
    this.#owner = owner;
    this.#backend = backend;
    this.#set = backend.createPollSet();
    this.#commandFd = commandFd ?? -1;
    if (commandFd !== undefined) this.#set.update(commandFd, Ready.READ);
  }

  get ready(): Int32Array {
    return this.#set.ready;
  }

  get alwaysReady(): boolean {
    return this.#set.alwaysReady;
  }

  /** Reports nothing of `fd` from now on. */
  mute(fd: number): void {
    this.#muted.add(fd);
    this.#set.update(fd, 0);
  }

  update(fd: number, interest: number): number {
    return this.#muted.has(fd) ? 0 : this.#set.update(fd, interest);
  }

  wait(timeoutMs: number): number {
    let againMs = this.#owner.beforeWait();
    let leftMs = timeoutMs;
    let count = this.#set.wait(Math.min(leftMs, againMs));
    while (count === 0 && againMs < leftMs) {
      leftMs -= againMs;
      againMs = this.#owner.onWait();
      count = this.#set.wait(Math.min(leftMs, againMs));
    }
    this.#owner.afterWait();
    return count > 0 && this.#commandFd >= 0 ? this.#withoutCommand(count) : count;
  }

  watch(onReady: () => void): Watch {
    return this.#set.watch(onReady);
  }

  beginTurn(): void {
    this.#set.beginTurn();
  }

  endTurn(): void {
    this.#set.endTurn();
  }

  close(): void {
    this.#owner.forget(this);
    this.#set.close();
  }

  /** Obeys the command where there is one. @returns how many rows are left */
  #withoutCommand(count: number): number {
    const { ready } = this.#set;
    const last = (count - 1) * ReadyRow.STRIDE;
    for (let at = 0; at <= last; at += ReadyRow.STRIDE) {
      if (ready[at + ReadyRow.FD] !== this.#commandFd) continue;
      this.#backend.read(this.#commandFd, this.#commands);
      ready.copyWithin(at, last, last + ReadyRow.STRIDE);
      this.#owner.obey();
      return count - 1;
    }
    return count;
  }
}
