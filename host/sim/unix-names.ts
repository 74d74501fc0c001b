/** Owns the names of a simulated host's Unix sockets: paths in its tree, and abstract names. Knows no socket but by what is bound. */

import type { SocketType } from "../backend/backend.js";
import { E, type SimFile } from "./file.js";
import type { SocketInode } from "./nodes.js";
import type { FileTree } from "./tree.js";

export class UnixNames {
  readonly #tree: FileTree;
  /** By the type of the socket and the name: a stream and a datagram socket may have the same one. */
  readonly #abstract = new Map<string, SimFile>();
  readonly #bound = new Map<SimFile, SocketInode>();
  #named = 0;

  constructor(tree: FileTree) {
    this.#tree = tree;
  }

  /** Gives a socket a name; the empty one is a free abstract name. @returns the name, or -errno */
  bind(path: string, socket: SimFile, type: SocketType): string | number {
    if (path === "" || path.startsWith("\0")) {
      const name = path === "" ? `\0${(this.#named++).toString(16).padStart(5, "0")}` : path;
      const key = type + name;
      if (this.#abstract.has(key)) return -E.EADDRINUSE;
      this.#abstract.set(key, socket);
      return name;
    }
    const inode = this.#tree.bindSocket(path, socket);
    if (typeof inode === "number") return inode;
    this.#bound.set(socket, inode);
    return path;
  }

  /** The socket is closed. Its path stays, and refuses connections. */
  release(name: string, socket: SimFile, type: SocketType): void {
    if (this.#abstract.get(type + name) === socket) this.#abstract.delete(type + name);
    const inode = this.#bound.get(socket);
    if (inode === undefined) return;
    inode.socket = undefined;
    this.#bound.delete(socket);
  }

  /** @returns -ECONNREFUSED, -ENOENT */
  at(path: string, type: SocketType): SimFile | number {
    if (path.startsWith("\0")) return this.#abstract.get(type + path) ?? -E.ECONNREFUSED;
    if (path === "") return -E.EINVAL;
    const inode = this.#tree.socketAt(path);
    return typeof inode === "number" ? inode : (inode?.socket ?? -E.ECONNREFUSED);
  }

  /** The host crashed: files stay, and sockets have no owner. */
  forgetAll(): void {
    this.#abstract.clear();
    for (const inode of this.#bound.values()) inode.socket = undefined;
    this.#bound.clear();
  }
}
