/**
 * Owns one run of a plugin as its supervisor has it: the grant with which it is launched, its account, its TLS connector, and
 * the time in which it drains. Knows runs by their interface; knows no restart, no replacement and no other run.
 */

import { performance } from "node:perf_hooks";
import type { Grant } from "./grant.js";
import { Account } from "./policy/account.js";
import { TIMER_MAX_MS } from "./policy/timer.js";
import type { Policy } from "./policy/types.js";
import type { PluginEnding, Run, RunHooks } from "./run.js";
import { type Counts, countsOf } from "./snapshot.js";
import { type StartFailure, whyNotUp } from "./start-up.js";
import type { TlsConnector } from "./tls/connector.js";

export class PluginRun {
  readonly #run: Run;
  readonly #accountMemory = new SharedArrayBuffer(Account.BYTES);
  readonly #connector: TlsConnector | undefined;
  /** 0 before it has come up. */
  upAtMs = 0;

  /**
   * @param connector is this run's alone, and is closed with it
   * @throws OSError where there is no descriptor for what it needs
   */
  constructor(
    launch: (grant: Grant, hooks: RunHooks) => Run,
    given: Omit<Grant, "accountMemory" | "connector">,
    connector: TlsConnector | undefined,
    hooks: Omit<RunHooks, "onConnect">,
  ) {
    this.#connector = connector;
    const grant: Grant = { ...given, accountMemory: this.#accountMemory, connector: connector?.lent };
    try {
      this.#run = launch(grant, { ...hooks, onConnect: (announced) => connector?.announce(announced) });
    } catch (error) {
      connector?.close();
      throw error;
    }
  }

  /** As that of {@link Run}. */
  get ended(): Promise<PluginEnding> {
    return this.#run.ended;
  }

  /** What it has used by now. */
  get counts(): Counts {
    return countsOf(this.#accountMemory, this.#run.usage);
  }

  /** Descriptors of the connections that are open now. */
  connections(): Iterable<number> {
    return this.#run.connections();
  }

  /** Waits until it has come up. @returns undefined, or why it has not, once nothing of it is left */
  async whyNotUp(policy: Policy): Promise<StartFailure | undefined> {
    const failure = await whyNotUp(this.#run, policy);
    if (failure === undefined) this.upAtMs = performance.now();
    return failure;
  }

  /** No new connections. Those that are open may go on for so long. */
  drain(timeoutMs: number): void {
    const stopped = { kind: "stopped", isGraceful: false } as const;
    if (timeoutMs <= 0) return this.#run.kill(stopped);
    this.#run.drain();
    const timer = setTimeout(() => this.#run.kill(stopped), Math.min(timeoutMs, TIMER_MAX_MS));
    void this.ended.then(() => clearTimeout(timer));
  }

  /** Called when it has ended. */
  close(): void {
    this.#connector?.close();
  }
}
