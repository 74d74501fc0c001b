/**
 * Owns noticing that files have changed: looks at them now and then, and reports when nothing has changed for a moment. Knows
 * paths; knows no plugin.
 *
 * It looks instead of being notified: so it sees a file that is replaced by a rename, a symbolic link that leads elsewhere,
 * and one on a network, all the same way.
 */

import { stat } from "node:fs/promises";

/** Between two looks. What is the same at two of them has settled. */
const LOOK_MS = 200;
/** So many looks a file may be missing: it is about to be written. */
const MISSING_LOOKS = 10;

/** Calls back when files have changed, and have stayed the same for a moment afterwards. */
export class FileWatch implements Disposable {
  readonly #onChange: () => void;
  readonly #seen = new Map<string, string>();
  #paths: readonly string[] = [];
  #timer: NodeJS.Timeout | undefined;
  #hasChanged = false;
  /** Looks since the last change. */
  #quietLooks = 0;
  #isClosed = false;

  /** @param onChange must not throw */
  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  /** Watches these files, and no others. Resolves when it knows what those that are new are now: whoever reads them does so afterwards. */
  async set(paths: Iterable<string>): Promise<void> {
    this.#paths = [...new Set(paths)];
    for (const path of this.#seen.keys()) if (!this.#paths.includes(path)) this.#seen.delete(path);
    const added = this.#paths.filter((path) => !this.#seen.has(path));
    const signatures = await Promise.all(added.map(signatureOf));
    for (const [index, path] of added.entries()) this.#seen.set(path, signatures[index] ?? "");
    if (this.#paths.length > 0) this.#arm();
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #arm(): void {
    if (this.#isClosed || this.#timer !== undefined) return;
    // It does not keep the process going.
    this.#timer = setTimeout(() => void this.#look(), LOOK_MS).unref();
  }

  async #look(): Promise<void> {
    const paths = this.#paths;
    const signatures = await Promise.all(paths.map(signatureOf));
    if (this.#isClosed) return;
    this.#quietLooks++;
    for (const [index, path] of paths.entries()) {
      const signature = signatures[index] ?? "";
      const before = this.#seen.get(path);
      if (before === undefined || before === signature) continue;
      this.#seen.set(path, signature);
      this.#quietLooks = 0;
      this.#hasChanged = true;
    }
    const isSettled = this.#quietLooks > 0 && (!signatures.includes("") || this.#quietLooks > MISSING_LOOKS);
    if (this.#hasChanged && isSettled) {
      this.#hasChanged = false;
      this.#onChange();
    }
    this.#timer = undefined;
    if (this.#paths.length > 0) this.#arm();
  }
}

/** What changes when the file does; "" where there is none. */
async function signatureOf(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    return [dev, ino, size, mtimeNs, ctimeNs].join(" ");
  } catch {
    return "";
  }
}
