/**
 * Owns which plugins run: makes those of the host the ones that the file names, and carries out what the operator says of one
 * of them. Leaves supervision to the host; reads no file and knows no socket of its own.
 */

import { isDeepStrictEqual } from "node:util";
import { addressText } from "../net/listen.js";
import { PluginError } from "../plugin/errors.js";
import type { PluginHost } from "../plugin/host.js";
import type { PluginSnapshot } from "../plugin/snapshot.js";
import type { ServeLog } from "./serve-log.js";
import { loadModule, type LoadedPlugin } from "./serve-modules.js";
import { endingText, limitText, tlsText, upText } from "./serve-text.js";

/** Compiling and starting take the processor: so many plugins are started at a time. */
const STARTS_MAX = 8;

/** What could not be done, in a sentence for the operator. */
export class ServeError extends Error {}

interface Served {
  /** As the file has it, and as it was carried out last. */
  entry: LoadedPlugin;
  /** What runs: another module, after `ctl replace`. */
  running: LoadedPlugin;
  /** By the operator, who starts it again. */
  isStopped: boolean;
}

/** A plugin, and what the host knows of it: nothing while it is stopped. */
export interface ListedPlugin {
  readonly name: string;
  readonly module: string;
  readonly isStopped: boolean;
  readonly snapshot: PluginSnapshot | undefined;
}

/** What a reload has done. */
export interface Changes {
  started: number;
  stopped: number;
  replaced: number;
  unchanged: number;
  failed: number;
}

export class ServedPlugins {
  readonly #host: PluginHost;
  readonly #log: ServeLog;
  readonly #served = new Map<string, Served>();
  /** What is being done to a plugin: one thing at a time. */
  readonly #tails = new Map<string, Promise<unknown>>();
  readonly #replacing = new Set<string>();

  /** @param onDown when a plugin has ended for good */
  constructor(host: PluginHost, log: ServeLog, onDown: () => void) {
    this.#host = host;
    this.#log = log;
    host.on("up", ({ plugin }) => {
      if (!this.#replacing.has(plugin)) log.report(plugin, upText(host.snapshot(plugin).listeners));
    });
    host.on("replaced", ({ plugin }) => log.report(plugin, `replaced: ${upText(host.snapshot(plugin).listeners)}`));
    host.on("exit", ({ plugin, ending }) => {
      const isFormer = ending.kind === "stopped" && host.snapshot(plugin).state === "running";
      log.report(plugin, isFormer ? `the module that was replaced has ${endingText(ending)}` : endingText(ending));
    });
    host.on("restart", ({ plugin, delayMs, restarts }) =>
      log.report(plugin, `starts again in ${Math.round(delayMs)} ms (restart ${restarts})`),
    );
    host.on("down", ({ plugin }) => {
      log.report(plugin, "down: it is not started again");
      onDown();
    });
    host.on("limit", (event) => log.report(event.plugin, limitText(event)));
    host.on("tls", (event) => log.report(event.plugin, tlsText(event)));
    host.on("line", ({ plugin, stream, line }) => log.line(plugin, stream, line));
  }

  /** Have all of them ended for good? `isFailure`: one of them not as it should. */
  get ending(): { readonly isOver: boolean; readonly isFailure: boolean } {
    const listed = this.list();
    const isOver = listed.length > 0 && listed.every(({ snapshot }) => snapshot?.state === "down");
    const isFailure = listed.some(({ snapshot }) => {
      const ending = snapshot?.lastEnding;
      return !(ending?.kind === "stopped" || (ending?.kind === "exit" && ending.code === 0));
    });
    return { isOver, isFailure };
  }

  list(): readonly ListedPlugin[] {
    const snapshots = new Map(this.#host.snapshot().map((each) => [each.name, each]));
    return [...this.#served].map(([name, { running, isStopped }]) => ({
      name,
      module: running.module,
      isStopped,
      snapshot: snapshots.get(name),
    }));
  }

  /** @throws ServeError */
  check(name: string): void {
    this.#find(name);
  }

