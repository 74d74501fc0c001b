/**
 * Owns the public way to run plugins: {@link PluginHost}, which has them by name. Leaves the supervision of each to
 * {@link Plugin}; knows no module and no descriptor but those of the null device.
 */

import { EventEmitter } from "node:events";
import { closeSync, openSync } from "node:fs";
import { devNull } from "node:os";
import { performance } from "node:perf_hooks";
import type { Backend } from "../backend/backend.js";
import {
  checkBoolean,
  checkInstance,
  checkInteger,
  checkObject,
  checkOneOf,
  checkOptions,
  checkString,
} from "../backend/check.js";
import { logThrown } from "../backend/log.js";
import { pluginSources } from "../backend/plugins-observed.js";
import { defaultBackend } from "../net/default-backend.js";
import { checkBlocking } from "./check.js";
import { compilePlugin, type CompiledCode, type PluginModule } from "./code.js";
import { PluginError } from "./errors.js";
import type { Grant } from "./grant.js";
import { createHostLines, DEFAULT_HOST_LINES, type HostLineLimits, type LentHostLines } from "./host-lines.js";
import { InheritedSockets } from "./inherited.js";
import { IsolatedRun } from "./isolated.js";
import { ModuleWatch } from "./module-watch.js";
import { type HostLent, Plugin } from "./plugin.js";
import type { PolicyEvent } from "./policy/account.js";
import { PolicyError, type PolicyProblem } from "./policy/errors.js";
import { pluginSource } from "./reported.js";
import { pinNames } from "./policy/names.js";
import { parsePolicy } from "./policy/schema.js";
import type { Policy, PolicyInput } from "./policy/types.js";
import type { OutputStream, PluginEnding, Run, RunHooks } from "./run.js";
import { SharedRun, SharedThread } from "./shared.js";
import type { PluginSnapshot, PluginState } from "./snapshot.js";
import type { TlsEvent } from "./tls/use.js";

/** Between two looks at the CPU time of threads. */
const CHECK_MS = 20;
const NS_PER_MS = 1e6;

/** What a {@link PluginHost} emits. Each event has the name of the plugin. */
export interface PluginHostEvents {
  /** A run of it has come up: after its start, a restart or a replacement. */
  up: [event: { readonly plugin: string }];
  /** A run of it has ended, and nothing of that run is left. */
  exit: [event: { readonly plugin: string; readonly ending: PluginEnding }];
  /** It is started again after `delayMs`, for the `restarts`th time. */
  restart: [event: { readonly plugin: string; readonly delayMs: number; readonly restarts: number }];
  /** It has ended and is not started again. Its listening sockets are closed. */
  down: [event: { readonly plugin: string; readonly ending: PluginEnding }];
  /** A new run serves in the place of the old one, which ends with its connections. */
  replaced: [event: { readonly plugin: string }];
  /** The file of its module has changed, and could not be put in its place: the old one goes on. */
  notReplaced: [event: { readonly plugin: string; readonly error: Error }];
  /** A call of it was refused by its policy, or it was above a limit. At most once a second for each limit. */
  limit: [event: PolicyEvent];
  /** Handshakes that have failed, certificates that were reloaded: see {@link TlsEvent}. At most once a second for each kind. */
  tls: [event: TlsEvent];
  /** It has written a line to a stream that its policy grants as "lines". */
  line: [event: { readonly plugin: string; readonly stream: OutputStream; readonly line: string }];
  /** The host is closed, and nothing of its plugins is left. */
  close: [];
}

/** A policy, and how the host treats the plugin. */
export type PluginOptions = PolicyInput & {
  /** Default: the file name of its module. */
  readonly name?: string | undefined;
  /**
   * What becomes of a plugin that does not come up, because of its sockets, its names, its module, or because it ends before
   * it waits for something. "throw": `start` rejects, and nothing is left of it. "restart": `start` resolves, and the plugin
   * is started again as its `restart` says. Default "throw".
   */
  readonly onStartFailure?: "throw" | "restart" | undefined;
  /** Is the plugin replaced when the file of its module changes? The module must be a path then. Default: false. */
  readonly watch?: boolean | undefined;
};

/** Options of {@link PluginHost}. */
export interface PluginHostOptions {
  /** Listening sockets that plugins get in place of opening their own. Default: none. */
  readonly inherited?: InheritedSockets | undefined;
  /**
   * How many lines all plugins may write a second together, because each costs the host's thread: those that write have equal
   * shares, and further lines are dropped and counted. Default: 50,000.
   */
  readonly linesPerSecond?: number | "unlimited" | undefined;
  /** The same in bytes. Default: 16 MiB. */
  readonly lineBytesPerSecond?: number | "unlimited" | undefined;
}

