/** Owns what is known of the descriptors that are open, for a snapshot. Knows the seam's calls; calls none. */

import type { RecordedCall } from "./calls.js";

/** A descriptor as a snapshot has it. */
export interface OpenDescriptor {
  /** The call that made it: "accept", "socket", ... */
  readonly by: string;
  readonly local?: unknown;
  readonly remote?: unknown;
  readonly isListening?: boolean;
}

export class OpenDescriptors {
  readonly all = new Map<number, OpenDescriptor>();

  /** A call was made. Costs something where descriptors come and go alone. */
  note(by: RecordedCall, [fd, argument]: readonly unknown[], result: unknown): void {
    switch (by) {
      case "accept": {
        if (typeof result !== "object" || result === null) return;
        const { fd: accepted, address } = result as { fd: number; address: unknown };
        this.all.set(accepted, { by, remote: address });
        return;
      }
      case "socketPair":
      case "pipe":
        if (Array.isArray(result)) for (const each of result as number[]) this.all.set(each, { by });
        return;
      case "receiveDescriptors":
        for (const each of (result as { descriptors?: number[] }).descriptors ?? []) this.all.set(each, { by });
        return;
      case "socket":
      case "duplicate":
      case "openBeneath":
        if (Number(result) >= 0) this.all.set(Number(result), { by });
        return;
      case "adopt":
        if (result === 0 && !this.all.has(Number(fd))) this.all.set(Number(fd), { by });
        return;
      case "bind":
        return this.#add(fd, result, { local: argument });
      case "connect":
        return this.#add(fd, result, { remote: argument });
      case "listen":
        return this.#add(fd, result, { isListening: true });
      case "localAddress":
        return this.#add(fd, 0, typeof result === "object" ? { local: result } : {});
      case "close":
      case "release":
        this.all.delete(Number(fd));
        return;
      default:
    }
  }

  #add(fd: unknown, result: unknown, more: Partial<OpenDescriptor>): void {
    const known = this.all.get(Number(fd));
    // A connect that is under way is -EINPROGRESS.
    if (known !== undefined && (result === 0 || more.remote !== undefined)) {
      this.all.set(Number(fd), { ...known, ...more });
    }
  }
}
