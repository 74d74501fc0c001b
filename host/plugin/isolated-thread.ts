/**
 * Owns the thread of an isolated plugin, from inside: makes the guest, runs it to its end, and says how it ended. Knows the
 * messages that its supervisor gets; knows nothing of other plugins.
 */

import type { MessagePort } from "node:worker_threads";
import type { Backend } from "../backend/backend.js";
import type { CompiledComponent, ComponentHost } from "../component/index.js";
import { GuestError, type GuestFrame, GuestTrap } from "../guest/run.js";
import type { Preview1 } from "../guest/preview1.js";
import { defaultBackend } from "../net/default-backend.js";
import { Control, Phase } from "./control.js";
import { createGranted, type Grant, type Granted, type GrantedHooks } from "./grant.js";
import { Instance } from "./instance.js";
import type { PolicyEvent } from "./policy/account.js";
import { LinePost, type PostedLines } from "./line-post.js";
import type { Announced } from "./tls/connector.js";
import { threadNumber } from "./thread-cpu.js";

/** What a thread is started with. */
export interface IsolatedData {
  /** In place of {@link module}. */
  readonly component: CompiledComponent | undefined;
  readonly module: object;
  readonly start: string | undefined;
  readonly grant: Grant;
  readonly controlMemory: SharedArrayBuffer;
  /** The read end of the pipe that wakes the guest. */
  readonly commandFd: number;
}

/** What a thread says. */
export type IsolatedMessage =
  | { readonly kind: "up" | "drained" }
  | { readonly kind: "exit"; readonly code: number; readonly cpuNs: number }
  | {
      readonly kind: "trap";
      readonly message: string;
      readonly frames: readonly GuestFrame[];
      readonly cpuNs: number;
      /** Undefined where it trapped before it was made. */
      readonly memoryBytes: number | undefined;
    }
  | { readonly kind: "failed"; readonly code: string; readonly message: string }
  | { readonly kind: "policy"; readonly event: PolicyEvent }
  | { readonly kind: "connect"; readonly announced: Announced }
  | ({ readonly kind: "lines" } & PostedLines);

const FOREVER_NS = (1n << 63n) - 1n;
const NS_PER_US = 1000;
const PAGE_SHIFT = 16;

/** A guest in its thread. */
interface Program {
  readonly memoryBytes: number;
  /** Runs it to its end. @returns its exit status */
  run(): number;
}

/** How a guest is made: what answers its calls from what it is granted, and then the guest itself. */
export interface ProgramKind<T> {
  grant(system: Backend, grant: Grant, control: Control, hooks: GrantedHooks): Granted<T>;
  make(answering: T, data: IsolatedData): Program;
}

const MODULE: ProgramKind<Preview1> = {
  grant: createGranted,
  make(answering, { module, start }) {
    const instance = new Instance(module, answering, { start });
    return {
      get memoryBytes() {
        return instance.memoryBytes;
      },
      run() {
        instance.begin();
        runToEnd(instance);
        return instance.exitCode ?? 0;
      },
    };
  },
};

export function runIsolated(data: IsolatedData, port: MessagePort): void {
  if (data.component === undefined) runThread(data, port, MODULE);
  // What it throws ends the thread, as it does above.
  else void kindOf(data.component).then((kind) => runThread(data, port, kind));
}

async function kindOf(component: CompiledComponent): Promise<ProgramKind<ComponentHost>> {
  const { componentKind } = await import("./isolated-component.js");
  return await componentKind(component);
}

function runThread<T>(data: IsolatedData, port: MessagePort, kind: ProgramKind<T>): void {
  const { grant, controlMemory, commandFd } = data;
  const control = new Control(controlMemory);
  control.thread = threadNumber();
  const backend = defaultBackend();
  const post = (message: IsolatedMessage): void => port.postMessage(message);
  let program: Program | undefined;
  const lines = new LinePost(
    control,
    (posted) => post({ kind: "lines", ...posted }),
    (count) => {
      granted.account.refuse("linesPerSecond", grant.policy.limits.linesPerSecond, count);
    },
  );
  const granted = kind.grant(backend, grant, control, {
    commandFd,
    onWait: () => {
      if (program !== undefined) control.memoryPages = program.memoryBytes >>> PAGE_SHIFT;
      return lines.postSoon();
    },
    onUp: () => post({ kind: "up" }),
    onDrained: () => post({ kind: "drained" }),
    onPolicyEvent: (event) => post({ kind: "policy", event }),
    onConnect: (announced) => post({ kind: "connect", announced }),
    onLines: (stream, written) => {
      lines.add(stream, written);
      lines.postSoon();
    },
  });
  const threadNs = (): number => Number(backend.clock.threadCpuNs());
  const cpuNs = (): number => threadNs() - control.ownCpuUs * NS_PER_US;
  let isGraceful = false;
  try {
    program = kind.make(granted.answering, data);
    control.ownCpuUs = Math.round(threadNs() / NS_PER_US);
    control.phase = Phase.RUNNING;
    const code = program.run();
    isGraceful = true;
    granted.close(true);
    lines.post();
    post({ kind: "exit", code, cpuNs: cpuNs() });
  } catch (error) {
    if (!isGraceful) granted.close(false);
    lines.post();
    if (error instanceof GuestTrap) {
      const { message, frames } = error;
      post({ kind: "trap", message, frames, cpuNs: cpuNs(), memoryBytes: program?.memoryBytes });
    } else if (error instanceof GuestError) post({ kind: "failed", code: error.code, message: error.message });
    else throw error;
  }
}

function runToEnd(instance: Instance): void {
  if (instance.has("_start")) {
    instance.call("_start");
    return;
  }
  instance.call("_initialize");
  do instance.turn(FOREVER_NS);
  while (instance.exitCode === undefined && instance.pending() !== 0);
}