/**
 * Runs WASI modules as servers, each under a policy: what it may listen on, reach and use up. A plugin that traps, or takes
 * more than it may, ends alone.
 *
 * ```ts
 * import { PluginHost } from "wasyncore/plugin";
 *
 * await using host = new PluginHost();
 * host.on("exit", ({ plugin, ending }) => console.log(plugin, ending));
 * await host.start("./echo.wasm", { name: "echo", listen: ["127.0.0.1:7000"], limits: { maxMemoryBytes: 64 * 2 ** 20 } });
 * console.log(host.snapshot());
 * ```
 */
export class PluginHost extends EventEmitter<PluginHostEvents> implements AsyncDisposable {
  readonly #backend: Backend = defaultBackend();
  readonly #plugins = new Map<string, Plugin>();
  readonly #watches = new Map<Plugin, ModuleWatch>();
  readonly #isolated = new Set<IsolatedRun>();
  readonly #source = pluginSource(this.#plugins, this.#backend);
  #shared: SharedThread | undefined;
  #nullFds: Grant["nullFds"] | undefined;
  #checkTimer: NodeJS.Timeout | undefined;
  #checkedAtMs = 0;
  #closing: Promise<void> | undefined;
  readonly #inherited: InheritedSockets | undefined;
  readonly #lines: LentHostLines;

