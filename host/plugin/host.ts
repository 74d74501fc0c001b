/**
 * Owns the public way to run plugins: {@link PluginHost}, which has them by name. Leaves the supervision of each to
 * {@link Plugin}; knows no module and no descriptor but those of the null device.
 */

import { EventEmitter } from "node:events";
import { closeSync, openSync } from "node:fs";
import { devNull } from "node:os";
import { performance } from "node:perf_hooks";
import type { Backend } from "../backend/backend.js";
import { checkInstance, checkOptions, checkString } from "../backend/check.js";
import { logThrown } from "../backend/log.js";
import { pluginSources } from "../backend/plugins-observed.js";
import { defaultBackend } from "../net/default-backend.js";
import { checkBlocking } from "./check.js";
import { compilePlugin, type CompiledCode, type PluginModule } from "./code.js";
import { PluginError } from "./errors.js";
import type { Grant } from "./grant.js";
import { createHostLines, type LentHostLines, limitHostLines } from "./host-lines.js";
import {
  checkServed,
  type PluginHostEvents,
  type PluginHostOptions,
  type PluginOptions,
  type LineLimits,
  lineLimitsOf,
  type ReadOptions,
  readOptions,
  stopTimeoutOf,
} from "./host-options.js";
import { InheritedSockets } from "./inherited.js";
import { IsolatedRun } from "./isolated.js";
import { mappings, type ThreadMappings } from "./mappings.js";
import { ModuleWatch } from "./module-watch.js";
import { type HostLent, Plugin } from "./plugin.js";
import { pluginSource } from "./reported.js";
import { pinNames } from "./policy/names.js";
import { parsePolicy } from "./policy/schema.js";
import type { PolicyInput } from "./policy/types.js";
import type { Run, RunHooks } from "./run.js";
import { SharedRun, SharedThread } from "./shared.js";
import type { PluginSnapshot, PluginState } from "./snapshot.js";

/** Between two looks at the CPU time of threads. */
const CHECK_MS = 20;
const NS_PER_MS = 1e6;

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
  /** @internal */
  protected readonly mappings: ThreadMappings = mappings;

  constructor(options: PluginHostOptions = {}) {
    checkOptions("options", options, ["inherited", "linesPerSecond", "lineBytesPerSecond"]);
    super();
    if (options.inherited !== undefined) checkInstance("options.inherited", options.inherited, InheritedSockets);
    this.#inherited = options.inherited;
    this.#lines = createHostLines(lineLimitsOf(options));
  }

  /**
   * Changes how many lines all plugins may write together: see {@link PluginHostOptions}. A rate that is not given gets its default.
   * @throws TypeError, RangeError for a rate that is none
   */
  limitLines(limits: LineLimits = {}): void {
    checkOptions("limits", limits, ["linesPerSecond", "lineBytesPerSecond"]);
    limitHostLines(this.#lines, lineLimitsOf(limits, "limits"));
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
   *   module that cannot be run, PluginError: ERR_PLUGIN_NAME, ERR_PLUGIN_START, ERR_PLUGIN_MAPPINGS, ERR_PLUGIN_BLOCKING
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
    const run = new IsolatedRun(this.#backend, compiled, grant, hooks, this.mappings);
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
