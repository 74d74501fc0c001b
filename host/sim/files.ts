/**
 * Owns the files of a simulated host: a tree in memory with directories, regular files and the paths of Unix sockets.
 * There are no symbolic links and no permissions. Knows no socket but by what is bound.
 */

import { copyOf, copyTo } from "../backend/bytes.js";
import { lengthOf, roomOf } from "./bytes.js";
import { ALWAYS, E, SimFile } from "./file.js";

class FileNode {
  bytes: Uint8Array = new Uint8Array(0);
}

class SocketNode {
  /** undefined once it is closed: the path stays. */
  socket: SimFile | undefined;

  constructor(socket: SimFile) {
    this.socket = socket;
  }
}

class DirectoryNode {
  readonly entries = new Map<string, Node>();
}

type Node = FileNode | DirectoryNode | SocketNode;

/** open(2), in Linux's numbering, which a simulated host has on every platform. */
export const Open = {
  WRITE: 1,
  READ_WRITE: 2,
  CREATE: 0o100,
  EXCLUSIVE: 0o200,
  TRUNCATE: 0o1000,
  APPEND: 0o2000,
  DIRECTORY: 0o200000,
} as const;

export class OpenDirectory extends SimFile {
  readonly node: DirectoryNode;

  constructor(node: DirectoryNode) {
    super();
    this.node = node;
    this.isAlwaysReady = true;
  }

  ready(): number {
    return ALWAYS;
  }

  release(): void {}
}

export class OpenFile extends SimFile {
  readonly #node: FileNode;
  readonly #flags: number;
  #at = 0;

  constructor(node: FileNode, flags: number) {
    super();
    this.#node = node;
    this.#flags = flags;
    this.isAlwaysReady = true;
  }

  ready(): number {
    return ALWAYS;
  }

  release(): void {}

