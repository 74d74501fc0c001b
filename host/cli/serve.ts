/**
 * Owns `wasyncore serve`: the process from its file to its end, its signals, reloads. Leaves the plugins to serve-plugins, the
 * file to serve-file, and the control socket to serve-control.
 */

import { existsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { isatty } from "node:tty";
import { counted } from "../backend/counted.js";
import { OSError, UnsupportedPlatformError } from "../backend/errors.js";
import { FileWatch } from "../plugin/file-watch.js";
import { addressText, parseAddress } from "../net/listen.js";
import { PluginError } from "../plugin/errors.js";
import { PluginHost } from "../plugin/host.js";
import { InheritedSockets } from "../plugin/inherited.js";
import { serveMetrics } from "../plugin/metrics.js";
import { Deferred } from "../plugin/run.js";
import { serveStatsAlone } from "../stats/alone.js";
import type { StatsServer } from "../stats/server.js";
import { complain, refuse } from "./complaints.js";
import type { ControlRequest, ListedLine } from "./control-protocol.js";
import { UsageError } from "./run-errors.js";
import { addressTrouble, isOtherFile } from "./run-troubles.js";
import { type ControlHandler, ControlServer } from "./serve-control.js";
import { readServeFile, type ServeFile, ServeFileError } from "./serve-file.js";
import { ServeLog } from "./serve-log.js";
import { loadModules, type LoadedPlugin } from "./serve-modules.js";
import { notifyManager } from "./serve-notify.js";
import { parseServe, type ServeOptions, USAGE } from "./serve-options.js";
import { type Changes, type ListedPlugin, ServedPlugins, ServeError } from "./serve-plugins.js";
import { endingText, listenerText, unusedText } from "./serve-text.js";

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
const SIGNALS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

/** Runs `wasyncore serve` with the arguments that follow it. @returns the exit status */
export async function serveCommand(argv: string[]): Promise<number> {
  try {
    const options = parseServe(argv);
    if (options.help) {
      process.stdout.write(USAGE);
      return 0;
    }
    return options.check ? await check(options) : await new Service(options).run();
  } catch (error) {
    if (error instanceof UsageError) return refuse("serve", error.message);
    if (error instanceof ServeFileError) return complain(error.message, EXIT_USAGE);
    if (error instanceof ServeError || error instanceof UnsupportedPlatformError)
      return complain(error.message, EXIT_FAILED);
    throw error;
  }
}

/** @throws ServeFileError */
async function check({ path }: ServeOptions): Promise<number> {
  const loaded = await loadModules(readServeFile(path));
  process.stdout.write(`${path} is in order: ${counted(loaded.length, "plugin")}\n`);
  return 0;
}

class Service implements ControlHandler {
  readonly #options: ServeOptions;
  /** Absolute: the working directory may change. */
  readonly #path: string;
  readonly #log = new ServeLog();
  readonly #inherited = InheritedSockets.take();
  readonly #host = new PluginHost({ inherited: this.#inherited });
  readonly #plugins: ServedPlugins;
  readonly #watch = new FileWatch(() => void this.#reloadAndReport());
  readonly #over = new Deferred<number>();
  #reloads: Promise<unknown> = Promise.resolve();
  /** Has another reload been requested meanwhile? It reads all files again. */
  #isReloadDue = false;
  #signalled = false;
  /** Are all plugins down for good? */
  #isOver = false;

  constructor(options: ServeOptions) {
    this.#options = options;
    this.#path = resolve(options.path);
    this.#plugins = new ServedPlugins(this.#host, this.#log, () => this.#endIfAllAreDown());
  }

  /** @throws ServeFileError, ServeError */
  async run(): Promise<number> {
    const { file, loaded } = await this.#load();
    this.#host.limitLines(file.lines);
    const control = this.#openControl(this.#options.socket ?? file.control);
    const statistics = this.#openStatistics();
    const onSignal = (signal: keyof typeof SIGNALS): void => this.#stop(signal);
    const hadTerminal = hasTerminal();
    const onHangUp = (): void => {
      // The terminal has been closed: nobody is left who could stop it.
      if (hadTerminal && !hasTerminal()) this.#stop("SIGHUP");
      else void this.#reloadAndReport();
    };
    process.on("SIGINT", onSignal).on("SIGTERM", onSignal).on("SIGHUP", onHangUp);
    let status: number;
    try {
      await this.#openMetrics(this.#options.metrics ?? file.metrics);
      this.#reloads = this.#begin(loaded);
      status = await this.#over.promise;
    } finally {
      this.#watch.close();
      statistics?.close();
      control.close();
      await this.#host.close();
      process.off("SIGINT", onSignal).off("SIGTERM", onSignal).off("SIGHUP", onHangUp);
    }
    // Node aborts where it ends by itself and cannot set its terminal back.
    if (status === SIGNALS.SIGHUP) process.kill(process.pid, "SIGHUP");
    return status;
  }

  async #begin(loaded: readonly LoadedPlugin[]): Promise<void> {
    const changes = await this.#plugins.apply(loaded);
    for (const each of this.#inherited.list) if (!each.isTaken) this.#log.say(unusedText(each));
    if (this.#signalled || this.#isOver) return;
    notifyManager("READY=1");
    this.#log.say(startedText(changes));
  }

  async carryOut(request: Exclude<ControlRequest, { command: "logs" }>): Promise<unknown> {
    switch (request.command) {
      case "list":
        return this.#plugins.list().map(listedLine);
      case "stats":
        return this.#plugins.list().map(statistics);
      case "reload":
        return this.#reload();
      case "stop":
        return this.#plugins.stop(request.name);
      case "restart":
        return this.#plugins.restart(request.name);
      default:
        return this.#plugins.replace(request.name, request.module);
    }
  }

  linesOf(name: string) {
    this.#plugins.check(name);
    return this.#log.linesOf(name);
  }

  follow(name: string, onLine: Parameters<ServeLog["follow"]>[1]): () => void {
    return this.#log.follow(name, onLine);
  }

  async #load(): Promise<{ file: ServeFile; loaded: readonly LoadedPlugin[] }> {
    // Watched before it is read: no change comes in between.
    if (this.#options.watch) await this.#watch.set([this.#path]);
    const file = readServeFile(this.#path);
    if (this.#options.watch) await this.#watch.set([this.#path, ...file.plugins.map(({ module }) => module)]);
    return { file, loaded: await loadModules(file) };
  }

  /** One reload at a time. @throws ServeFileError: nothing has changed then */
  #reload(): Promise<Changes> {
    this.#isReloadDue = true;
    const reload = this.#reloads.then(async () => {
      this.#isReloadDue = false;
      if (this.#signalled) throw new ServeError("the plugins are being stopped");
      notifyManager("RELOADING=1");
      try {
        const { file, loaded } = await this.#load();
        this.#host.limitLines(file.lines);
        const changes = await this.#plugins.apply(loaded);
        this.#log.say(`reloaded: ${changesText(changes)}`);
        return changes;
      } finally {
        notifyManager("READY=1");
        this.#endIfAllAreDown();
      }
    });
    this.#reloads = reload.catch(() => undefined);
    return reload;
  }

  async #reloadAndReport(): Promise<void> {
    if (this.#isReloadDue) return;
    try {
      await this.#reload();
    } catch (error) {
      if (!(error instanceof ServeFileError || error instanceof ServeError)) throw error;
      this.#log.say(`not reloaded, nothing has changed: ${error.message}`);
    }
  }

  /** @throws ServeError */
  #openControl(path: string | undefined): ControlServer {
    try {
      return path === undefined ? new ControlServer(this) : new ControlServer(this, resolve(path));
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (!(error instanceof OSError) && code !== "ERR_STATS_DIRECTORY") throw error;
      const isServed = code === "EADDRINUSE" && (path === undefined || !isOtherFile(path));
      const known = error instanceof OSError ? addressTrouble(error, path) : message;
      const trouble = isServed ? "another process answers there" : known;
      throw new ServeError(`cannot open the control socket${path === undefined ? "" : ` ${path}`}: ${trouble}`);
    }
  }

  /** For `wasyncore top`. Without them everything else goes on. */
  #openStatistics(): StatsServer | undefined {
    try {
      return serveStatsAlone();
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (!(error instanceof OSError) && code !== "ERR_STATS_DIRECTORY") throw error;
      this.#log.say(`no statistics for wasyncore top: ${message}`);
      return undefined;
    }
  }

  /** They end with the host. @throws ServeError */
  async #openMetrics(address: string | undefined): Promise<void> {
    if (address === undefined) return;
    try {
      const metrics = await serveMetrics(this.#host, address);
      this.#log.say(`metrics and health on ${addressText(metrics.address)}`);
    } catch (error) {
      if (this.#signalled) return;
      if (error instanceof PluginError || !(error instanceof Error && "code" in error)) throw error;
      const path = parseAddress(address)?.path;
      // libuv has EACCES where there is no directory for a Unix socket.
      const isHomeless = path !== undefined && !existsSync(dirname(path));
      const { code, message } = error as NodeJS.ErrnoException;
      const trouble = addressTrouble({ code: isHomeless ? "ENOENT" : code, message }, path);
      throw new ServeError(`cannot serve metrics on ${address}: ${trouble}`, { cause: error });
    }
  }

  #stop(signal: keyof typeof SIGNALS): void {
    if (this.#signalled) {
      this.#log.say(`${signal} again: ending at once`);
      void this.#host.close({ timeoutMs: 0 });
      this.#over.resolve(SIGNALS[signal]);
      return;
    }
    this.#signalled = true;
    this.#log.say(`${signal}: stopping`);
    notifyManager("STOPPING=1");
    void this.#host.close().then(() => this.#over.resolve(signal === "SIGHUP" ? SIGNALS.SIGHUP : 0));
  }

  #endIfAllAreDown(): void {
    const { isOver, isFailure } = this.#plugins.ending;
    if (!isOver || this.#signalled || this.#options.watch) return;
    this.#isOver = true;
    this.#log.say("all plugins are down");
    this.#over.resolve(isFailure ? EXIT_FAILED : 0);
  }
}

