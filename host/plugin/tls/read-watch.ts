/** Owns watching one descriptor for input on the host's own event loop. Knows nothing of what it is. */

import { type Backend, type PollSet, Ready, type Watch } from "../../backend/backend.js";

/** Does not keep the process alive. Begins switched off. */
export class ReadWatch {
  readonly #fd: number;
  readonly #onReadable: () => void;
  readonly #set: PollSet;
  readonly #watch: Watch;
  #isOn = false;
  #isClosed = false;

  constructor(backend: Backend, fd: number, onReadable: () => void) {
    this.#fd = fd;
    this.#onReadable = onReadable;
    this.#set = backend.createPollSet();
    this.#watch = this.#set.watch(this.#onReady);
    this.#watch.setReferenced(false);
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  set(on: boolean): void {
    if (this.#isClosed || on === this.#isOn) return;
    this.#isOn = on;
    this.#set.update(this.#fd, on ? Ready.READ : 0);
  }

  /** To be called before the descriptor is closed. */
  close(): void {
    if (this.#isClosed) return;
    this.set(false);
    this.#isClosed = true;
    this.#watch.stop();
    this.#set.close();
  }

  readonly #onReady = (): void => {
    if (!this.#isClosed && this.#set.wait(0) > 0) this.#onReadable();
  };
}
