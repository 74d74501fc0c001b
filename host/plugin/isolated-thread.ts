/**
 * Owns the thread of an isolated plugin, from inside: makes the guest, runs it to its end, and says how it ended. Knows the
 * messages that its supervisor gets; knows nothing of other plugins.
 */

import type { MessagePort } from "node:worker_threads";
import { GuestError, type GuestFrame, GuestTrap } from "../guest/run.js";
import { defaultBackend } from "../net/default-backend.js";
import { Control, Phase } from "./control.js";
import { createGranted, type Grant } from "./grant.js";
import { Instance } from "./instance.js";
import type { PolicyEvent } from "./policy/account.js";
import { LinePost, type PostedLines } from "./line-post.js";
import { threadNumber } from "./thread-cpu.js";

/** What a thread is started with. */
export interface IsolatedData {
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
  | { readonly kind: "trap"; readonly message: string; readonly frames: readonly GuestFrame[]; readonly cpuNs: number }
  | { readonly kind: "failed"; readonly code: string; readonly message: string }
  | { readonly kind: "policy"; readonly event: PolicyEvent }
  | ({ readonly kind: "lines" } & PostedLines);

const FOREVER_NS = (1n << 63n) - 1n;
const NS_PER_US = 1000;
const PAGE_SHIFT = 16;

export function runIsolated({ module, start, grant, controlMemory, commandFd }: IsolatedData, port: MessagePort): void {
  const control = new Control(controlMemory);
  control.thread = threadNumber();
  const backend = defaultBackend();
  const post = (message: IsolatedMessage): void => port.postMessage(message);
  let instance: Instance | undefined;
  const lines = new LinePost(
    control,
    (posted) => post({ kind: "lines", ...posted }),
    (count) => {
      granted.account.refuse("linesPerSecond", grant.policy.limits.linesPerSecond, count);
    },
  );
  const granted = createGranted(backend, grant, control, {
    commandFd,
    onWait: () => {
      if (instance !== undefined) control.memoryPages = instance.memoryBytes >>> PAGE_SHIFT;
      return lines.postSoon();
    },
    onUp: () => post({ kind: "up" }),
    onDrained: () => post({ kind: "drained" }),
    onPolicyEvent: (event) => post({ kind: "policy", event }),
    onLines: (stream, written) => {
      lines.add(stream, written);
      lines.postSoon();
    },
  });
  const threadNs = (): number => Number(backend.clock.threadCpuNs());
  const cpuNs = (): number => threadNs() - control.ownCpuUs * NS_PER_US;
  let isGraceful = false;
  try {
    instance = new Instance(module, granted.preview1, { start });
    control.ownCpuUs = Math.round(threadNs() / NS_PER_US);
    control.phase = Phase.RUNNING;
    instance.begin();
    runToEnd(instance);
    isGraceful = true;
    granted.close(true);
    lines.post();
    post({ kind: "exit", code: instance.exitCode ?? 0, cpuNs: cpuNs() });
  } catch (error) {
    if (!isGraceful) granted.close(false);
    lines.post();
    if (error instanceof GuestTrap)
      post({ kind: "trap", message: error.message, frames: error.frames, cpuNs: cpuNs() });
    else if (error instanceof GuestError) post({ kind: "failed", code: error.code, message: error.message });
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
