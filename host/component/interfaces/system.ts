/** Owns what a component has as a process: `wasi:cli`, `wasi:clocks` and `wasi:random`. Knows no socket and no file. */

import type { Backend, Clock } from "../../backend/backend.js";
import { endingError, GuestExit } from "../../guest/exit.js";
import type { GuestStdio } from "../../guest/preview1.js";
import { systemRandom } from "../../guest/random.js";
import { Failed, list, option, own, record, result, string, tuple, u32, u64, u8 } from "../abi.js";
import { type CoreFunction, func, type HostFunction, type Interface, raw } from "../calls.js";
import type { Poller } from "../polling.js";
import { Pollable, type Source, type Watch } from "../watch.js";
import { Resource } from "../resources.js";
import { StandardInput, StandardOutput } from "../stdio.js";
import { InputStream, OutputStream } from "../streams.js";

/** One of standard input, output and error. */
type StandardStream = Pick<GuestStdio, "fd" | "kind">;

/** What a component is given as a process. */
export interface ComponentProcess {
  readonly args: readonly string[];
  readonly env: readonly (readonly [name: string, value: string])[];
  readonly stdio: readonly [StandardStream, StandardStream, StandardStream];
  /** Fills with random bytes. Default: the system's. */
  readonly random?: ((target: Uint8Array) => void) | undefined;
  readonly onExit: (exit: GuestExit) => void;
}

class TerminalInput extends Resource {
  override release(): void {
    // It holds nothing.
  }
}

class TerminalOutput extends Resource {
  override release(): void {
    // It holds nothing.
  }
}

const NS_PER_S = 1_000_000_000n;

export function cliInterfaces(
  backend: Backend,
  poller: Poller,
  { args, env, stdio, onExit }: ComponentProcess,
  [stdin, stdout, stderr]: readonly [Watch, Watch, Watch],
): Readonly<Record<string, Interface>> {
  const exit = (code: number): never => {
    const ending = new GuestExit(code);
    onExit(ending);
    throw endingError(ending);
  };
  const output = (name: string, watch: Watch): Interface => ({
    resources: { "output-stream": OutputStream },
    functions: {
      [`get-${name}`]: func([], own(OutputStream), () => new StandardOutput(backend, poller, watch)),
    },
  });
  const terminalOutput = (name: string, stream: StandardStream): Interface => ({
    resources: { "terminal-output": TerminalOutput },
    functions: {
      [`get-terminal-${name}`]: func([], option(own(TerminalOutput)), () =>
        isTerminal(stream) ? new TerminalOutput(undefined) : undefined,
      ),
    },
  });
  return {
    environment: {
      resources: {},
      functions: {
        "get-environment": func([], list(tuple(string, string)), () => env),
        "get-arguments": func([], list(string), () => args),
        "initial-cwd": func([], option(string), () => undefined),
      },
    },
    exit: {
      resources: {},
      functions: {
        exit: func([result<undefined, undefined>(undefined, undefined)], undefined, (status) =>
          exit(status instanceof Failed ? 1 : 0),
        ),
        "exit-with-code": func([u8], undefined, exit),
      },
    },
    stdin: {
      resources: { "input-stream": InputStream },
      functions: { "get-stdin": func([], own(InputStream), () => new StandardInput(backend, poller, stdin)) },
    },
    stdout: output("stdout", stdout),
    stderr: output("stderr", stderr),
    "terminal-input": { resources: { "terminal-input": TerminalInput }, functions: {} },
    "terminal-output": { resources: { "terminal-output": TerminalOutput }, functions: {} },
    "terminal-stdin": {
      resources: { "terminal-input": TerminalInput },
      functions: {
        "get-terminal-stdin": func([], option(own(TerminalInput)), () =>
          isTerminal(stdio[0]) ? new TerminalInput(undefined) : undefined,
        ),
      },
    },
    "terminal-stdout": terminalOutput("stdout", stdio[1]),
    "terminal-stderr": terminalOutput("stderr", stdio[2]),
  };
}

const isTerminal = ({ kind }: StandardStream): boolean => kind === "terminal";

/** A time that is waited for. */
class Deadline implements Source {
  readonly watch = undefined;
  readonly interest = 0;
  readonly deadlineNs: number;

  constructor(deadlineNs: number) {
    this.deadlineNs = deadlineNs;
  }

  isImmediate(): boolean {
    return false;
  }
}

export function clockInterfaces(clock: Clock): Readonly<Record<string, Interface>> {
  const datetime = record<{ readonly seconds: bigint; readonly nanoseconds: number }>({
    seconds: u64,
    nanoseconds: u32,
  });
  const timer = (deadlineNs: number): Pollable => new Pollable(new Deadline(deadlineNs), undefined);
  return {
    "monotonic-clock": {
      resources: { pollable: Pollable },
      functions: {
        now: raw((): CoreFunction => () => BigInt(Math.trunc(clock.monotonicNs()))),
        resolution: func([], u64, () => 1n),
        "subscribe-instant": func([u64], own(Pollable), (instant) => timer(Number(instant))),
        "subscribe-duration": func([u64], own(Pollable), (ns) => timer(clock.monotonicNs() + Number(ns))),
      },
    },
    "wall-clock": {
      resources: {},
      functions: {
        now: func([], datetime, () => {
          const now = clock.realtimeNs();
          return { seconds: now / NS_PER_S, nanoseconds: Number(now % NS_PER_S) };
        }),
        resolution: func([], datetime, () => ({ seconds: 0n, nanoseconds: 1 })),
      },
    },
  };
}

export function randomInterfaces(
  random: (target: Uint8Array) => void = systemRandom,
): Readonly<Record<string, Interface>> {
  const word = (): bigint => {
    const bytes = new Uint8Array(8);
    random(bytes);
    return new DataView(bytes.buffer).getBigUint64(0);
  };
  /** (length u64, result): filled where it is to be. */
  const fill: HostFunction = raw((memory): CoreFunction => (wanted, resultAt) => {
    const length = Number(BigInt.asUintN(64, wanted as bigint));
    const at = memory.allocate(1, length);
    random(memory.slice(at, length));
    memory.view.setUint32(Number(resultAt) >>> 0, at, true);
    memory.view.setUint32((Number(resultAt) >>> 0) + 4, length, true);
  });
  return {
    random: { resources: {}, functions: { "get-random-bytes": fill, "get-random-u64": func([], u64, word) } },
    insecure: {
      resources: {},
      functions: { "get-insecure-random-bytes": fill, "get-insecure-random-u64": func([], u64, word) },
    },
    "insecure-seed": {
      resources: {},
      functions: { "insecure-seed": func([], tuple(u64, u64), () => [word(), word()] as const) },
    },
  };
}
