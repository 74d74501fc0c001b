/**
 * Owns a component's standard input, output and error as streams. Knows the backend seam.
 *
 * The descriptors are shared with whoever started the host, and may be ones that block: what must not wait looks first.
 */

import { type Backend, Ready } from "../backend/backend.js";
import type { Failed } from "./abi.js";
import type { Poller } from "./polling.js";
import type { Watch } from "./watch.js";
import { CLOSED, failedWith, InputStream, NOTHING, OutputStream, readBuffer, type StreamError } from "./streams.js";

/** A pipe that is ready takes so many bytes without waiting: PIPE_BUF. */
const PIPE_BYTES = process.platform === "linux" ? 4096 : 512;

export class StandardInput extends InputStream {
  readonly interest = Ready.READ;
  readonly watch: Watch;
  readonly #backend: Backend;
  readonly #poller: Poller;
  #isClosed = false;

  constructor(backend: Backend, poller: Poller, watch: Watch) {
    super(undefined);
    this.#backend = backend;
    this.#poller = poller;
    this.watch = watch;
  }

  isImmediate(): boolean {
    return this.#isClosed;
  }

  protected override get isEnded(): boolean {
    return this.#isClosed;
  }

  protected override take(length: number): Uint8Array | Failed<StreamError> {
    if (!this.#poller.isReady(this)) return NOTHING;
    const result = this.#backend.read(this.watch.fd, readBuffer, length);
    if (result > 0) return readBuffer.subarray(0, result);
    const code = result === 0 ? "" : this.#backend.errorCode(result);
    if (code === "EAGAIN" || code === "EWOULDBLOCK") return NOTHING;
    this.#isClosed = true;
    return code === "" ? CLOSED : failedWith(code);
  }

  override release(): void {
    // The descriptor is the host's.
  }
}

export class StandardOutput extends OutputStream {
  readonly interest = Ready.WRITE;
  readonly watch: Watch;
  readonly #backend: Backend;
  readonly #poller: Poller;
  #end: Failed<StreamError> | undefined;

  constructor(backend: Backend, poller: Poller, watch: Watch) {
    super(undefined);
    this.#backend = backend;
    this.#poller = poller;
    this.watch = watch;
  }

  isImmediate(): boolean {
    return this.#end !== undefined;
  }

  override check(): number | Failed<StreamError> {
    if (this.#end !== undefined) return this.#end;
    return this.#poller.isReady(this) ? PIPE_BYTES : 0;
  }

  /** Waits where others have filled the pipe meanwhile. */
  override put(data: Uint8Array): Failed<StreamError> | undefined {
    let rest = data;
    while (rest.length > 0) {
      if (this.#end !== undefined) return this.#end;
      const result = this.#backend.write(this.watch.fd, rest);
      if (result >= 0) {
        rest = rest.subarray(result);
        continue;
      }
      const code = this.#backend.errorCode(result);
      if (code === "EAGAIN" || code === "EWOULDBLOCK") {
        this.#poller.block(this);
        continue;
      }
      this.#end = CLOSED;
      return code === "EPIPE" ? CLOSED : failedWith(code);
    }
    return undefined;
  }

  override flush(): Failed<StreamError> | undefined {
    return this.#end;
  }

  override release(): void {
    // The descriptor is the host's.
  }
}
