/** Owns what a component of WASI 0.3 has as a process: `wasi:cli`, `wasi:clocks` and `wasi:random`, over what 0.2 has of them. */

import { type Backend, type Clock, Ready } from "../../backend/backend.js";
import { enumeration, Failed, result, tuple, type Type, u64 } from "../abi.js";
import { func, type HostFunction, type Interface } from "../calls.js";
import type { Watch } from "../watch.js";
import { StandardInput, StandardOutput } from "../stdio.js";
import type { StreamError } from "../streams.js";
import { Pending, type Runtime } from "./runtime.js";
import { BYTES, ByteSource, drain, OVER, Sink, WAIT } from "./sources.js";
import { futureOf, handedOver, HostFuture, readable } from "./streams.js";

/** Interfaces of one package, by their names. */
type Package = Readonly<Record<string, Interface>>;

const errorCode = enumeration("io", "illegal-byte-sequence", "pipe");
type ErrorCode = typeof errorCode extends Type<infer T> ? T : never;

const END = futureOf(result<undefined, ErrorCode>(undefined, errorCode) as Type<never>);
const FAILED = new Failed<ErrorCode>("io");
const BROKEN = new Failed<ErrorCode>("pipe");

class Input extends ByteSource {
  readonly #input: StandardInput;
  readonly #result: HostFuture;

  constructor(runtime: Runtime, input: StandardInput, result: HostFuture) {
    super(runtime.poller, BYTES, input.watch, Ready.READ);
    this.#input = input;
    this.#result = result;
  }

  override fill(target: Uint8Array): number {
    const taken = this.#input.read(target.length);
    if (taken instanceof Failed) {
      this.#result.resolve(taken.error === "closed" ? undefined : FAILED);
      return OVER;
    }
    target.set(taken);
    return taken.length === 0 ? WAIT : taken.length;
  }

  protected override close(): void {
    this.#result.resolve(undefined);
  }
}

class Output extends Sink {
  readonly #output: StandardOutput;
  readonly #result: HostFuture;

  constructor(runtime: Runtime, output: StandardOutput, result: HostFuture) {
    super(runtime.poller, output.watch, Ready.WRITE);
    this.#output = output;
    this.#result = result;
  }

  override put(data: Uint8Array): number {
    let at = 0;
    while (at < data.length) {
      const permitted = this.#output.check();
      if (permitted instanceof Failed) return this.#fail(permitted);
      if (permitted === 0) break;
      const failed = this.#output.put(data.subarray(at, at + permitted));
      if (failed !== undefined) return this.#fail(failed);
      at = Math.min(data.length, at + permitted);
    }
    return at === 0 ? WAIT : at;
  }

  protected override close(): void {
    this.#result.resolve(undefined);
  }

  #fail({ error }: Failed<StreamError>): number {
    this.#result.resolve(error === "closed" ? BROKEN : FAILED);
    return OVER;
  }
}

export function asyncCliInterfaces(
  cli: Package,
  backend: Backend,
  runtime: Runtime,
  [stdin, stdout, stderr]: readonly [Watch, Watch, Watch],
): Package {
  const { poller } = runtime;
  const output = (watch: Watch): Interface => ({
    resources: {},
    functions: {
      "write-via-stream": func([handedOver], readable, (data) => {
        const ended = new HostFuture(END);
        drain(runtime, data, new Output(runtime, new StandardOutput(backend, poller, watch), ended));
        return ended;
      }),
    },
  });
  return {
    ...cli,
    types: NOTHING,
    environment: renamed(cli["environment"], { "initial-cwd": "get-initial-cwd" }),
    stdin: {
      resources: {},
      functions: {
        "read-via-stream": func([], tuple(readable, readable), () => {
          const ended = new HostFuture(END);
          return [new Input(runtime, new StandardInput(backend, poller, stdin), ended), ended] as const;
        }),
      },
    },
    stdout: output(stdout),
    stderr: output(stderr),
  };
}

export function asyncClockInterfaces(clocks: Package, clock: Clock, runtime: Runtime): Package {
  const until = (atNs: number): Pending<undefined> | undefined => {
    if (atNs <= clock.monotonicNs()) return undefined;
    const timer = runtime.timers.add(atNs, () => pending.settle(undefined));
    const pending = new Pending<undefined>(runtime, undefined, () => runtime.timers.cancel(timer));
    return pending;
  };
  return {
    types: NOTHING,
    "monotonic-clock": {
      resources: {},
      functions: {
        ...only(clocks["monotonic-clock"], "now"),
        "get-resolution": func([], u64, () => 1n),
        "wait-until": func([u64], undefined, (when) => until(Number(when))),
        "wait-for": func([u64], undefined, (ns) => until(clock.monotonicNs() + Number(ns))),
      },
    },
    "system-clock": {
      resources: {},
      functions: {
        ...only(clocks["wall-clock"], "now"),
        "get-resolution": func([], u64, () => 1n),
      },
    },
  };
}

export function asyncRandomInterfaces(random: Package, seed: readonly [bigint, bigint]): Package {
  return {
    ...random,
    "insecure-seed": {
      resources: {},
      functions: { "get-insecure-seed": func([], tuple(u64, u64), () => seed) },
    },
  };
}

/** Types alone. */
const NOTHING: Interface = { resources: {}, functions: {} };

function only(from: Interface | undefined, name: string): Record<string, HostFunction> {
  const found = from?.functions[name];
  return found === undefined ? {} : { [name]: found };
}

function renamed(from: Interface | undefined, names: Readonly<Record<string, string>>): Interface {
  const { functions, resources } = from ?? NOTHING;
  const entries = Object.entries(functions).map(([name, each]) => [names[name] ?? name, each] as const);
  return { resources, functions: Object.fromEntries(entries) };
}
