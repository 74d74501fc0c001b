/**
 * Owns the way from a directory to what is beneath it: no path leads out, whatever another process renames or links
 * meanwhile. Knows nothing of clients. Paths are absolute and normal ("/a/b", no ".."), and "/" is the directory.
 *
 * A check of a path followed by an open of it is no protection: between the two, a directory can be replaced by a
 * symbolic link. So a path is opened in one step, and what is then done with a name is done in the directory that was
 * opened, by its descriptor.
 */

import { close, closeSync, constants, fstatSync, lstatSync, open, openSync, read, type Stats, write } from "node:fs";
import { join, posix } from "node:path";
import { promisify } from "node:util";
import { openBeneath, OSError } from "wasyncore";

const isLinux = process.platform === "linux";

/** Linux's O_PATH, which node:fs has no name for: a descriptor to work with a directory, not to read it. */
const O_PATH = isLinux ? 0o10000000 : 0;

const openFile = promisify(open);
const readFile = promisify(read);
const writeFile = promisify(write);
const closeFile = promisify(close);

/** What is used of a file's status. */
export type FileStatus = Pick<
  Stats,
  "isFile" | "isDirectory" | "isSymbolicLink" | "mode" | "nlink" | "uid" | "gid" | "size" | "mtime"
>;

/** A file that is open, wherever it is. */
export interface FileHandle {
  readonly stats: FileStatus;
  read(target: Uint8Array, position: number): Promise<number>;
  write(data: Uint8Array, position: number | null): Promise<void>;
  close(): Promise<void>;
}

/** A directory, and a path by which node:fs reaches what is in it; good until `close`. */
export interface Place {
  readonly fd: number;
  readonly path: string;
}

export abstract class Beneath {
  protected readonly directory: number;

  /** @param directory its descriptor, which is closed by {@link close} */
  constructor(directory: number) {
    this.directory = directory;
  }

  /**
   * By the kernel's own means (openBeneath), or, where there are none, by {@link Walking}.
   * @throws Error where it is no directory that can be opened
   */
  static open(path: string, openOne = openBeneath): Beneath {
    const directory = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      closeSync(openOne(directory, ".", { flags: O_PATH | constants.O_DIRECTORY }));
      return new OneStep(directory);
    } catch (error) {
      // EPERM: a container's filter that does not know the call.
      if (error instanceof OSError && (error.code === "ENOSYS" || error.code === "EPERM"))
        return new Walking(directory, path);
      closeSync(directory);
      throw error;
    }
  }

  /** Opens a file. @returns its descriptor, the caller's to close */
  abstract openFile(path: string, flags: number, mode?: number): Promise<number>;

  /** The path of a directory that was opened at `path`. */
  protected abstract pathOf(directory: number, path: string): string;

  /** The status of what a path leads to. */
  async stat(path: string): Promise<Stats> {
    const fd = await this.openFile(path, isLinux ? O_PATH : constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      return fstatSync(fd);
    } finally {
      closeSync(fd);
    }
  }

  /** Does something with a name in its directory, by a path whose last part alone may be a link. */
  async inDirectory<T>(path: string, act: (path: string) => Promise<T>): Promise<T> {
    const directory = await this.openDirectory(posix.dirname(path));
    try {
      return await act(`${directory.path}/${posix.basename(path)}`);
    } finally {
      closeSync(directory.fd);
    }
  }

  /** Opens a directory; the caller closes its descriptor. */
  async openDirectory(path: string): Promise<Place> {
    const fd = await this.openFile(path, O_PATH | constants.O_DIRECTORY);
    return { fd, path: this.pathOf(fd, path) };
  }

  close(): void {
    closeSync(this.directory);
  }
}

/** openat2(2): links are followed as long as they stay beneath the directory. */
class OneStep extends Beneath {
  async openFile(path: string, flags: number, mode?: number): Promise<number> {
    return openBeneath(this.directory, path === "/" ? "." : path.slice(1), {
      flags,
      ...(mode !== undefined && { mode }),
    });
  }

  protected pathOf(directory: number): string {
    return `/proc/self/fd/${directory}`;
  }
}

/**
 * Directory by directory, each opened in the one before it; no link is followed. On Linux that is as safe as
 * {@link OneStep}. Elsewhere there is no path by which to open in an open directory: what was opened is compared with
 * what the path leads to afterwards, which leaves a gap before a name in it is used.
 */
export class Walking extends Beneath {
  readonly #root: string;
  readonly #byDescriptor: boolean;

  constructor(directory: number, root: string, byDescriptor = isLinux) {
    super(directory);
    this.#root = root;
    this.#byDescriptor = byDescriptor;
  }

  async openFile(path: string, flags: number, mode?: number): Promise<number> {
    const names = path.split("/").filter(Boolean);
    const opened: number[] = [];
    try {
      let at = "/";
      let fd = this.directory;
      for (const [index, name] of names.entries()) {
        const isLast = index === names.length - 1;
        const how = isLast ? flags : O_PATH | constants.O_DIRECTORY;
        fd = await openFile(join(this.pathOf(fd, at), name), how | constants.O_NOFOLLOW, mode);
        opened.push(fd);
        at = join(at, name);
        this.#check(fd, at);
      }
      return opened.pop() ?? (await openFile(this.pathOf(fd, "/"), flags));
    } finally {
      for (const each of opened) closeSync(each);
    }
  }

  protected pathOf(directory: number, path: string): string {
    return this.#byDescriptor ? `/proc/self/fd/${directory}` : join(this.#root, path);
  }

  /** With O_PATH a link itself is opened. */
  #check(fd: number, path: string): void {
    const found = fstatSync(fd);
    const isMoved = (): boolean => {
      const { dev, ino } = lstatSync(join(this.#root, path));
      return dev !== found.dev || ino !== found.ino;
    };
    if (found.isSymbolicLink() || (!this.#byDescriptor && isMoved())) throw new OSError("ELOOP", { syscall: "open" });
  }
}

/** A file that is open: a descriptor, with the calls that take their time. One call at a time. */
export class OpenFile implements FileHandle {
  readonly #fd: number;
  #underWay: Promise<unknown> = Promise.resolve();

  constructor(fd: number) {
    this.#fd = fd;
  }

  get stats(): Stats {
    return fstatSync(this.#fd);
  }

  /** @returns how many bytes were read, 0 at the end of the file */
  async read(target: Uint8Array, position: number): Promise<number> {
    return (await this.#track(readFile(this.#fd, target, 0, target.length, position))).bytesRead;
  }

  /** Writes all of it. @param position null: where the file ends, in one that was opened to append */
  async write(data: Uint8Array, position: number | null): Promise<void> {
    for (let done = 0; done < data.length;) {
      const at = position === null ? null : position + done;
      done += (await this.#track(writeFile(this.#fd, data, done, data.length - done, at))).bytesWritten;
    }
  }

  /** Waits for the call that is under way: another file may get the number of the descriptor. */
  async close(): Promise<void> {
    await this.#underWay.catch(() => undefined);
    await closeFile(this.#fd);
  }

  #track<T>(call: Promise<T>): Promise<T> {
    this.#underWay = call;
    return call;
  }
}
