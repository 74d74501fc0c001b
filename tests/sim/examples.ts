/**
 * Owns what the seed-driven tests of the examples share: the faults, a client with a script, and servers that are started
 * again. Knows the public API, and no protocol.
 */

import { expect, vi } from "vitest";
import { Dispatcher, DispatcherWithSend, loop, OSError, setLogSink, type Socket } from "../../host/index.js";
import { explore, type FaultTable, type SimHost, type SimWorld } from "../../host/sim/index.js";
import { Random } from "../../host/sim/random.js";

/** Each test runs a program in dozens of worlds. */
vi.setConfig({ testTimeout: 60_000 });

export const SERVER = "10.0.0.1";
/** When faults end. */
export const CALM_MS = 20_000;
/** Longer than any idle timeout of the examples, and than TCP tries. */
export const SETTLED_MS = 2_000_000;
/** Seeds for each table of faults; more of them for a longer search. */
const SEEDS = Number(process.env["WASYNCORE_SEEDS"] ?? 15);
const LOOK_MS = 1000;
const TURNS_MAX = 100_000;
const SHRINK_RUNS = 100;
const FIRST_SEED = Number(process.env["WASYNCORE_FIRST_SEED"] ?? 1);

/** Everything is late and in pieces, and nothing is lost: whatever is sent has to arrive. */
export const GENTLE: FaultTable = {
  latency: { ms: 1, jitterMs: 20 },
  loss: 0.05,
  "short-read": 0.3,
  "short-write": 0.3,
  "not-ready": 0.2,
  interrupt: 0.1,
  pause: { everyMs: 4000, forMs: 500 },
  partition: { everyMs: 5000, forMs: 700 },
};

/** Buffers that are full with every call. */
export const NARROW: FaultTable = {
  latency: { ms: 1 },
  "small-buffers": { bytes: 13 },
  "short-write": 0.3,
  "not-ready": 0.2,
};

/** Connections are cut anywhere, calls fail, and hosts crash. */
export const ROUGH: FaultTable = {
  ...GENTLE,
  reset: 0.02,
  refuse: 0.1,
  "connect-timeout": 0.05,
  emfile: 0.03,
  enfile: 0.01,
  enobufs: 0.01,
  crash: { everyMs: 6000, forMs: 1500 },
};

/** Is the world's network one in which nothing is lost? */
export interface Conditions {
  readonly isGentle: boolean;
  /** How long an answer may be: buffers of some bytes take their time. */
  readonly bytesMax: number;
}

export type Check = (world: SimWorld, size: number, conditions: Conditions, random: Random) => Promise<void>;

/** Runs a check with many seeds, under faults that lose nothing and under those that do; the first failure is thrown. */
export async function underFaults(
  check: Check,
  { size, seeds = SEEDS }: { readonly size: number; readonly seeds?: number },
): Promise<void> {
  const restore = setLogSink(() => undefined);
  try {
    for (const [name, faults] of Object.entries({ GENTLE, NARROW, ROUGH })) {
      const { failure } = await explore({
        seeds,
        firstSeed: FIRST_SEED,
        faults,
        faultsUntilMs: CALM_MS,
        size,
        shrinkRuns: SHRINK_RUNS,
        scenario: (world, size) => {
          refuseSpinning(world);
          const conditions = { isGentle: name !== "ROUGH", bytesMax: name === "NARROW" ? 300 : 40_000 };
          return check(world, size, conditions, randomOf(world));
        },
      });
      if (failure === undefined) continue;
      const { seed, error, injections } = failure;
      const lines = injections.map(
        ({ atMs, name, host, detail }) => `${atMs.toFixed(3)} ms ${host} ${name}: ${detail}`,
      );
      const what = `${name}, seed ${seed}, size ${failure.size}:\n${lines.join("\n")}\n${String(error)}`;
      throw new Error(what, { cause: error });
    }
  } finally {
    restore();
  }
}

/** Fails a run in which loops take turn after turn. */
function refuseSpinning(world: SimWorld): void {
  let before = 0;
  const look = (): void => {
    const { turns } = world;
    if (turns - before > TURNS_MAX) throw new Error(`${turns - before} turns in ${LOOK_MS} ms: a loop spins`);
    before = turns;
    if (world.nowMs < SETTLED_MS) world.at(world.nowMs + LOOK_MS, look);
  };
  world.at(LOOK_MS, look);
}

/** What a scenario draws: not what faults draw. */
function randomOf({ seed }: SimWorld): Random {
  return new Random(seed, 1000);
}

/** Starts a server on a host; where it cannot be, because of a fault, it is started again, as a supervisor does. */
export function supervised(world: SimWorld, host: SimHost, begin: () => void): void {
  host.start(async () => {
    while (true) {
      try {
        begin();
        break;
      } catch (error) {
        if (!(error instanceof OSError)) throw error;
        await later(world, 100);
      }
    }
    while (true) {
      await loopBearing(world);
    }
  });
}

/** A loop of the default map, which goes on when there is no descriptor for a poll set. */
async function loopBearing(world: SimWorld): Promise<void> {
  try {
    await loop();
  } catch (error) {
    if (!(error instanceof OSError) || (error.code !== "EMFILE" && error.code !== "ENFILE")) throw error;
  }
  await later(world, 100);
}

export function later(world: SimWorld, ms: number): Promise<void> {
  return new Promise((resolve) => world.at(world.nowMs + ms, resolve));
}

/** A step of a client: what it sends, and what the model says is the answer. */
export interface Step {
  readonly send: string;
  readonly answer: string;
}

