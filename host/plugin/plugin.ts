/**
 * Owns the supervision of one plugin: its listening sockets, its current run and those that it has replaced, restarts with
 * back-off. Leaves to each run its launch and its end; knows neither threads nor modules.
 */

import { performance } from "node:perf_hooks";
import type { Backend } from "../backend/backend.js";
import type { CompiledCode, PluginCode } from "./code.js";
import { PluginError } from "./errors.js";
import type { Grant } from "./grant.js";
import type { InheritedSockets } from "./inherited.js";
import { Listeners, type LentListeners } from "./listeners.js";
import { PluginRun } from "./plugin-run.js";
import type { PolicyEvent } from "./policy/account.js";
import { TIMER_MAX_MS } from "./policy/timer.js";
import type { Policy } from "./policy/types.js";
import type { OutputStream, PluginEnding, Run, RunHooks } from "./run.js";
import { TlsClients } from "./tls/connector.js";
import { type TlsEvent, TlsUse } from "./tls/use.js";
import { Restarts } from "./restarts.js";
import { PastCounts, type PluginSnapshot, type PluginState } from "./snapshot.js";

/** What a plugin tells its host. */
export interface PluginHooks {
  readonly onUp: () => void;
  readonly onExit: (ending: PluginEnding) => void;
  readonly onRestart: (delayMs: number, restarts: number) => void;
  readonly onDown: (ending: PluginEnding) => void;
  readonly onReplaced: () => void;
  readonly onPolicyEvent: (event: PolicyEvent) => void;
  readonly onTls: (event: TlsEvent) => void;
  readonly onLine: (stream: OutputStream, line: string) => void;
  /** The policy with the addresses of its names. */
  readonly pin: (policy: Policy) => Promise<Policy>;
  /** Starts a run. */
  readonly launch: (code: CompiledCode, grant: Grant, hooks: RunHooks) => Run;
}

/** What all plugins of a host are given. */
export type HostLent = Pick<Grant, "nullFds" | "hostLines">;

export class Plugin {
  readonly name: string;
  readonly #hooks: PluginHooks;
  readonly #lent: HostLent;
  readonly #backend: Backend;
  readonly #listeners: Listeners;
  readonly #tls: TlsUse;
  #clients: TlsClients | undefined;
  readonly #past = new PastCounts();
  readonly #restarts = new Restarts();
  /** The current one, and those that drain. */
  readonly #runs = new Set<PluginRun>();
  #code: PluginCode;
  #policy: Policy;
  #current: PluginRun | undefined;
  #state: PluginState = "starting";
  #replacements = 0;
  #lastEnding: PluginEnding | undefined;
  #restartTimer: NodeJS.Timeout | undefined;
  #lifetimeTimer: NodeJS.Timeout | undefined;
  /** Is a failure of its first run one of those after which it is started again? */
  #isKept = false;
  #isReplacing = false;
  /** Has a restart become due during a replacement? */
  #restartIsDue = false;
  #stopped: Promise<void> | undefined;
  #stopAtMs = Infinity;

  constructor(
    name: string,
    code: PluginCode,
    policy: Policy,
    backend: Backend,
    lent: HostLent,
    inherited: InheritedSockets | undefined,
    hooks: PluginHooks,
  ) {
    this.name = name;
    this.#code = code;
    this.#policy = policy;
    this.#lent = lent;
    this.#backend = backend;
    this.#hooks = hooks;
    this.#tls = new TlsUse(name, policy.limits, hooks);
    this.#listeners = new Listeners(backend, this.#tls, inherited);
  }

  get state(): PluginState {
    return this.#state;
  }

  get policy(): Policy {
    return this.#policy;
  }

  get code(): PluginCode {
    return this.#code;
  }

