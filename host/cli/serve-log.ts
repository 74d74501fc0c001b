/**
 * Owns the lines that `wasyncore serve` writes: to standard error, and to a bounded log of each plugin, which `wasyncore ctl logs`
 * shows. Control characters are not passed on. Knows no plugin but by name.
 */

import { withoutControls } from "../backend/log.js";

/** So many lines of a plugin are kept, and so many characters. */
const LINES_MAX = 1000;
const CHARACTERS_MAX = 262_144;
/** Go's backtraces have tabs. */
const TAB = "    ";

/** "host": what is reported of the plugin; otherwise the stream that it has written to. */
export type LineSource = "host" | "stdout" | "stderr";

export interface LoggedLine {
  readonly atMs: number;
  readonly source: LineSource;
  readonly text: string;
}

class Log {
  readonly lines: LoggedLine[] = [];
  #characters = 0;

  add(line: LoggedLine): void {
    this.lines.push(line);
    this.#characters += line.text.length;
    let count = 0;
    while (this.lines.length - count > LINES_MAX || this.#characters > CHARACTERS_MAX) {
      this.#characters -= this.lines[count]?.text.length ?? 0;
      count++;
    }
    if (count > 0) this.lines.splice(0, count);
  }
}

export class ServeLog {
  readonly #logs = new Map<string, Log>();
  readonly #followers = new Map<string, Set<(line: LoggedLine) => void>>();

  /** About the whole. */
  say(text: string): void {
    for (const line of text.split("\n")) process.stderr.write(`wasyncore: ${withoutControls(line)}\n`);
  }

  /** About a plugin. */
  report(plugin: string, text: string): void {
    this.say(`${plugin}: ${text}`);
    for (const line of text.split("\n")) this.#add(plugin, "host", withoutControls(line));
  }

  /** A line of a plugin: no plugin can write one that looks like the host's. */
  line(plugin: string, source: LineSource, text: string): void {
    const plain = withoutControls(text.replace(/\r$/, "").replaceAll("\t", TAB));
    process.stderr.write(`${plugin} | ${plain}\n`);
    this.#add(plugin, source, plain);
  }

  linesOf(plugin: string): readonly LoggedLine[] {
    return this.#logs.get(plugin)?.lines ?? [];
  }

  /** Calls back with each further line. @returns what ends it */
  follow(plugin: string, onLine: (line: LoggedLine) => void): () => void {
    const followers = this.#followers.get(plugin) ?? new Set();
    this.#followers.set(plugin, followers);
    followers.add(onLine);
    return () => {
      followers.delete(onLine);
      if (followers.size === 0 && this.#followers.get(plugin) === followers) this.#followers.delete(plugin);
    };
  }

  /** A plugin that the file no longer has. */
  forget(plugin: string): void {
    this.#logs.delete(plugin);
  }

  #add(plugin: string, source: LineSource, text: string): void {
    let log = this.#logs.get(plugin);
    if (log === undefined) this.#logs.set(plugin, (log = new Log()));
    const line: LoggedLine = { atMs: Date.now(), source, text };
    log.add(line);
    for (const onLine of this.#followers.get(plugin) ?? []) onLine(line);
  }
}
