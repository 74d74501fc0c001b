/**
 * Owns the files that clients see: a directory that is their root, and that no path leads out of, by ".." or by links.
 * Knows nothing of FTP. Paths of clients are absolute, with "/"; what fails throws FileError.
 */

import { constants, promises as fs, type Stats } from "node:fs";
import { basename, dirname, join, posix, sep } from "node:path";

type FileHandle = fs.FileHandle;

const TEXTS: Readonly<Record<string, string>> = {
  ENOENT: "no such file or directory",
  EACCES: "permission denied",
  EPERM: "permission denied",
  EROFS: "permission denied",
  EEXIST: "exists already",
  ENOTDIR: "not a directory",
  EISDIR: "is a directory",
  ENOTEMPTY: "directory not empty",
  ENAMETOOLONG: "name too long",
  ENOSPC: "no space left",
  EDQUOT: "no space left",
};

/** A file cannot be had, for a reason that a client may know. */
export class FileError extends Error {
  /** Is there no room for it? */
  readonly isFull: boolean;

  constructor(message: string, isFull = false) {
    super(message);
    this.isFull = isFull;
  }

  /** Of what the file system said; its own message has paths in it that are nobody's business. */
  static of(error: unknown): FileError {
    if (error instanceof FileError) return error;
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    return new FileError(TEXTS[code] ?? `not possible (${code})`, code === "ENOSPC" || code === "EDQUOT");
  }
}

/** Where in a file writing begins. */
export type WriteAt = { readonly append: true } | { readonly append: false; readonly offset: number };

export class Root {
  readonly #real: string;

  private constructor(real: string) {
    this.#real = real;
  }

  /** @throws Error where it is no directory */
  static async open(directory: string): Promise<Root> {
    const isDirectory = await fs.stat(directory).then(
      (stats) => stats.isDirectory(),
      () => false,
    );
    if (!isDirectory) throw new Error(`${directory} is no directory`);
    return new Root(await fs.realpath(directory));
  }

  /** What a client means by `path` when it is in `cwd`. */
  resolve(cwd: string, path: string): string {
    return posix.resolve("/", cwd, path);
  }

  stat(path: string): Promise<Stats> {
    return this.#at(path, (real) => fs.stat(real));
  }

  async checkDirectory(path: string): Promise<void> {
    if (!(await this.stat(path)).isDirectory()) throw new FileError("not a directory");
  }

  /** The names in a directory, or that of a file, each with its status; links are not followed. */
  async *list(path: string): AsyncGenerator<{ readonly name: string; readonly stats: Stats }> {
    const real = await this.#existing(path);
    const stats = await fs.stat(real);
    if (!stats.isDirectory()) {
      yield { name: posix.basename(path), stats };
      return;
    }
    for await (const { name } of await fs.opendir(real)) {
      const found = await fs.lstat(join(real, name)).catch(() => undefined);
      // It may have been removed since.
      if (found !== undefined) yield { name, stats: found };
    }
  }

  /** Opens a file to read; the caller closes it. */
  openToRead(path: string): Promise<FileHandle> {
    return this.#at(path, (real) => this.#open(real, constants.O_RDONLY));
  }

  /** Opens a file to write; the caller closes it. With an offset it must be there. */
  openToWrite(path: string, at: WriteAt): Promise<FileHandle> {
    const how = at.append ? constants.O_CREAT | constants.O_APPEND : constants.O_CREAT | constants.O_TRUNC;
    const flags = !at.append && at.offset > 0 ? 0 : how;
    return this.#in(path, (real) => this.#open(real, constants.O_WRONLY | flags));
  }

  remove(path: string): Promise<void> {
    return this.#in(path, (real) => fs.unlink(real));
  }

  makeDirectory(path: string): Promise<void> {
    return this.#in(path, (real) => fs.mkdir(real));
  }

  removeDirectory(path: string): Promise<void> {
    return this.#in(path, (real) => fs.rmdir(real));
  }

  rename(from: string, to: string): Promise<void> {
    return this.#in(from, (realFrom) => this.#in(to, (realTo) => fs.rename(realFrom, realTo)));
  }

  /** Neither a link, which may have been put there since, nor a pipe, which would be waited for. */
  async #open(real: string, flags: number): Promise<FileHandle> {
    const file = await fs.open(real, flags | constants.O_NOFOLLOW | constants.O_NONBLOCK, 0o644);
    const isFile = await file.stat().then(
      (stats) => stats.isFile(),
      () => false,
    );
    if (isFile) return file;
    await file.close();
    throw new FileError("not a plain file");
  }

  /** Does something with the file that a path leads to. */
  async #at<T>(path: string, act: (real: string) => Promise<T>): Promise<T> {
    try {
      return await act(await this.#existing(path));
    } catch (error) {
      throw FileError.of(error);
    }
  }

  /** Does something with a name in a directory that is there; the name itself may be new, or a link. */
  async #in<T>(path: string, act: (real: string) => Promise<T>): Promise<T> {
    try {
      if (path === "/") throw new FileError("not possible with the root");
      return await act(join(await this.#existing(dirname(path)), basename(path)));
    } catch (error) {
      throw FileError.of(error);
    }
  }

  /** Where a path leads, links followed. */
  async #existing(path: string): Promise<string> {
    const real = await fs.realpath(join(this.#real, path)).catch((error: unknown) => {
      throw FileError.of(error);
    });
    const prefix = this.#real.endsWith(sep) ? this.#real : `${this.#real}${sep}`;
    if (real !== this.#real && !real.startsWith(prefix)) throw new FileError(TEXTS.EACCES ?? "");
    return real;
  }
}