function listedLine({ name, module, isStopped, snapshot }: ListedPlugin): ListedLine {
  const { state = isStopped ? "stopped" : "starting", run = "", listeners = [], connections = 0 } = snapshot ?? {};
  const { restarts = 0, replacements = 0, uptimeMs = 0, cpuMs = 0, memoryBytes = 0, lastEnding } = snapshot ?? {};
  return {
    ...{ name, state, module, run, listeners: listeners.map(listenerText), connections, restarts, replacements },
    ...{ uptimeMs, cpuMs, memoryBytes },
    ...(lastEnding === undefined ? {} : { lastEnding: firstLine(endingText(lastEnding)) }),
  };
}

/** All that is known of a plugin, as JSON has it. */
function statistics({ name, module, isStopped, snapshot }: ListedPlugin): object {
  if (snapshot === undefined) return { name, module, state: isStopped ? "stopped" : "starting" };
  const { lastEnding, listeners, ...rest } = snapshot;
  const ending = lastEnding === undefined ? undefined : { kind: lastEnding.kind, text: endingText(lastEnding) };
  return { ...rest, module, listeners: listeners.map(listenerText), lastEnding: ending };
}

function startedText({ started, failed }: Changes): string {
  const up = `${counted(started, "plugin")} up`;
  return failed === 0 ? up : `${up}, ${failed} not up yet`;
}

function changesText(changes: Changes): string {
  const parts = Object.entries(changes).filter(([, number]) => (number as number) > 0);
  return parts.length === 0 ? "nothing to do" : parts.map(([what, number]) => `${number} ${what}`).join(", ");
}

/** Is a standard stream a terminal, and is that still there? */
function hasTerminal(): boolean {
  return isatty(0) || isatty(1) || isatty(2);
}

function firstLine(text: string): string {
  return text.split("\n")[0] ?? "";
}
