/**
 * Owns the calls that make, duplicate and close descriptors, under the limits of a policy. Knows no address and moves no
 * byte.
 */

import type { Accepted, Backend, Family, PollSet, SocketType } from "../../backend/backend.js";
import type { Account } from "./account.js";
import { ForwardingBackend } from "./forwarding.js";
import type { Grants } from "./grants.js";
import { OpenFile, OpenFiles } from "./open-files.js";
import { EACCES, EBADF, EMFILE } from "./refusals.js";

/** How much of a path an event contains. */
const VALUE_MAX = 256;

/** A poll set of the guard, which is notified of what changes the readiness that it withholds. */
export interface GuardedSet extends PollSet {
  /** `fd` is closed: the number may belong to another file from now on. */
  forget(fd: number): void;
  /** A descriptor was closed: there may be room for a connection again. */
  roomMade(): void;
}

export class GuardDescriptors extends ForwardingBackend {
  protected readonly account: Account;
  protected readonly grants: Grants;
  protected readonly files: OpenFiles;
  protected readonly sets = new Set<GuardedSet>();

  constructor(inner: Backend, grants: Grants, account: Account) {
    super(inner);
    this.account = account;
    this.grants = grants;
    this.files = new OpenFiles(account);
  }

  /** What is known of `fd`; undefined where it is not open. One that the host has lent is looked at once. */
  fileOf(fd: number): OpenFile | undefined {
    return this.files.get(fd) ?? this.#learn(fd);
  }

  #learn(fd: number): OpenFile | undefined {
    if (!Number.isInteger(fd) || fd < 0) return undefined;
    const { inner } = this;
    const family = inner.family(fd);
    if (typeof family !== "number") {
      const type = inner.socketType(fd);
      const file = new OpenFile(family, typeof type === "number" ? undefined : type);
      file.isListening = inner.getOption(fd, "SO_ACCEPTCONN") === 1;
      file.isReachable = true;
      return this.files.learn(fd, file);
    }
    return family === EBADF ? undefined : this.files.learn(fd, new OpenFile(undefined, undefined));
  }

  override socket(family: Family, type: SocketType): number {
    return this.#make(() => this.inner.socket(family, type), new OpenFile(family, type));
  }

  override socketPair(type: SocketType): readonly [number, number] | number {
    return this.#makePair(
      () => this.inner.socketPair(type),
      () => new OpenFile("unix", type),
    );
  }

  override pipe(): readonly [readFd: number, writeFd: number] | number {
    return this.#makePair(
      () => this.inner.pipe(),
      () => new OpenFile(undefined, undefined),
    );
  }

  override duplicate(fd: number): number {
    const file = this.fileOf(fd);
    return file === undefined ? this.inner.duplicate(fd) : this.#make(() => this.inner.duplicate(fd), file);
  }

  override openBeneath(directory: number, path: string, flags: number, mode: number): number {
    if (!this.grants.files) {
      this.account.refuse("dirs", path.slice(0, VALUE_MAX));
      return EACCES;
    }
    const open = (): number => this.inner.openBeneath(directory, path, flags, mode);
    return this.#make(open, new OpenFile(undefined, undefined));
  }

  override accept(fd: number): Accepted | number {
    const { account, files } = this;
    const failed = files.take(1);
    if (failed < 0) return failed;
    if (!account.take("maxConnections")) {
      files.give(1);
      return EMFILE;
    }
    const accepted = this.inner.accept(fd);
    if (typeof accepted === "number") {
      files.give(1);
      account.give("maxConnections");
      return accepted;
    }
    // The address says nothing of one that was reset before it was accepted.
    const file = new OpenFile(this.fileOf(fd)?.family ?? "unix", "stream");
    file.isConnection = true;
    files.add(accepted.fd, file);
    account.count("accepted");
    return accepted;
  }

  override adopt(fd: number): number {
    const result = this.inner.adopt(fd);
    const file = result === 0 ? this.fileOf(fd) : undefined;
    if (file === undefined) return result;
    this.files.charge(fd);
    const isConnected = file.isSocket && !file.isDatagram && typeof this.inner.remoteAddress(fd) !== "number";
    if (isConnected && !file.isConnection) {
      file.isConnection = true;
      this.account.charge("maxConnections");
    }
    return result;
  }

  override release(fd: number): number {
    const result = this.inner.release(fd);
    if (result === 0) this.#forget(fd);
    return result;
  }

  override close(fd: number): number {
    const result = this.inner.close(fd);
    this.#forget(fd);
    return result;
  }

  #forget(fd: number): void {
    if (!Number.isInteger(fd) || this.files.get(fd) === undefined) return;
    for (const set of this.sets) set.forget(fd);
    this.files.remove(fd);
    for (const set of this.sets) set.roomMade();
  }

  #make(make: () => number, file: OpenFile): number {
    const failed = this.files.take(1);
    if (failed < 0) return failed;
    const fd = make();
    if (fd < 0) this.files.give(1);
    else this.files.add(fd, file);
    return fd;
  }

  #makePair(make: () => readonly [number, number] | number, file: () => OpenFile): readonly [number, number] | number {
    const failed = this.files.take(2);
    if (failed < 0) return failed;
    const pair = make();
    if (typeof pair === "number") this.files.give(2);
    else for (const fd of pair) this.files.add(fd, file());
    return pair;
  }
}