  read(target: Uint8Array, most: number): number {
    if ((this.#flags & 3) === Open.WRITE) return -E.EBADF;
    const part = this.#take(most);
    copyTo(target, part);
    return part.length;
  }

  take(most: number): Uint8Array | number {
    return (this.#flags & 3) === Open.WRITE ? -E.EBADF : this.#take(most);
  }

  #take(most: number): Uint8Array {
    const { bytes } = this.#node;
    const part = copyOf(bytes, Math.max(0, Math.min(most, bytes.length - this.#at)), this.#at);
    this.#at += part.length;
    return part;
  }

  write(data: Uint8Array): number {
    if ((this.#flags & 3) === 0) return -E.EBADF;
    const node = this.#node;
    if ((this.#flags & Open.APPEND) !== 0) this.#at = node.bytes.length;
    const length = lengthOf(data);
    const end = this.#at + length;
    if (end > node.bytes.length) {
      const larger = new Uint8Array(end);
      larger.set(node.bytes);
      node.bytes = larger;
    }
    copyTo(node.bytes, copyOf(data, roomOf(data, length)), this.#at);
    this.#at = end;
    return length;
  }
}

export class FileTree {
  readonly #root = new DirectoryNode();
  readonly #abstract = new Map<string, SimFile>();
  #named = 0;

  /** Opens a path beneath a directory. @returns -EXDEV for one that leads out of it */
  open(directory: DirectoryNode, path: string, flags: number): SimFile | number {
    if (path.startsWith("/")) return -E.EXDEV;
    if (path === "" || path.includes("\0")) return path === "" ? -E.ENOENT : -E.EINVAL;
    const above: DirectoryNode[] = [];
    let at: DirectoryNode = directory;
    const names = path.split("/").filter((name) => name !== "" && name !== ".");
    for (const [index, name] of names.entries()) {
      if (name === "..") {
        const parent = above.pop();
        if (parent === undefined) return -E.EXDEV;
        at = parent;
        continue;
      }
      const node = at.entries.get(name);
      const isLast = index === names.length - 1;
      if (isLast && !(node instanceof DirectoryNode)) return openIn(at, name, node, flags);
      if (node === undefined) return -E.ENOENT;
      if (!(node instanceof DirectoryNode)) return -E.ENOTDIR;
      above.push(at);
      at = node;
    }
    if ((flags & Open.CREATE) !== 0 && (flags & Open.EXCLUSIVE) !== 0) return -E.EEXIST;
    return (flags & 3) === 0 ? new OpenDirectory(at) : -E.EISDIR;
  }

  /** Opens an absolute path. */
  openPath(path: string, flags: number): SimFile | number {
    return this.open(this.#root, path.replace(/^\/+/, "") || ".", flags);
  }

  /** Makes a file with its directories, or replaces what it holds. @returns 0, or -errno */
  write(path: string, bytes: Uint8Array): number {
    const names = path.split("/").filter((name) => name !== "");
    const name = names.pop();
    const directory = this.#make(names);
    if (name === undefined || directory === undefined) return name === undefined ? -E.EISDIR : -E.ENOTDIR;
    const node = directory.entries.get(name) ?? new FileNode();
    if (!(node instanceof FileNode)) return node instanceof DirectoryNode ? -E.EISDIR : -E.ENXIO;
    node.bytes = copyOf(bytes, lengthOf(bytes));
    directory.entries.set(name, node);
    return 0;
  }

  /** What a file holds; undefined where there is none. */
  read(path: string): Uint8Array | undefined {
    const node = this.#find(path);
    return node instanceof FileNode ? copyOf(node.bytes, node.bytes.length) : undefined;
  }

  /** @returns 0, or -errno */
  unlink(path: string): number {
    const names = path.split("/").filter((name) => name !== "");
    const name = names.pop() ?? "";
    const directory = this.#find(names.join("/"));
    if (!(directory instanceof DirectoryNode)) return -E.ENOENT;
    if (directory.entries.get(name) instanceof DirectoryNode) return -E.EISDIR;
    return directory.entries.delete(name) ? 0 : -E.ENOENT;
  }

  /** Gives a socket a path; the empty one is a free abstract name. @returns the path, or -errno */
  bindSocket(path: string, socket: SimFile): string | number {
    if (path === "" || path.startsWith("\0")) {
      const name = path === "" ? `\0${(this.#named++).toString(16).padStart(5, "0")}` : path;
      if (this.#abstract.has(name)) return -E.EADDRINUSE;
      this.#abstract.set(name, socket);
      return name;
    }
    const names = path.split("/").filter((name) => name !== "");
    const name = names.pop();
    // A relative path is one from the root; directories are made, since most programs put sockets into /tmp or /run.
    const directory = this.#make(names);
    if (name === undefined || directory === undefined) return -E.ENOTDIR;
    if (directory.entries.has(name)) return -E.EADDRINUSE;
    directory.entries.set(name, new SocketNode(socket));
    return path;
  }

  /** The socket is closed. Its path stays, and refuses connections. */
  releaseSocket(path: string, socket: SimFile): void {
    if (this.#abstract.get(path) === socket) this.#abstract.delete(path);
    const node = path.startsWith("\0") ? undefined : this.#find(path);
    if (node instanceof SocketNode && node.socket === socket) node.socket = undefined;
  }

  /** @returns -ECONNREFUSED, -ENOENT */
  socketAt(path: string): SimFile | number {
    if (path.startsWith("\0")) return this.#abstract.get(path) ?? -E.ECONNREFUSED;
    const node = this.#find(path);
    if (node === undefined || path === "") return path === "" ? -E.EINVAL : -E.ENOENT;
    return (node instanceof SocketNode ? node.socket : undefined) ?? -E.ECONNREFUSED;
  }

  /** The host crashed: files stay, sockets are nobody's. */
  forgetSockets(): void {
    this.#abstract.clear();
    const visit = (directory: DirectoryNode): void => {
      for (const node of directory.entries.values()) {
        if (node instanceof DirectoryNode) visit(node);
        else if (node instanceof SocketNode) node.socket = undefined;
      }
    };
    visit(this.#root);
  }

  #find(path: string): Node | undefined {
    let node: Node | undefined = this.#root;
    for (const name of path.split("/")) {
      if (name === "" || name === ".") continue;
      node = node instanceof DirectoryNode ? node.entries.get(name) : undefined;
    }
    return node;
  }

  #make(names: readonly string[]): DirectoryNode | undefined {
    let at = this.#root;
    for (const name of names) {
      const node = at.entries.get(name) ?? new DirectoryNode();
      if (!(node instanceof DirectoryNode)) return undefined;
      at.entries.set(name, node);
      at = node;
    }
    return at;
  }
}

function openIn(directory: DirectoryNode, name: string, node: Node | undefined, flags: number): SimFile | number {
  if (node instanceof SocketNode) return -E.ENXIO;
  if (node === undefined && (flags & Open.CREATE) === 0) return -E.ENOENT;
  if (node !== undefined && (flags & (Open.CREATE | Open.EXCLUSIVE)) === (Open.CREATE | Open.EXCLUSIVE))
    return -E.EEXIST;
  if ((flags & Open.DIRECTORY) !== 0) return -E.ENOTDIR;
  const file = node instanceof FileNode ? node : new FileNode();
  directory.entries.set(name, file);
  if ((flags & Open.TRUNCATE) !== 0 && (flags & 3) !== 0) file.bytes = new Uint8Array(0);
  return new OpenFile(file, flags);
}
