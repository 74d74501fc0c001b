/**
 * Owns the files that clients see: a directory that is their root. Every access goes through `Beneath`, so that no path
 * leads out of it. Knows nothing of FTP. Clients' paths are absolute, with "/"; every failure throws FileError.
 */

import { closeSync, constants, promises as fs, type Stats } from "node:fs";
import { posix } from "node:path";
import { OSError } from "wasyncore";
import { Beneath, type FileHandle, type FileStatus, OpenFile } from "./beneath.js";

const TEXTS: Readonly<Record<string, string>> = {
  ENOENT: "no such file or directory",
  EACCES: "permission denied",
  EPERM: "permission denied",
  EROFS: "permission denied",
  ELOOP: "a link is not followed here",
  EEXIST: "exists already",
  ENOTDIR: "not a directory",
  EISDIR: "is a directory",
  ENOTEMPTY: "directory not empty",
  ENAMETOOLONG: "name too long",
  EXDEV: "on another file system",
  ENOSPC: "no space left",
  EDQUOT: "no space left",
};

/** A file operation failed, for a reason that the client may know. */
export class FileError extends Error {
  /** Is the file system full? */
  readonly isFull: boolean;

  constructor(message: string, isFull = false) {
    super(message);
    this.isFull = isFull;
  }

  /** From the file system's own error, whose message has paths of the server in it. */
  static of(error: unknown): FileError {
    if (error instanceof FileError) return error;
    // openBeneath's word for a path that leads out; rename(2)'s for one to another file system.
    if (error instanceof OSError && error.code === "EXDEV") return new FileError("permission denied");
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    return new FileError(TEXTS[code] ?? `not possible (${code})`, code === "ENOSPC" || code === "EDQUOT");
  }
}

/** Where in a file writing begins. */
export type WriteAt = { readonly append: true } | { readonly append: false; readonly offset: number };

/** The files of a server, wherever they are. */
export interface Files {
  resolve(cwd: string, path: string): string;
  stat(path: string): Promise<FileStatus>;
  checkDirectory(path: string): Promise<void>;
  list(path: string): AsyncIterable<{ readonly name: string; readonly stats: FileStatus }>;
  openToRead(path: string): Promise<FileHandle>;
  openToWrite(path: string, at: WriteAt): Promise<FileHandle>;
  remove(path: string): Promise<void>;
  makeDirectory(path: string): Promise<void>;
  removeDirectory(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
}

export class Root implements Files {
  readonly #beneath: Beneath;

  constructor(beneath: Beneath) {
    this.#beneath = beneath;
  }

  /** @throws Error where it is no directory that can be opened */
  static open(directory: string): Root {
    return new Root(Beneath.open(directory));
  }

  /** What a client means by `path` when it is in `cwd`. */
  resolve(cwd: string, path: string): string {
    return posix.resolve("/", cwd, path);
  }

  async stat(path: string): Promise<Stats> {
    return guarded(() => this.#beneath.stat(path));
  }

  async checkDirectory(path: string): Promise<void> {
    if (!(await this.stat(path)).isDirectory()) throw new FileError("not a directory");
  }

  /** The names in a directory, or that of a file, each with its status; links in it are not followed. */
  async *list(path: string): AsyncGenerator<{ readonly name: string; readonly stats: Stats }> {
    const stats = await this.stat(path);
    if (!stats.isDirectory()) {
      yield { name: posix.basename(path), stats };
      return;
    }
    const directory = await guarded(() => this.#beneath.openDirectory(path));
    try {
      for await (const { name } of await guarded(() => fs.opendir(directory.path))) {
        const found = await fs.lstat(`${directory.path}/${name}`).catch(() => undefined);
        // It may have been removed since.
        if (found !== undefined) yield { name, stats: found };
      }
    } finally {
      closeSync(directory.fd);
    }
  }

  /** Opens a file to read; the caller closes it. */
  openToRead(path: string): Promise<OpenFile> {
    return this.#open(path, constants.O_RDONLY);
  }

  /** Opens a file to write, which is no link; the caller closes it. With an offset it must exist. */
  openToWrite(path: string, at: WriteAt): Promise<OpenFile> {
    const how = at.append ? constants.O_CREAT | constants.O_APPEND : constants.O_CREAT | constants.O_TRUNC;
    const flags = !at.append && at.offset > 0 ? 0 : how;
    return this.#open(path, constants.O_WRONLY | constants.O_NOFOLLOW | flags, 0o644);
  }

  remove(path: string): Promise<void> {
    return this.#named(path, (real) => fs.unlink(real));
  }

  makeDirectory(path: string): Promise<void> {
    return this.#named(path, (real) => fs.mkdir(real));
  }

  removeDirectory(path: string): Promise<void> {
    return this.#named(path, (real) => fs.rmdir(real));
  }

  rename(from: string, to: string): Promise<void> {
    return this.#named(from, (realFrom) => this.#named(to, (realTo) => fs.rename(realFrom, realTo)));
  }

  close(): void {
    this.#beneath.close();
  }

  /** Plain files alone. O_NONBLOCK: to open a pipe would wait for its other end. */
  #open(path: string, flags: number, mode?: number): Promise<OpenFile> {
    return guarded(async () => {
      const file = new OpenFile(await this.#beneath.openFile(path, flags | constants.O_NONBLOCK, mode));
      if (file.stats.isFile()) return file;
      await file.close();
      throw new FileError("not a plain file");
    });
  }

  /** Does something with a name in its directory; the name itself may be new, or a link, which is not followed. */
  #named<T>(path: string, act: (real: string) => Promise<T>): Promise<T> {
    return guarded(() => {
      if (path === "/") throw new FileError("not possible with the root");
      return this.#beneath.inDirectory(path, act);
    });
  }
}

async function guarded<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    throw FileError.of(error);
  }
}