  /** Starts those that are new, stops those that are gone, replaces those that have changed. The others are not touched. */
  async apply(wanted: readonly LoadedPlugin[]): Promise<Changes> {
    const changes: Changes = { started: 0, stopped: 0, replaced: 0, unchanged: 0, failed: 0 };
    const names = new Set(wanted.map(({ name }) => name));
    const gone = [...this.#served]
      .filter(([name]) => !names.has(name))
      .map(([name, { running }]) => ({ running, ended: this.#remove(name).then(() => changes.stopped++) }));
    // Their addresses are free when they have ended.
    const freed = async ({ policy }: LoadedPlugin): Promise<void> => {
      const addresses = new Set(policy.listen.map(({ address }) => addressText(address)));
      const before = gone.filter(({ running }) =>
        running.policy.listen.some(({ address }) => addresses.has(addressText(address))),
      );
      await Promise.all(before.map(({ ended }) => ended));
    };
    await forEach(wanted, STARTS_MAX, async (plugin) => {
      await freed(plugin);
      changes[await this.#serial(plugin.name, () => this.#bring(plugin))]++;
    });
    await Promise.all(gone.map(({ ended }) => ended));
    return changes;
  }

  /** Stops a plugin until it is restarted. */
  async stop(name: string): Promise<void> {
    const served = this.#find(name);
    await this.#serial(name, async () => {
      served.isStopped = true;
      if (this.#snapshot(name) !== undefined) await this.#host.stop(name);
    });
  }

  /** Starts a plugin anew, with its module read again: without a refused connection if it runs. @throws ServeError */
  async restart(name: string): Promise<void> {
    const served = this.#find(name);
    await this.#serial(name, async () => this.#renew(served, served.running.module));
  }

  /** Gives a plugin another module, until the file has another one for it. @throws ServeError */
  async replace(name: string, module: string): Promise<void> {
    const served = this.#find(name);
    await this.#serial(name, async () => this.#renew(served, module));
  }

  async #renew(served: Served, path: string): Promise<void> {
    const { name, policy } = served.running;
    const next: LoadedPlugin = { name, policy, ...(await loadModule(path, policy)) };
    await this.#put(served, next);
    const { state, lastEnding } = this.#host.snapshot(name);
    if (state === "running" || lastEnding === undefined) return;
    throw new ServeError(`${name} did not come up: ${endingText(lastEnding).split("\n")[0]}`);
  }

  async #bring(plugin: LoadedPlugin): Promise<keyof Changes> {
    const { name } = plugin;
    const served = this.#served.get(name);
    try {
      if (served === undefined) {
        const made: Served = { entry: plugin, running: plugin, isStopped: false };
        this.#served.set(name, made);
        await this.#start(made, plugin);
        return this.#snapshot(name)?.state === "running" ? "started" : "failed";
      }
      const { code, policy } = served.entry;
      if (code === plugin.code && isDeepStrictEqual(policy, plugin.policy)) return "unchanged";
      if (served.isStopped) served.running = plugin;
      else await this.#put(served, plugin);
      served.entry = plugin;
      return "replaced";
    } catch (error) {
      // It is being stopped with all others.
      if (error instanceof PluginError && STOPPING.has(error.code)) return "failed";
      this.#log.report(name, `not changed: ${(error as Error).message}`);
      return "failed";
    }
  }

  /** In the place of what runs; the plugin is started if it does not. */
  async #put(served: Served, next: LoadedPlugin): Promise<void> {
    const { name } = next;
    const state = this.#snapshot(name)?.state;
    // Two runs cannot both be bound to an address of their own.
    const isExclusive = next.policy.bind.length + served.running.policy.bind.length > 0;
    if (state !== "running" || isExclusive) {
      if (state !== undefined) await this.#host.stop(name);
      await this.#start(served, next);
      return;
    }
    this.#replacing.add(name);
    try {
      await this.#host.replace(name, next.code, next.policy);
    } finally {
      this.#replacing.delete(name);
    }
    served.running = next;
  }

  async #start(served: Served, next: LoadedPlugin): Promise<void> {
    served.running = next;
    served.isStopped = false;
    await this.#host.start(next.code, { ...next.policy, name: next.name, onStartFailure: "restart" });
  }

  async #remove(name: string): Promise<void> {
    await this.#serial(name, async () => {
      if (this.#snapshot(name) !== undefined) await this.#host.stop(name);
      this.#served.delete(name);
      this.#log.forget(name);
    });
    this.#tails.delete(name);
  }

  #snapshot(name: string): PluginSnapshot | undefined {
    return this.#host.has(name) ? this.#host.snapshot(name) : undefined;
  }

  #find(name: string): Served {
    const served = this.#served.get(name);
    if (served !== undefined) return served;
    const names = [...this.#served.keys()];
    const known = names.length === 0 ? "there are none" : `there are ${names.slice(0, NAMED_MAX).join(", ")}`;
    throw new ServeError(`there is no plugin named ${name}: ${known}${names.length > NAMED_MAX ? ", ..." : ""}`);
  }

  #serial<T>(name: string, action: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(name) ?? Promise.resolve();
    const after = before.then(action);
    this.#tails.set(
      name,
      after.catch(() => undefined),
    );
    return after;
  }
}

const NAMED_MAX = 20;
const STOPPING: ReadonlySet<string> = new Set(["ERR_PLUGIN_STOPPED", "ERR_PLUGIN_HOST_CLOSED"]);

/** Calls `action` with each item, of so many at a time. */
async function forEach<T>(items: readonly T[], countMax: number, action: (item: T) => Promise<void>): Promise<void> {
  const rest = items.values();
  const next = async (): Promise<void> => {
    for (const item of rest) await action(item);
  };
  await Promise.all(Array.from({ length: countMax }, next));
}
