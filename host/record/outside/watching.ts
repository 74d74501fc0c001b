/**
 * Owns the hooks in those calls of node:fs that go on for a time: watching, and results that come one by one. Each event or
 * result is recorded as the end of a call. Also those whose result is an object with calls of its own. Knows who answers the
 * hooks; knows no record.
 */

import { AsyncResource } from "node:async_hooks";
import { EventEmitter } from "node:events";
import fs from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { answering, type AnyCall, inside, like, type Outside } from "./answer.js";
import { promised } from "./files.js";

type Calls = Record<string, AnyCall>;

/** What Node gives: it is absent in a replay. */
interface Real {
  ref(): unknown;
  unref(): unknown;
}

/** What a program has for an `fs.FSWatcher` or an `fs.StatWatcher`. */
class Watcher extends EventEmitter {
  real: Real | undefined;
  #isClosed = false;
  readonly #end: () => void;
  readonly #event: string;

  /** @param event that says that it has ended */
  constructor(event: string, end: () => void) {
    super();
    this.#event = event;
    this.#end = end;
  }

  ref(): this {
    this.real?.ref();
    return this;
  }

  unref(): this {
    this.real?.unref();
    return this;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#end();
    process.nextTick(() => this.emit(this.#event));
  }

  stop(): void {
    this.close();
  }

  /** @param start begins to watch; it is given what to call for a change, and for an error */
  begin(
    outside: Outside,
    name: string,
    args: readonly unknown[],
    start: (changed: AnyCall, failed: (error: unknown) => void) => Real,
  ): this {
    let done: Parameters<Parameters<Outside["begin"]>[2]>[0];
    const settle = AsyncResource.bind(({ error, values }: Parameters<typeof done>[0]) => {
      wait();
      if (this.#isClosed) return;
      if (error === undefined) this.emit("change", ...values);
      else this.emit("error", error);
    });
    const perform = (next: typeof done): void => {
      done = next;
      this.real ??= inside(() =>
        start(
          (...values) => done({ values }),
          (error) => done({ error, values: [] }),
        ),
      );
    };
    const wait = (): void => outside.begin(name, args, perform, settle);
    wait();
    return this;
  }
}

function watch(replaced: AnyCall): AnyCall {
  return like(replaced, (...args) => {
    const outside = answering();
    if (outside === undefined) return replaced(...args);
    const given = args.filter((each) => typeof each !== "function");
    const listener = args.find((each) => typeof each === "function") as AnyCall | undefined;
    const watcher = new Watcher("close", () => (watcher.real as fs.FSWatcher | undefined)?.close());
    watcher.begin(outside, "watch", given, (changed, failed) =>
      (replaced(...given) as fs.FSWatcher).on("change", changed).on("error", failed),
    );
    if (listener !== undefined) watcher.on("change", listener);
    const { signal } = Object(given[1]) as { signal?: AbortSignal };
    const onAbort = (): void => watcher.close();
    if (signal?.aborted === true) process.nextTick(onAbort);
    else signal?.addEventListener("abort", onAbort, { once: true });
    watcher.once("close", () => signal?.removeEventListener("abort", onAbort));
    return watcher;
  });
}

/** One for each file, however many listeners it has. */
const watchedFiles = new Map<string, Watcher>();

const pathOf = (file: unknown): string => resolve(file instanceof URL ? fileURLToPath(file) : String(file));

function watchFile(replaced: AnyCall, unwatch: AnyCall): AnyCall {
  return like(replaced, (...args) => {
    const outside = answering();
    const [file, ...rest] = args;
    const listener = rest.find((each) => typeof each === "function") as AnyCall | undefined;
    if (outside === undefined || listener === undefined) return replaced(...args);
    const path = pathOf(file);
    const found = watchedFiles.get(path);
    if (found !== undefined) return found.on("change", listener);
    let notify: AnyCall | undefined;
    const watcher = new Watcher("stop", () => {
      watchedFiles.delete(path);
      if (notify !== undefined) inside(() => unwatch(path, notify));
    });
    watcher.begin(outside, "watchFile", [file, ...rest.filter((each) => each !== listener)], (changed) => {
      notify = changed;
      return replaced(file, typeof rest[0] === "function" ? {} : Object(rest[0]), changed) as Real;
    });
    watchedFiles.set(path, watcher);
    return watcher.on("change", listener);
  });
}

function unwatchFile(replaced: AnyCall): AnyCall {
  return like(replaced, (...args) => {
    const [file, listener] = args;
    const watcher = watchedFiles.get(pathOf(file));
    if (watcher === undefined) return replaced(...args);
    if (typeof listener === "function") watcher.off("change", listener as AnyCall);
    else watcher.removeAllListeners("change");
    if (watcher.listenerCount("change") === 0) watcher.stop();
    return undefined;
  });
}

/** An asynchronous iterator: each of its results is that of a call. */
function iterator(name: string, replaced: AnyCall, pack: AnyCall, unpack: AnyCall): AnyCall {
  return like(replaced, (...args) => {
    const outside = answering();
    return outside === undefined ? replaced(...args) : iterate(outside, args);
  });

  async function* iterate(outside: Outside, args: readonly unknown[]): AsyncGenerator {
    let real: AsyncGenerator | undefined;
    const perform = async (): Promise<unknown> => {
      real ??= replaced(...args) as AsyncGenerator;
      const { done, value } = await real.next();
      return done === true ? [] : [pack(value)];
    };
    try {
      while (true) {
        const found = (await promised(outside, name, args, () => inside(perform))) as readonly unknown[];
        if (found.length === 0) return;
        yield unpack(found[0]);
      }
    } finally {
      await real?.return(undefined);
    }
  }
}

/** The whole file is read at once: a replay has it. */
function openAsBlob(name: string, replaced: AnyCall): AnyCall {
  return like(replaced, (path, options) => {
    const outside = answering();
    if (outside === undefined) return replaced(path, options);
    // Node makes it at once, in either form.
    const bytes = outside.call(name, [path, options], () =>
      inside(() => replaced(path, options) && fs.readFileSync(path as string)),
    );
    const blob = new Blob([bytes as Uint8Array], Object(options) as object);
    return name.endsWith("Sync") ? blob : Promise.resolve(blob);
  });
}

export function installWatching(): void {
  const calls = fs as unknown as Calls;
  const promises = fs.promises as unknown as Calls;
  const { unwatchFile: unwatch } = fs;
  calls["watch"] = watch(fs.watch as AnyCall);
  calls["watchFile"] = watchFile(fs.watchFile as AnyCall, unwatch as AnyCall);
  calls["unwatchFile"] = unwatchFile(unwatch as AnyCall);
  promises["watch"] = iterator(
    "promises.watch",
    fs.promises.watch as AnyCall,
    (event) => Object.values(event as object),
    (event) => {
      const [eventType, filename] = event as readonly unknown[];
      return { eventType, filename };
    },
  );
  const { glob } = promises;
  const same = (value: unknown): unknown => value;
  if (glob !== undefined) promises["glob"] = iterator("promises.glob", glob, same, same);
  for (const name of ["openAsBlob", "openAsBlobSync"]) {
    const replaced = calls[name];
    if (replaced !== undefined) calls[name] = openAsBlob(name, replaced);
  }
}
