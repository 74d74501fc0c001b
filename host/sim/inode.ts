/**
 * Owns what every file of a simulated host has, whether it has a name or not: its number, its permissions, its times and
 * how many names it has. Knows no content and no name.
 */

import type { FileKind, FileStatus, FileTime } from "../backend/backend.js";

/** Permissions of the owner, who is the only user of a host. */
export const Permission = { READ: 4, WRITE: 2, SEARCH: 1 } as const;

/** After so long, a read sets the time of access although nothing has changed: Linux's relatime. */
const ACCESS_IS_OLD_NS = 24n * 3_600_000_000_000n;

/** Where the inodes of a host are numbered, and the clock by which their times are set. */
export class Volume {
  /** Nanoseconds since 1970. */
  readonly nowNs: () => bigint;
  #last = 0n;

  constructor(nowNs: () => bigint) {
    this.nowNs = nowNs;
  }

  nextNumber(): bigint {
    this.#last += 1n;
    return this.#last;
  }
}

export class Inode {
  readonly kind: FileKind;
  readonly volume: Volume;
  readonly number: bigint;
  /** How many names it has. */
  links = 1;
  readonly #permissions: number;
  #accessedNs: bigint;
  #modifiedNs: bigint;
  #changedNs: bigint;

  /** @param mode the low twelve bits of st_mode. @param timeNs of access, modification and change */
  constructor(kind: FileKind, volume: Volume, mode = 0o600, timeNs = volume.nowNs()) {
    this.kind = kind;
    this.volume = volume;
    this.number = volume.nextNumber();
    this.#permissions = (mode >> 6) & 7;
    this.#accessedNs = timeNs;
    this.#modifiedNs = timeNs;
    this.#changedNs = timeNs;
  }

  get size(): number {
    return 0;
  }

  /** @param permissions bits of {@link Permission} */
  allows(permissions: number): boolean {
    return (this.#permissions & permissions) === permissions;
  }

  status(): FileStatus {
    return {
      kind: this.kind,
      device: this.kind === "pipe" || this.kind === "socket" ? 2n : 1n,
      inode: this.number,
      links: BigInt(this.links),
      size: BigInt(this.size),
      accessedNs: this.#accessedNs,
      modifiedNs: this.#modifiedNs,
      changedNs: this.#changedNs,
    };
  }

  wasRead(): void {
    const now = this.volume.nowNs();
    const accessed = this.#accessedNs;
    if (accessed <= this.#modifiedNs || accessed <= this.#changedNs || now - accessed >= ACCESS_IS_OLD_NS) {
      this.#accessedNs = now;
    }
  }

  wasModified(): void {
    this.#modifiedNs = this.volume.nowNs();
    this.#changedNs = this.#modifiedNs;
  }

  /** Its names, or something else of its status. */
  wasChanged(): void {
    this.#changedNs = this.volume.nowNs();
  }

  setTimes(accessed: FileTime, modified: FileTime): void {
    if (accessed === "keep" && modified === "keep") return;
    const now = this.volume.nowNs();
    if (accessed !== "keep") this.#accessedNs = accessed === "now" ? now : accessed;
    if (modified !== "keep") this.#modifiedNs = modified === "now" ? now : modified;
    this.#changedNs = now;
  }
}