  /**
   * @param isKept is a failure one after which it is started again, as its policy says, and not thrown?
   * @throws OSError for a listening socket or a name, GuestError or ModuleError for the module, PluginError where it does not
   *   come up
   */
  async start(isKept: boolean): Promise<void> {
    this.#isKept = isKept;
    try {
      await this.#begin();
    } catch (error) {
      if (isKept && this.#stopped === undefined) return this.#failedToBegin(error);
      this.#state = "down";
      this.#release();
      throw error;
    }
  }

  /** A run from its policy to its first wait. @throws as {@link start} */
  async #begin(): Promise<void> {
    const before = this.#policy;
    const pinned = await this.#hooks.pin(before);
    // A replacement may have given it another one meanwhile.
    if (this.#policy === before) this.#policy = pinned;
    const compiled = await this.#code.compile(this.#policy);
    this.#checkStopped();
    // A replacement has begun one meanwhile.
    if (this.#current !== undefined) return;
    this.#clients ??= new TlsClients(this.#policy, this.#tls);
    this.#listeners.prepare(this.#policy.listen).commit()();
    const run = this.#launch(this.#code.name, compiled, this.#policy, this.#listeners.lend(), this.#clients);
    this.#current = run;
    await this.#waitUp(run, this.#policy);
    if (this.#lifetimeTimer === undefined) this.#armLifetime();
  }

  /** No run has begun, or it has ended before it came up. */
  #failedToBegin(error: unknown): void {
    // A run that has ended is reported by its end.
    if (error instanceof PluginError && error.code === "ERR_PLUGIN_START") return;
    this.#lastEnding = { kind: "failed", error: error instanceof Error ? error : new Error(String(error)) };
    this.#hooks.onExit(this.#lastEnding);
    this.#afterEnd(this.#lastEnding);
  }

  /** Puts a new run in the place of the current one once it has come up. @throws as {@link start}; the old one goes on then */
  async replace(code: PluginCode, policy: Policy): Promise<void> {
    if (this.#isReplacing) throw new PluginError("ERR_PLUGIN_START", `${this.name} is being replaced already`);
    this.#isReplacing = true;
    try {
      const compiled = await code.compile(policy);
      this.#checkStopped();
      const clients = new TlsClients(policy, this.#tls);
      let run: PluginRun;
      let listeners: ReturnType<Listeners["prepare"]> | undefined;
      try {
        listeners = this.#listeners.prepare(policy.listen);
        run = this.#launch(code.name, compiled, policy, listeners.lend(), clients);
        await this.#waitUp(run, policy);
        // A command that has done its work is no replacement for one that serves.
        if (!this.#runs.has(run)) {
          throw new PluginError("ERR_PLUGIN_START", `${this.name} was not replaced: the new module has exited already`);
        }
      } catch (error) {
        listeners?.rollBack();
        clients.close();
        throw error;
      }
      const old = this.#current;
      const closeFormer = listeners.commit();
      clearTimeout(this.#restartTimer);
      this.#code = code;
      this.#policy = policy;
      this.#clients?.close();
      this.#clients = clients;
      this.#tls.limits = policy.limits;
      this.#current = run;
      this.#state = "running";
      this.#armLifetime();
      this.#replacements++;
      this.#restarts.forget();
      if (old === undefined) closeFormer();
      else {
        old.drain(policy.stopTimeoutMs);
        void old.ended.then(closeFormer);
      }
      this.#hooks.onReplaced();
    } finally {
      this.#isReplacing = false;
      this.#continueWithout();
    }
  }

  /** The old one may have ended, or its restart may have become due, during a replacement that failed. */
  #continueWithout(): void {
    const isDue = this.#restartIsDue;
    this.#restartIsDue = false;
    if (this.#current !== undefined || this.#stopped !== undefined) return;
    if (isDue) void this.#restart();
    else if (this.#lastEnding !== undefined && (this.#state === "running" || this.#state === "starting")) {
      this.#afterEnd(this.#lastEnding);
    }
  }

  /** From when it has come up, and anew from each replacement. */
  #armLifetime(): void {
    clearTimeout(this.#lifetimeTimer);
    this.#lifetimeTimer = undefined;
    const { lifetimeMs } = this.#policy.limits;
    if (lifetimeMs === Infinity || this.#stopped !== undefined) return;
    this.#lifetimeTimer = setTimeout(this.#outlived, Math.min(lifetimeMs, TIMER_MAX_MS));
  }

  /** Ends it: gracefully within `timeoutMs`, then at once. Resolves when nothing is left of it. */
  stop(timeoutMs: number): Promise<void> {
    if (this.#stopped === undefined) {
      this.#state = "stopping";
      this.#stopped = this.#stop();
    }
    this.#stopAtMs = Math.min(this.#stopAtMs, performance.now() + timeoutMs);
    for (const run of this.#runs) run.drain(timeoutMs);
    return this.#stopped;
  }

  snapshot(): PluginSnapshot {
    const tls = this.#tls.snapshot;
    const past = this.#past.with([...this.#runs].map(({ counts }) => counts));
    const upAtMs = this.#state === "running" ? this.#current?.upAtMs : undefined;
    return {
      ...past,
      hostBytes: past.hostBytes + tls.heldBytes,
      tls,
      name: this.name,
      run: this.#policy.run,
      state: this.#state,
      listeners: this.#listeners.addresses,
      restarts: this.#restarts.count,
      replacements: this.#replacements,
      uptimeMs: upAtMs === undefined ? 0 : performance.now() - upAtMs,
      lastEnding: this.#lastEnding,
    };
  }

  /** Descriptors of the connections that are open now. */
  *connections(): Iterable<number> {
    for (const run of this.#runs) yield* run.connections();
  }

  async #stop(): Promise<void> {
    clearTimeout(this.#restartTimer);
    clearTimeout(this.#lifetimeTimer);
    while (this.#runs.size > 0) await Promise.all([...this.#runs].map(({ ended }) => ended));
    this.#state = "down";
    this.#release();
    // What it has sent to its last peers.
    await this.#tls.end(this.#stopAtMs - performance.now());
  }

  /** No run is to follow. */
  #release(): void {
    this.#listeners.close();
    this.#clients?.close();
  }

  /** @throws OSError where there is no descriptor for what it needs */
  #launch(
    program: string,
    code: CompiledCode,
    policy: Policy,
    listeners: LentListeners,
    clients: TlsClients | undefined,
  ): PluginRun {
    const { launch, onPolicyEvent, onLine } = this.#hooks;
    const onReset = (fd: number): void => this.#tls.reset(fd);
    const run = new PluginRun(
      (grant, hooks) => launch(code, grant, hooks),
      { plugin: this.name, program, policy, listeners, ...this.#lent },
      clients?.connector(this.#backend),
      { onPolicyEvent, onLine, onReset },
    );
    this.#runs.add(run);
    void run.ended.then((ending) => this.#ended(run, ending));
    return run;
  }

  /** @throws PluginError where it does not come up */
  async #waitUp(run: PluginRun, policy: Policy): Promise<void> {
    const failure = await run.whyNotUp(policy);
    if (failure !== undefined) {
      this.#checkStopped();
      throw new PluginError("ERR_PLUGIN_START", `${this.name} did not start: ${failure.reason}`, {
        cause: failure.cause,
      });
    }
    if (this.#stopped === undefined) {
      this.#state = "running";
      this.#hooks.onUp();
    }
  }

  #ended(run: PluginRun, ending: PluginEnding): void {
    const wasUp = run.upAtMs > 0 || (ending.kind === "exit" && ending.code === 0);
    this.#runs.delete(run);
    run.close();
    this.#past.add({ ...run.counts, memoryBytes: 0 });
    const isCurrent = run === this.#current;
    if (isCurrent || this.#stopped !== undefined) this.#lastEnding = ending;
    this.#hooks.onExit(ending);
    if (!isCurrent) return;
    this.#current = undefined;
    // Its start, or whoever stops it, sees to the rest.
    if (!wasUp && this.#state === "starting" && this.#restarts.count === 0 && !this.#isKept) return;
    if (this.#stopped !== undefined || this.#isReplacing) return;
    this.#afterEnd(ending);
  }

  #afterEnd(ending: PluginEnding): void {
    const delayMs = this.#restarts.next(this.#policy.restart, ending);
    if (delayMs === undefined) {
      this.#state = "down";
      clearTimeout(this.#lifetimeTimer);
      // Whoever connects is refused, instead of waiting for a plugin that does not come back.
      this.#release();
      return this.#hooks.onDown(ending);
    }
    this.#state = "waiting";
    this.#hooks.onRestart(delayMs, this.#restarts.count);
    // A listener of the event may have stopped it.
    if (this.#stopped === undefined) this.#restartTimer = setTimeout(() => void this.#restart(), delayMs);
  }

  async #restart(): Promise<void> {
    if (this.#isReplacing) {
      this.#restartIsDue = true;
      return;
    }
    if (this.#current !== undefined) return;
    this.#state = "starting";
    try {
      await this.#begin();
    } catch (error) {
      if (this.#stopped === undefined) this.#failedToBegin(error);
    }
  }

  readonly #outlived = (): void => {
    const { lifetimeMs } = this.#policy.limits;
    this.#hooks.onPolicyEvent({ plugin: this.name, limit: "lifetimeMs", value: lifetimeMs, count: 1 });
    void this.stop(this.#policy.stopTimeoutMs).then(() =>
      this.#hooks.onDown(this.#lastEnding ?? { kind: "stopped", isGraceful: true }),
    );
  };

  #checkStopped(): void {
    if (this.#stopped !== undefined) throw new PluginError("ERR_PLUGIN_STOPPED", `${this.name} was stopped meanwhile`);
  }
}
