/** Owns what every open file of a simulated host has: its descriptors, its readiness, and who watches it. */

import { constants } from "node:os";
import { Ready } from "../backend/backend.js";
import type { Inode } from "./inode.js";

/** The platform's numbers, as in every backend. */
export const E = constants.errno;

/** One that is notified when the readiness of a file may have changed. */
export interface Watcher {
  changed(): void;
}

export const ALWAYS = Ready.READ | Ready.WRITE;

export abstract class SimFile {
  /** How many descriptors it has. */
  references = 0;
  isNonBlocking = true;
  isAlwaysReady = false;
  isSocket = false;
  /** Of a socket, undefined until somebody asks for it. */
  inode: Inode | undefined;
  readonly #watchers: Watcher[] = [];

  /** All bits of {@link Ready} that it has. */
  abstract ready(): number;
  /** Its last descriptor is closed. */
  abstract release(): void;
  /** Its host crashed: it is gone without a word. */
  abandon(): void {}

  /** The pending error as -errno, which is taken; or 0. */
  takeError(): number {
    return 0;
  }

  /** How many bytes can be read; -1 where nobody knows. */
  readableBytes(): number {
    return -1;
  }

  watch(watcher: Watcher): void {
    this.#watchers.push(watcher);
  }

  unwatch(watcher: Watcher): void {
    const at = this.#watchers.indexOf(watcher);
    if (at >= 0) this.#watchers.splice(at, 1);
  }

  changed(): void {
    const watchers = this.#watchers;
    for (let i = 0; i < watchers.length; i++) watchers[i]?.changed();
  }
}
