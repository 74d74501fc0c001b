/** Owns what a run of a plugin is to its supervisor, whichever way it runs. Types, and nothing else. */

import type { GuestTrap } from "../guest/run.js";
import type { LimitName, PolicyEvent } from "./policy/account.js";

/** A standard stream that a plugin writes to. */
export type OutputStream = "stdout" | "stderr";

/** How a run of a plugin ended. */
export type PluginEnding =
  /** It has called proc_exit, or has nothing left to wait for. */
  | { readonly kind: "exit"; readonly code: number }
  /** `error.frames` is the backtrace, with positions in the module's bytes. */
  | { readonly kind: "trap"; readonly error: GuestTrap }
  /** It was ended because it was above a limit of its policy. `value`: what it had used up, in the unit of the limit. */
  | { readonly kind: "limit"; readonly limit: LimitName; readonly value: number }
  /** It was stopped or replaced. `isGraceful`: its connections had been closed; otherwise they were reset. */
  | { readonly kind: "stopped"; readonly isGraceful: boolean }
  /** It could not be run: the module needs what is not served, a thread could not be started, ... */
  | { readonly kind: "failed"; readonly error: Error };

/** @internal */
export interface RunHooks {
  readonly onPolicyEvent: (event: PolicyEvent) => void;
  readonly onLine: (stream: OutputStream, line: string) => void;
}

/** What a run uses. @internal */
export interface RunUsage {
  readonly memoryBytes: number;
  readonly cpuMs: number;
  readonly turns: number;
}

/** One run of a plugin: from its start to its end. @internal */
export interface Run {
  /** Settles first, or when it has ended: it has waited for something, or has exited with 0. Never rejects. */
  readonly up: Promise<boolean>;
  /** When nothing of it is left: no thread, descriptor or timer. Never rejects. */
  readonly ended: Promise<PluginEnding>;
  readonly usage: RunUsage;
  /** Descriptors of the connections that are open now. */
  connections(): Iterable<number>;
  /** No new connections; it ends when the last is closed. */
  drain(): void;
  /** Ends it at once. @param ending how it ends, unless it has ended already */
  kill(ending: PluginEnding): void;
}

/** A promise, and what settles it. @internal */
export class Deferred<T> {
  readonly promise: Promise<T>;
  resolve: (value: T) => void = () => undefined;

  constructor() {
    this.promise = new Promise((resolve) => {
      this.resolve = resolve;
    });
  }
}
