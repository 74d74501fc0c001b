/** Owns what a run of a plugin is to its supervisor, whichever way it runs. Types, and nothing else. */

import type { GuestTrap } from "../guest/run.js";
import type { Announced } from "./tls/connector.js";
import type { LimitName, PolicyEvent } from "./policy/account.js";
import type { TrapMemory } from "./trap-memory.js";

/** A standard stream that a plugin writes to. */
export type OutputStream = "stdout" | "stderr";

/** How a run of a plugin ended. */
export type PluginEnding =
  /** It has called proc_exit, or has nothing left to wait for. */
  | { readonly kind: "exit"; readonly code: number }
  /**
   * `error.frames` is the backtrace, with positions in the module's bytes. `memory`: what it had of the memory that its policy
   * allows, which may be why; undefined where the policy is not what limits it, or it trapped before it had memory.
   */
  | { readonly kind: "trap"; readonly error: GuestTrap; readonly memory: TrapMemory | undefined }
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
  /** A connection to be made by a rule with TLS. */
  readonly onConnect: (announced: Announced) => void;
  /** The run has ended without closing this connection, which is about to be reset. */
  readonly onReset: (fd: number) => void;
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
