/** Owns the files of an FTP server in memory, which outlive a crash of its host. Knows the interface that the server has of files. */

import { posix } from "node:path";
import type { FileHandle, FileStatus } from "../../examples/ftp/beneath.js";
import { FileError, type Files, type WriteAt } from "../../examples/ftp/root.js";

interface Node {
  /** undefined for a directory. */
  data: Buffer | undefined;
}

const failed = (message: string): FileError => new FileError(message);

function statusOf({ data }: Node): FileStatus {
  return {
    isFile: () => data !== undefined,
    isDirectory: () => data === undefined,
    isSymbolicLink: () => false,
    mode: 0o644,
    nlink: 1,
    uid: 0,
    gid: 0,
    size: data?.length ?? 0,
    mtime: new Date(0),
  };
}

export class MemoryFiles implements Files {
  readonly nodes = new Map<string, Node>([["/", { data: undefined }]]);
  /** Files that are open. */
  open = 0;

  resolve(cwd: string, path: string): string {
    return posix.resolve("/", cwd, path);
  }

  async stat(path: string): Promise<FileStatus> {
    return statusOf(this.#node(path));
  }

  async checkDirectory(path: string): Promise<void> {
    if (this.#node(path).data !== undefined) throw failed("not a directory");
  }

  async *list(path: string): AsyncGenerator<{ readonly name: string; readonly stats: FileStatus }> {
    const node = this.#node(path);
    if (node.data !== undefined) yield { name: posix.basename(path), stats: statusOf(node) };
    else for (const [name, found] of this.#in(path)) yield { name, stats: statusOf(found) };
  }

  async openToRead(path: string): Promise<FileHandle> {
    return this.#handle(this.#node(path));
  }

  async openToWrite(path: string, at: WriteAt): Promise<FileHandle> {
    const found = this.nodes.get(path);
    if (found === undefined && !at.append && at.offset > 0) throw failed("no such file or directory");
    const node = found ?? { data: Buffer.alloc(0) };
    if (node.data === undefined) throw failed("is a directory");
    this.#checkParent(path);
    if (!at.append && at.offset === 0) node.data = Buffer.alloc(0);
    this.nodes.set(path, node);
    return this.#handle(node);
  }

  async remove(path: string): Promise<void> {
    if (this.#node(path).data === undefined) throw failed("is a directory");
    this.nodes.delete(path);
  }

  async makeDirectory(path: string): Promise<void> {
    if (this.nodes.has(path)) throw failed("exists already");
    this.#checkParent(path);
    this.nodes.set(path, { data: undefined });
  }

  async removeDirectory(path: string): Promise<void> {
    if (this.#node(path).data !== undefined) throw failed("not a directory");
    if ([...this.#in(path)].length > 0) throw failed("directory not empty");
    this.nodes.delete(path);
  }

  async rename(from: string, to: string): Promise<void> {
    const node = this.#node(from);
    this.#checkParent(to);
    this.nodes.delete(from);
    this.nodes.set(to, node);
  }

  *#in(path: string): Generator<readonly [name: string, node: Node]> {
    for (const [each, node] of this.nodes) {
      if (each !== "/" && posix.dirname(each) === path) yield [posix.basename(each), node];
    }
  }

  #checkParent(path: string): void {
    if (this.#node(posix.dirname(path)).data !== undefined) throw failed("not a directory");
  }

  #node(path: string): Node {
    const node = this.nodes.get(path);
    if (node === undefined) throw failed("no such file or directory");
    return node;
  }

  #handle(node: Node): FileHandle {
    if (node.data === undefined) throw failed("not a plain file");
    this.open += 1;
    let isOpen = true;
    const data = (): Buffer => {
      if (!isOpen) throw new Error("used after its close");
      return node.data ?? Buffer.alloc(0);
    };
    return {
      get stats() {
        return statusOf(node);
      },
      read: async (target, position) => data().copy(target, 0, position),
      write: async (piece, position) => {
        const before = data();
        const at = position ?? before.length;
        const after = Buffer.alloc(Math.max(before.length, at + piece.length));
        before.copy(after);
        after.set(piece, at);
        node.data = after;
      },
      close: async () => {
        data();
        isOpen = false;
        this.open -= 1;
      },
    };
  }
}