  constructor(options: PluginHostOptions = {}) {
    checkOptions("options", options, ["inherited", "linesPerSecond", "lineBytesPerSecond"]);
    super();
    if (options.inherited !== undefined) checkInstance("options.inherited", options.inherited, InheritedSockets);
    this.#inherited = options.inherited;
    this.#lines = createHostLines({
      linesPerSecond: rateOf(options, "linesPerSecond"),
      lineBytesPerSecond: rateOf(options, "lineBytesPerSecond"),
    });
  }

  /** The names of the plugins. */
  get names(): readonly string[] {
    return [...this.#plugins.keys()];
  }

  /** Is there a plugin of this name? */
  has(name: string): boolean {
    return this.#plugins.has(name);
  }

  /** The state of each plugin: cheaper than {@link snapshot}. */
  get states(): readonly { readonly name: string; readonly state: PluginState }[] {
    return [...this.#plugins.values()].map(({ name, state }) => ({ name, state }));
  }

  /** Was {@link close} called? */
  get isClosed(): boolean {
    return this.#closing !== undefined;
  }

  /**
   * Starts a plugin. Resolves when it has come up: when it waits for something for the first time, or has exited with 0.
   * @param module the path of a file, its bytes, or what `compilePlugin` has returned
   * @returns its name
   * @throws PolicyError for a wrong policy, OSError for a listening socket or a host name, ModuleError or GuestError for a
   *   module that cannot be run, PluginError: ERR_PLUGIN_NAME, ERR_PLUGIN_START, ERR_PLUGIN_BLOCKING
   */
  async start(module: PluginModule, options: PluginOptions = {}): Promise<string> {
    this.#checkOpen();
    const read = readOptions(options);
    if (!read.watch) return (await this.#start(module, read)).name;
    const watch = new ModuleWatch(module);
    try {
      // Before it is read: no change comes in between.
      await watch.begin();
      const plugin = await this.#start(module, read);
      this.#follow(plugin, watch);
      return plugin.name;
    } catch (error) {
      watch.close();
      throw error;
    }
  }

  async #start(module: PluginModule, { name: wanted, onStartFailure, policy }: ReadOptions): Promise<Plugin> {
    const code = await compilePlugin(module);
    const name = wanted ?? code.name;
    this.#checkOpen();
    if (this.#plugins.has(name)) throw new PluginError("ERR_PLUGIN_NAME", `there is a plugin named ${name} already`);
    const plugin = new Plugin(name, code, policy, this.#backend, this.#lent(), this.#inherited, {
      onUp: () => this.#tell("up", { plugin: name }),
      onExit: (ending) => this.#tell("exit", { plugin: name, ending }),
      onRestart: (delayMs, restarts) => this.#tell("restart", { plugin: name, delayMs, restarts }),
      onDown: (ending) => this.#tell("down", { plugin: name, ending }),
      onReplaced: () => this.#tell("replaced", { plugin: name }),
      onPolicyEvent: (event) => this.#tell("limit", event),
      onTls: (event) => this.#tell("tls", event),
      onLine: (stream, line) => this.#tell("line", { plugin: name, stream, line }),
      pin: (policy) => pinNames(policy, this.#backend),
      launch: (compiled, grant, hooks) => this.#launch(compiled, grant, hooks),
    });
    this.#plugins.set(name, plugin);
    pluginSources.add(this.#source);
    try {
      await plugin.start(onStartFailure === "restart");
    } catch (error) {
      if (this.#plugins.get(name) === plugin) this.#plugins.delete(name);
      throw error;
    }
    return plugin;
  }

  /**
   * Puts another module, or another policy, in the place of a plugin's, without a refused connection: the new run takes over
   * the listening sockets when it has come up, and the old one then ends with its connections, within the `stopTimeoutMs` of
   * the new policy. Resolves when the new run serves; if it does not come up, the old one goes on.
   * @param options a policy; by default the one that the plugin has
   * @throws as {@link start}
   */
  async replace(name: string, module: PluginModule, options?: PolicyInput): Promise<void> {
    const plugin = this.#find(name);
    const policy = options === undefined ? plugin.policy : checkServed(parsePolicy(options));
    await plugin.replace(await compilePlugin(module), await pinNames(policy, this.#backend));
  }

  /**
   * Stops a plugin: it gets no new connections, ends when its last one is closed, and after `timeoutMs` at once, whether it
   * waits or computes; the connections that it has then are reset. Resolves when nothing of it is left.
   * @param options.timeoutMs default: the `stopTimeoutMs` of its policy. 0: at once
   */
  async stop(name: string, options: { readonly timeoutMs?: number | undefined } = {}): Promise<void> {
    const timeoutMs = stopTimeoutOf(options);
    const plugin = this.#find(name);
    this.#watches.get(plugin)?.close();
    this.#watches.delete(plugin);
    await plugin.stop(timeoutMs ?? plugin.policy.stopTimeoutMs);
    if (this.#plugins.get(name) === plugin) this.#plugins.delete(name);
  }

  /** What a plugin is and uses now. */
  snapshot(name: string): PluginSnapshot;
  /** What all of them are and use now. */
  snapshot(): readonly PluginSnapshot[];
  snapshot(name?: string): PluginSnapshot | readonly PluginSnapshot[] {
    if (name !== undefined) return this.#find(name).snapshot();
    return [...this.#plugins.values()].map((plugin) => plugin.snapshot());
  }

  /** Stops all plugins. Resolves when nothing of them is left. No plugin can be started afterwards. */
  close(options: { readonly timeoutMs?: number | undefined } = {}): Promise<void> {
    let timeoutMs: number | undefined;
    try {
      timeoutMs = stopTimeoutOf(options);
    } catch (error) {
      return Promise.reject(error as Error);
    }
    this.#closing ??= this.#close();
    for (const watch of this.#watches.values()) watch.close();
    for (const plugin of this.#plugins.values()) void plugin.stop(timeoutMs ?? plugin.policy.stopTimeoutMs);
    return this.#closing;
  }

  /** The same as {@link close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Ends all plugins at once, for `using`: the rest of them is released in the next iterations of the event loop. */
  [Symbol.dispose](): void {
    void this.close({ timeoutMs: 0 });
  }

  async #close(): Promise<void> {
    // Those that are about to start find that they were stopped.
    await Promise.resolve();
    await Promise.all([...this.#plugins.values()].map((plugin) => plugin.stop(plugin.policy.stopTimeoutMs)));
    this.#plugins.clear();
    pluginSources.delete(this.#source);
    this.#shared?.close();
    this.#shared = undefined;
    for (const fd of this.#nullFds ?? []) closeSync(fd);
    this.#nullFds = undefined;
    this.#tell("close");
  }

  #follow(plugin: Plugin, watch: ModuleWatch): void {
    // It may have been stopped meanwhile.
    if (this.#plugins.get(plugin.name) !== plugin || this.#closing !== undefined) return watch.close();
    this.#watches.set(plugin, watch);
    const { name } = plugin;
    watch.follow(
      async (code) => {
        if (code !== plugin.code) await plugin.replace(code, await pinNames(plugin.policy, this.#backend));
      },
      (error) => this.#tell("notReplaced", { plugin: name, error }),
    );
  }

  #launch(compiled: CompiledCode, grant: Grant, hooks: RunHooks): Run {
    if (grant.policy.run === "shared") {
      checkBlocking(grant.plugin, compiled, grant.policy);
      this.#shared ??= new SharedThread(this.#backend);
      return new SharedRun(this.#shared, compiled, grant, hooks);
    }
    const run = new IsolatedRun(this.#backend, compiled, grant, hooks);
    this.#isolated.add(run);
    if (this.#checkTimer === undefined) this.#checkedAtMs = performance.now();
    this.#checkTimer ??= setInterval(this.#check, CHECK_MS);
    void run.ended.then(() => this.#forget(run));
    return run;
  }

  #forget(run: IsolatedRun): void {
    this.#isolated.delete(run);
    if (this.#isolated.size > 0) return;
    clearInterval(this.#checkTimer);
    this.#checkTimer = undefined;
  }

  readonly #check = (): void => {
    const nowMs = performance.now();
    const elapsedNs = (nowMs - this.#checkedAtMs) * NS_PER_MS;
    this.#checkedAtMs = nowMs;
    for (const run of this.#isolated) run.check(elapsedNs);
  };

  #lent(): HostLent {
    this.#nullFds ??= [openSync(devNull, "r"), openSync(devNull, "w"), openSync(devNull, "w")];
    return { nullFds: this.#nullFds, hostLines: this.#lines };
  }

  #find(name: string): Plugin {
    checkString("name", name);
    const plugin = this.#plugins.get(name);
    if (plugin === undefined) throw new PluginError("ERR_PLUGIN_NAME", `there is no plugin named ${name}`);
    return plugin;
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new PluginError("ERR_PLUGIN_HOST_CLOSED", "the plugin host is closed");
  }

  /** What a listener throws must not end up in the supervision of a plugin. */
  #tell<E extends keyof PluginHostEvents>(event: E, ...details: PluginHostEvents[E]): void {
    try {
      (this as EventEmitter).emit(event, ...details);
    } catch (error) {
      logThrown(`uncaptured exception of a listener of "${event}"`, error);
    }
  }
}

/** @throws TypeError, RangeError for a rate that is none */
function rateOf(options: PluginHostOptions, name: keyof HostLineLimits): number {
  const rate = options[name];
  if (rate === undefined) return DEFAULT_HOST_LINES[name];
  if (rate === "unlimited") return Infinity;
  checkInteger(`options.${name}`, rate, 1, 2 ** 31 - 1);
  return rate;
}

/** @throws TypeError where the options of `stop` or `close` are something else */
function stopTimeoutOf(options: unknown): number | undefined {
  checkObject("options", options);
  const { timeoutMs } = options;
  if (timeoutMs === undefined || (typeof timeoutMs === "number" && !Number.isNaN(timeoutMs))) return timeoutMs;
  throw Object.assign(new TypeError(`"options.timeoutMs" must be a number`), { code: "ERR_INVALID_ARG_TYPE" });
}

/** Fields that a policy has, and that are not served yet. @throws PolicyError @internal */
export function checkServed(policy: Policy): Policy {
  const problems: PolicyProblem[] = [];
  if (policy.run === "shared" && policy.stdio.stdin === "inherit") {
    problems.push({
      field: "stdio.stdin",
      message: `must be "none" where "run" is "shared": a read would block the others`,
    });
  }
  if (problems.length > 0) throw new PolicyError(problems);
  return policy;
}

function isPlain(options: unknown): boolean {
  return typeof options === "object" && options !== null && !Array.isArray(options) && !(options instanceof Date);
}

interface ReadOptions {
  readonly name: string | undefined;
  readonly onStartFailure: "throw" | "restart";
  readonly watch: boolean;
  readonly policy: Policy;
}

function readOptions(options: PluginOptions): ReadOptions {
  // A copy of an array or a date would be an object without fields.
  if (!isPlain(options))
    return { name: undefined, onStartFailure: "throw", watch: false, policy: parsePolicy(options) };
  const { name, onStartFailure = "throw", watch = false, ...policy } = options;
  if (name !== undefined && (typeof name !== "string" || name === "")) {
    throw Object.assign(new TypeError(`"name" must be a string, and not empty`), { code: "ERR_INVALID_ARG_TYPE" });
  }
  checkOneOf("onStartFailure", onStartFailure, ["throw", "restart"]);
  checkBoolean("watch", watch);
  return { name, onStartFailure, watch, policy: checkServed(parsePolicy(policy)) };
}
