/**
 * Owns what the guard knows of the descriptors of a plugin: which open file each stands for, and what that file has taken
 * from the account. Knows no call of the backend.
 */

import type { Family, Linger, SocketType } from "../../backend/backend.js";
import type { Account } from "./account.js";
import { EMFILE, ENOMEM } from "./refusals.js";

/** What the host keeps of a descriptor: its entry here, in the guest's table, in a poll set. */
const DESCRIPTOR_BYTES = 512;

/** An open file; duplicates of a descriptor share it. */
export class OpenFile {
  /** undefined for what is no socket. */
  readonly family: Family | undefined;
  readonly isDatagram: boolean;
  /** Is it a connection of the account? */
  isConnection = false;
  isListening = false;
  /** Was it bound, or handed over by the host, so that others may reach it? */
  isReachable = false;
  /** SO_LINGER as the plugin has set it. The socket itself never lingers: its close would block the thread. */
  linger: Linger | undefined;
  /** What was taken of the account for each socket buffer whose size the plugin has set. */
  readonly bufferBytes = { SO_RCVBUF: 0, SO_SNDBUF: 0 };
  /** How many descriptors stand for it. */
  users = 0;

  constructor(family: Family | undefined, type: SocketType | undefined) {
    this.family = family;
    this.isDatagram = type === "dgram";
  }

  get isSocket(): boolean {
    return this.family !== undefined;
  }

  get isInternet(): boolean {
    return this.family === "IPv4" || this.family === "IPv6";
  }
}

export class OpenFiles {
  readonly #account: Account;
  readonly #byDescriptor: (OpenFile | undefined)[] = [];
  /** Descriptors that the account is charged with. What the plugin was lent is not. */
  readonly #charged = new Set<number>();

  constructor(account: Account) {
    this.#account = account;
  }

  get(fd: number): OpenFile | undefined {
    return this.#byDescriptor[fd];
  }

  isCharged(fd: number): boolean {
    return this.#charged.has(fd);
  }

  /** Takes the room for `count` descriptors. @returns 0 or -errno */
  take(count: number): number {
    const account = this.#account;
    if (!account.take("maxDescriptors", count)) return EMFILE;
    if (account.take("maxHostBytes", count * DESCRIPTOR_BYTES)) return 0;
    account.give("maxDescriptors", count);
    return ENOMEM;
  }

  /** Gives room back that {@link take} took for descriptors that were not made. */
  give(count: number): void {
    this.#account.give("maxDescriptors", count);
    this.#account.give("maxHostBytes", count * DESCRIPTOR_BYTES);
  }

  /** `fd` was made, in room that was taken. */
  add(fd: number, file: OpenFile): void {
    this.#replace(fd, file);
    this.#charged.add(fd);
  }

  /** `fd` is the plugin's from now on, whatever the limit is. */
  charge(fd: number): void {
    if (this.#charged.has(fd)) return;
    this.#charged.add(fd);
    this.#account.charge("maxDescriptors");
    this.#account.charge("maxHostBytes", DESCRIPTOR_BYTES);
  }

  /** `fd` was lent to the plugin. */
  learn(fd: number, file: OpenFile): OpenFile {
    this.#replace(fd, file);
    return file;
  }

  /** `fd` is closed, or no longer the plugin's. */
  remove(fd: number): void {
    const file = this.#byDescriptor[fd];
    if (file === undefined) return;
    this.#byDescriptor[fd] = undefined;
    if (this.#charged.delete(fd)) this.give(1);
    file.users--;
    if (file.users > 0) return;
    if (file.isSocket) this.#account.count("sockets", -1);
    const { SO_RCVBUF, SO_SNDBUF } = file.bufferBytes;
    if (SO_RCVBUF + SO_SNDBUF > 0) this.#account.give("maxHostBytes", SO_RCVBUF + SO_SNDBUF);
    if (file.isConnection) this.#account.give("maxConnections");
  }

  #replace(fd: number, file: OpenFile): void {
    // The number was closed behind the guard's back.
    this.remove(fd);
    this.#byDescriptor[fd] = file;
    file.users++;
    if (file.users === 1 && file.isSocket) this.#account.count("sockets");
  }
}
