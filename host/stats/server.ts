/**
 * Owns `serveStats`: a channel that listens on a Unix socket and answers each line with a report. Knows reports and where
 * the socket is; leaves what to do with a report to those who ask.
 *
 * Its channels do not keep a loop going. Callbacks are timed only while somebody is connected. A peer costs little,
 * whatever it does: a report is made at most every {@link REPORT_MS}, none is queued behind another, and further peers than
 * {@link CLIENTS_MAX} are turned away.
 */

import { rmSync } from "node:fs";
import { resolve } from "node:path";
import { threadId } from "node:worker_threads";
import { checkArray, checkInstance, checkOptions, checkString } from "../backend/check.js";
import { ChannelMap, backendOf, schedulerOf, defaultMap } from "../loop/channel-map.js";
import type { Channel } from "../loop/channel.js";
import { Dispatcher } from "../handlers/dispatcher.js";
import { DispatcherWithSend } from "../handlers/dispatcher-with-send.js";
import { openListener } from "../net/listen.js";
import type { Socket } from "../net/socket.js";
import { makeStatsDirectory, socketPath } from "./place.js";
import { PluginReporter } from "./plugins.js";
import { MapReporter, reportOf } from "./report.js";

/** A report is repeated to everybody who asks within this time. */
const REPORT_MS = 100;
const CLIENTS_MAX = 8;
const SOCKET_MODE = 0o600;

/** Options of {@link serveStats}. */
export interface ServeStatsOptions {
  /** The map whose loop serves the statistics; default `socketMap`. */
  readonly map?: ChannelMap | undefined;
  /** The maps that are reported; default: that one. */
  readonly maps?: readonly ChannelMap[] | undefined;
  /** The path of the Unix socket; by default one for each process, which `wasyncore top --pid` finds. */
  readonly path?: string | undefined;
}

/** What {@link serveStats} returns. */
export interface StatsServer {
  /** The path of the Unix socket. */
  readonly path: string;
  /** Stops serving, and removes the socket. Safe to call again. */
  close(): void;
  /** The same, for `using`. */
  [Symbol.dispose](): void;
}

/**
 * Serves the statistics of this process to `wasyncore top`, on a Unix socket that only the user may open. It is answered by
 * the loop that runs on the map, `loopSync` included, and does not keep it going. The socket is removed when the process
 * ends; one that a killed process has left is removed by `wasyncore top`.
 * @example
 * const server = serveStats();
 * await loop(); // meanwhile, in a shell: npx wasyncore top
 * server.close();
 * @throws OSError: EADDRINUSE if it is served already, EACCES, ...; Error ERR_STATS_DIRECTORY
 */
export function serveStats(options: ServeStatsOptions = {}): StatsServer {
  checkOptions("options", options, ["map", "maps", "path"]);
  const { map = defaultMap(), maps = [map], path = defaultPath() }: ServeStatsOptions = options;
  checkInstance("options.map", map, ChannelMap);
  checkArray("options.maps", maps);
  for (const each of maps) checkInstance("options.maps", each, ChannelMap);
  checkString("options.path", path);
  if (path === "" || path.includes("\0")) {
    const message = `"options.path" must be the path of a Unix socket, got ${JSON.stringify(path)}`;
    throw Object.assign(new TypeError(message), { code: "ERR_INVALID_ARG_VALUE" });
  }
  // A program may change its directory before the socket is removed.
  return new StatsListener(resolve(path), map, maps);
}

function defaultPath(): string {
  return socketPath(makeStatsDirectory(), process.pid, threadId);
}

class StatsListener extends Dispatcher implements StatsServer {
  readonly path: string;
  readonly #scheduler = schedulerOf(this.map);
  readonly #maps: readonly ChannelMap[];
  readonly #clients = new Set<StatsClient>();
  #reporters: readonly MapReporter[] = [];
  #plugins = new PluginReporter();
  #report = "";
  #reportedMs = -Infinity;
  #isOpen = false;

  constructor(path: string, map: ChannelMap, maps: readonly ChannelMap[]) {
    super(undefined, map);
    this.path = path;
    this.#maps = maps;
    this.setSocket(openListener({ path }, backendOf(map), SOCKET_MODE));
    this.#isOpen = true;
    this.#scheduler.unreferenced += 1;
    process.on("exit", this.#remove);
  }

  override handleAccepted(socket: Socket): void {
    if (this.#clients.size >= CLIENTS_MAX) {
      socket.close();
      return;
    }
    if (this.#clients.size === 0) this.#reporters = this.#maps.map((map) => new MapReporter(map, isOwn));
    this.#clients.add(new StatsClient(socket, this));
  }

  /** A report, as a line. */
  report(): string {
    const nowMs = performance.now();
    if (nowMs - this.#reportedMs >= REPORT_MS) {
      this.#report = `${JSON.stringify(reportOf(this.#reporters, this.#plugins))}\n`;
      this.#reportedMs = nowMs;
    }
    return this.#report;
  }

  /** A client has closed. */
  left(client: StatsClient): void {
    if (!this.#clients.delete(client) || this.#clients.size > 0) return;
    for (const reporter of this.#reporters) reporter.close();
    this.#reporters = [];
    this.#plugins = new PluginReporter();
    this.#report = "";
    this.#reportedMs = -Infinity;
  }

  override close(): void {
    super.close();
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#scheduler.unreferenced -= 1;
    process.off("exit", this.#remove);
    this.#remove();
    for (const client of this.#clients) client.close();
  }

  readonly #remove = (): void => rmSync(this.path, { force: true });
}

class StatsClient extends DispatcherWithSend {
  readonly #scheduler = schedulerOf(this.map);
  readonly #listener: StatsListener;
  #isOpen = true;

  constructor(socket: Socket, listener: StatsListener) {
    super(socket, listener.map);
    this.#listener = listener;
    this.#scheduler.unreferenced += 1;
  }

  override handleRead(): void {
    const asked = this.recv(65_536).includes(0x0a);
    // A peer that asks without reading gets no further report.
    if (asked && this.fd >= 0 && this.outBufferLength === 0) this.send(Buffer.from(this.#listener.report()));
  }

  override handleClose(): void {
    this.close();
  }

  override close(): void {
    super.close();
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#scheduler.unreferenced -= 1;
    this.#listener.left(this);
  }
}

function isOwn(channel: Channel): boolean {
  return channel instanceof StatsListener || channel instanceof StatsClient;
}