/** What a client may do besides its steps. */
export interface TalkOptions {
  readonly host?: string;
  readonly port: number;
  /** How many steps may be sent ahead of their answers. Default 1. */
  readonly window?: number;
  /** Is what it receives before it has sent anything. */
  readonly greeting?: string;
  /** Does it end its half behind the last step? Default: it waits for the server to close. */
  readonly endsHalf?: boolean;
}

/** Sends its steps, with at most so many of them ahead, and collects what comes. Latin-1. */
export class Talker extends DispatcherWithSend {
  received = "";
  /** "open", "eof" when the server has closed, "reset", or the code of an error. */
  end = "open";
  sentSteps = 0;
  isConnected = false;
  readonly #steps: readonly Step[];
  readonly #window: number;
  readonly #greeting: string;
  readonly #endsHalf: boolean;
  /** How long what was received is once the steps up to this one are answered. */
  readonly #answeredAt: number[] = [];
  #hasEnded = false;

  constructor(
    steps: readonly Step[],
    { host = SERVER, port, window = 1, greeting = "", endsHalf = false }: TalkOptions,
  ) {
    super();
    this.#steps = steps;
    this.#window = window;
    this.#greeting = greeting;
    this.#endsHalf = endsHalf;
    let length = greeting.length;
    for (const { answer } of steps) this.#answeredAt.push((length += answer.length));
    try {
      this.createSocket();
      this.connect({ host, port });
    } catch (error) {
      this.handleError(error);
    }
  }

  /** What the model says that it receives, as a whole. */
  get expected(): string {
    return this.#greeting + this.#steps.map(({ answer }) => answer).join("");
  }

  /** How many steps have been answered. */
  get answered(): number {
    return this.#answeredAt.filter((length) => length <= this.received.length).length;
  }

  override handleConnect(): void {
    this.isConnected = true;
    this.#goOn();
  }

  override handleRead(): void {
    const data = this.recv(4096);
    this.received += Buffer.from(data).toString("latin1");
    if (data.length > 0) this.#goOn();
  }

  override handleEof(): void {
    this.end = "eof";
    this.close();
  }

  /** A reset: as asyncore does, recv takes it for the end. */
  override handleClose(): void {
    if (this.end === "open") this.end = "reset";
    this.close();
  }

  override handleError(error: unknown): void {
    this.end = (error as NodeJS.ErrnoException).code ?? String(error);
    this.close();
  }

  #goOn(): void {
    if (this.received.length < this.#greeting.length) return;
    let text = "";
    while (this.sentSteps < this.#steps.length && this.sentSteps < this.answered + this.#window) {
      text += this.#steps[this.sentSteps++]?.send ?? "";
    }
    if (text !== "") this.send(Buffer.from(text, "latin1"));
    this.#maybeEnd();
  }

  override handleWrite(): void {
    super.handleWrite();
    this.#maybeEnd();
  }

  #maybeEnd(): void {
    if (!this.#endsHalf || this.#hasEnded || this.fd < 0) return;
    if (this.sentSteps < this.#steps.length || this.outBufferLength > 0) return;
    this.#hasEnded = true;
    this.socket.shutdown("write");
  }

  /** What it received is what the model says, or the beginning of it; all of it and then the end where `isWhole`. */
  expectAnswers(isWhole: boolean): void {
    const { expected, received, end } = this;
    let same = 0;
    while (same < received.length && received[same] === expected[same]) same += 1;
    const from = Math.max(0, same - 40);
    const part = (text: string): string => text.slice(from, same + 80);
    if (same < received.length) expect(part(received), `from byte ${from} on`).toBe(part(expected));
    if (!isWhole) return;
    const left = expected.slice(same, same + 80);
    expect({ end, left }, `after ${same} of ${expected.length} bytes`).toEqual({ end: "eof", left: "" });
  }
}

/** A client on a host of its own: begins at a time, and again when its host is back. @returns those that there were */
export function clientOn(world: SimWorld, address: string, atMs: number, make: () => Talker): Talker[] {
  const made: Talker[] = [];
  world.host(address).start(async () => {
    await later(world, Math.max(0, atMs - world.nowMs));
    try {
      made.push(make());
      await loop();
    } catch (error) {
      // No descriptor for the poll set.
      if (!(error instanceof OSError)) throw error;
    }
  });
  return made;
}

/** Accepts connections on the default map; a handler without anything of its own. */
export class Acceptor extends Dispatcher {
  readonly #begin: (socket: Socket) => void;

  constructor(port: number, begin: (socket: Socket) => void) {
    super();
    this.#begin = begin;
    try {
      this.createSocket();
      this.setReuseAddr();
      this.bind({ host: "0.0.0.0", port });
      this.listen(128);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  override handleAccepted(socket: Socket): void {
    this.#begin(socket);
  }
}

/** What a server has open when nobody is connected, and that it rests. */
export async function expectRest(world: SimWorld, host: SimHost, descriptors: number): Promise<void> {
  const { turns } = world;
  const untilMs = world.nowMs + 600_000;
  await world.run({ untilMs });
  expect(world.turns - turns, "turns in ten minutes of rest").toBeLessThan(500);
  expect(host.openDescriptors, "descriptors open at rest").toBe(descriptors);
}

/** A text that shows what is missing of it, or comes twice. */
export function textOf(random: Random, length: number): string {
  let text = "";
  while (text.length < length) text += `${random.below(10_000)};${text.length} `;
  return text.slice(0, length);
}
