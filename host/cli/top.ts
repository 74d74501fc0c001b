/**
 * Owns `wasyncore top`: finds the socket of a process that serves its statistics, asks it for reports, and shows them. It
 * removes sockets of processes that have ended. Leaves the text to top-view; knows no map.
 */

import { rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { type FoundSocket, socketsIn, statsDirectory } from "../stats/place.js";
import type { Report } from "../stats/report.js";
import { parseTop, type TopOptions, USAGE, UsageError } from "./top-options.js";
import { isReport } from "./top-report.js";
import { moved } from "./top-plugins.js";
import { Screen } from "./top-screen.js";
import { view } from "./top-view.js";

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
/** How long a process may take to answer: a callback may keep its loop from answering. */
const ANSWER_MS = 5000;
/** Between `bind` and `listen` a server refuses connections: for how long at most. */
const STARTING_MS = 100;
/** A report has 50 channels of a map, with texts of 200 characters at most. */
const LINE_BYTES_MAX = 4_000_000;
/** Of a `top` that is shown elsewhere than on a terminal. */
const COLUMNS = 160;
const NO_REPORT = "the answer is not a report of this version of wasyncore";

/** What could not be done, in a sentence for the user. */
class TopError extends Error {}

/** Runs `wasyncore top` with the arguments that follow it. @returns the exit status */
export async function topCommand(argv: string[]): Promise<number> {
  try {
    const options = parseTop(argv);
    if (options.help) {
      process.stdout.write(USAGE);
      return 0;
    }
    return await top(options);
  } catch (error) {
    if (error instanceof UsageError) return complain(`${error.message}\nTry "wasyncore top --help".`, EXIT_USAGE);
    if (error instanceof TopError) return complain(error.message, EXIT_FAILED);
    throw error;
  }
}

async function top(options: TopOptions): Promise<number> {
  const stopping = new AbortController();
  const stop = (): void => stopping.abort();
  let ending: NodeJS.Signals | undefined;
  const end = (signal: NodeJS.Signals): void => {
    ending = signal;
    stop();
  };
  // Ctrl-C is how it is left.
  process.once("SIGINT", stop).once("SIGTERM", end).once("SIGHUP", end);
  // What reads the output has ended: head(1), for example.
  process.stdout.on("error", stop);
  // Some terminals do not know their size, and say 0: nothing can be drawn in place there.
  const isLive = !options.once && !options.json && process.stdout.isTTY && process.stdout.columns > 0;
  const reports = new Reports(await find(options));
  const display = new Display(options.plugin, isLive ? stop : undefined);
  try {
    return await show(reports, options, display, stopping.signal);
  } finally {
    reports.close();
    display.close();
    process.off("SIGINT", stop).off("SIGTERM", end).off("SIGHUP", end);
    // As it would have without a terminal to set back.
    if (ending !== undefined) process.kill(process.pid, ending);
  }
}

async function show(
  reports: Reports,
  { once, json, intervalMs }: TopOptions,
  display: Display,
  signal: AbortSignal,
): Promise<number> {
  let before: Report | undefined;
  while (!signal.aborted) {
    const now = await unlessAborted(reports.next(), signal);
    if (now === undefined) {
      if (signal.aborted) return 0;
      const why = before === undefined ? "has ended, or has 8 clients already" : "has ended, or no longer serves";
      return complain(`the process ${why}`, EXIT_FAILED);
    }
    if (json && (before !== undefined || !once)) process.stdout.write(`${JSON.stringify(now)}\n`);
    else if (!json && before !== undefined) display.show(before, now);
    if (once && before !== undefined) return 0;
    before = now;
    await sleep(intervalMs, undefined, { signal }).catch(() => undefined);
  }
  return 0;
}

/** Where reports are shown: printed one after the other, or drawn in place. */
class Display {
  readonly #screen: Screen | undefined;
  #plugin: string | undefined;
  #shown: { readonly before: Report; readonly now: Report } | undefined;

  /** @param onQuit where it is live */
  constructor(plugin: string | undefined, onQuit: (() => void) | undefined) {
    this.#plugin = plugin;
    if (onQuit !== undefined) this.#screen = new Screen({ onQuit, onMove: (by) => this.#move(by) });
  }

  show(before: Report, now: Report): void {
    this.#shown = { before, now };
    const text = view(before, now, { ...viewOptions(this.#screen !== undefined), plugin: this.#plugin });
    if (this.#screen === undefined) process.stdout.write(text);
    else this.#screen.draw(text);
  }

  close(): void {
    this.#screen?.close();
  }

  #move(by: number): void {
    const shown = this.#shown;
    if (shown?.now.plugins === undefined) return;
    this.#plugin = moved(shown.now.plugins, this.#plugin, by);
    this.show(shown.before, shown.now);
  }
}

function viewOptions(isLive: boolean): { columns: number; rows: number; colors: boolean } {
  const { columns = COLUMNS, rows = Infinity, isTTY } = process.stdout;
  const colors = isTTY && (process.env["NO_COLOR"] ?? "") === "" && process.env["TERM"] !== "dumb";
  return { columns: isTTY && columns > 0 ? columns : COLUMNS, rows: isLive ? rows - 1 : Infinity, colors };
}

/** @returns undefined once the signal is aborted */
async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  const over = new AbortController();
  const aborted = new Promise<undefined>((resolve) => {
    signal.addEventListener("abort", () => resolve(undefined), { signal: over.signal });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    // Nothing of this wait stays with the signal.
    over.abort();
  }
}

/** A connection to the process, and the way to describe it. */
interface Found {
  readonly socket: Socket;
  readonly what: string;
}

async function find({ pid, socket: path }: TopOptions): Promise<Found> {
  if (path !== undefined) {
    const socket = await open(path).catch((error: NodeJS.ErrnoException) => {
      const isMissing = error.code === "ENOENT" || error.code === "ECONNREFUSED";
      const problem = isMissing
        ? `nothing serves statistics at ${path}`
        : `cannot connect to ${path}: ${error.code === "EACCES" ? "permission denied: it is for the user that runs the program" : error.message}`;
      throw new TopError(problem, { cause: error });
    });
    return { socket, what: path };
  }
  const found: (FoundSocket & { readonly socket: Socket })[] = [];
  for (const each of socketsIn(statsDirectory())) {
    if (pid !== undefined && each.pid !== pid) continue;
    const socket = await openOrRemove(each);
    if (socket !== undefined) found.push({ ...each, socket });
  }
  const [only, ...others] = found;
  if (only === undefined) throw new TopError(missing(pid));
  if (others.length === 0) return { socket: only.socket, what: `process ${only.pid}` };
  for (const { socket } of found) socket.destroy();
  const list = found.map((each) => `  ${optionsFor(each, pid)}   (process ${each.pid})`).join("\n");
  throw new TopError(`several serve their statistics; choose one:\n${list}`);
}

function missing(pid: number | undefined): string {
  if (pid === undefined) return "no process serves its statistics: a program must call serveStats()";
  const why = isRunning(pid) ? "does not serve its statistics: it must call serveStats()" : "is not running";
  return `process ${pid} ${why}`;
}

/** What chooses this one among several. */
function optionsFor({ path, pid, isThread }: FoundSocket, given: number | undefined): string {
  return isThread || given !== undefined ? `--socket ${path}` : `--pid ${pid}`;
}

function open(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    // As an option: a name such as "8080" would be a port.
    const socket = connect({ path });
    socket.once("connect", () => resolve(socket));
    socket.once("error", reject);
  });
}

/** Connects; removes the socket if its process or its thread has ended. */
async function openOrRemove({ path, pid, isThread }: FoundSocket): Promise<Socket | undefined> {
  const attempt = (): Promise<Socket | string | undefined> =>
    open(path).catch(({ code }: NodeJS.ErrnoException) => code);
  let found = await attempt();
  if (found === "ECONNREFUSED" && isThread && isRunning(pid)) {
    // Of a thread nobody says whether it has ended. One that is starting will have listened by then.
    await sleep(STARTING_MS);
    found = await attempt();
  } else if (found === "ECONNREFUSED" && isRunning(pid)) {
    return undefined;
  }
  if (found === "ECONNREFUSED") rmSync(path, { force: true });
  return typeof found === "object" ? found : undefined;
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** The reports of a process, on request. */
class Reports {
  readonly #socket: Socket;
  readonly #what: string;
  readonly #lines: AsyncIterator<string>;
  #isTooLong = false;

  constructor({ socket, what }: Found) {
    this.#socket = socket;
    this.#what = what;
    // The end of the lines says that it is over.
    socket.on("error", () => undefined);
    let lineBytes = 0;
    socket.on("data", (data: Buffer) => {
      const end = data.lastIndexOf(0x0a);
      lineBytes = end < 0 ? lineBytes + data.length : data.length - end - 1;
      if (lineBytes <= LINE_BYTES_MAX) return;
      this.#isTooLong = true;
      // With an error: the lines do not end otherwise.
      socket.destroy(new TopError(NO_REPORT));
    });
    this.#lines = createInterface({ input: socket })[Symbol.asyncIterator]();
  }

  /** The next report; undefined when the connection has ended. @throws TopError */
  async next(): Promise<Report | undefined> {
    this.#socket.write("\n");
    const late = new AbortController();
    const timeout = sleep(ANSWER_MS, undefined, { signal: late.signal, ref: false }).then(
      () => "late" as const,
      () => "late" as const,
    );
    // A reset, by a server that turns this client away, say, is an end as well.
    const next = this.#lines.next().catch(() => ({ done: true as const, value: undefined }));
    const line = await Promise.race([next, timeout]);
    late.abort();
    if (line === "late") {
      throw new TopError(`${this.#what} does not answer: no loop runs on its map, or a callback keeps it busy`);
    }
    if (this.#isTooLong) throw new TopError(NO_REPORT);
    return line.done === true ? undefined : parse(line.value);
  }

  close(): void {
    this.#socket.destroy();
  }
}

function parse(line: string): Report {
  try {
    const report: unknown = JSON.parse(line);
    if (isReport(report)) return report;
  } catch {
    // Said below.
  }
  throw new TopError(NO_REPORT);
}

function complain(message: string, status: number): number {
  process.stderr.write(`wasyncore: ${message}\n`);
  return status;
}
