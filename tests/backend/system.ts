/**
 * Owns what the contract needs of the system behind a backend: files that are there, and calls that the backend does not
 * see. For most backends it is the operating system that runs the test. Knows no backend.
 */

import {
  closeSync,
  fstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { onTestFinished } from "vitest";
import { leaveOut, missingLinux } from "../support/missing.js";

/** A directory of one test's own. Paths are relative to it. */
export interface TestDirectory {
  /** Opens a directory in it. */
  open(path: string): number;
  /** Makes a file, and opens it to read and to write. */
  create(path: string): number;
  /** Writes a file, and makes its directories. */
  write(path: string, text: string): void;
  read(path: string): string;
  /** Makes a symbolic link. */
  link(path: string, target: string): void;
}

export interface System {
  /** Has it what Linux has? */
  readonly isLinux: boolean;
  /** Its loopback interface. */
  readonly loopback: string;
  /** Who runs the test on it. */
  readonly credentials: { readonly pid: number; readonly uid: number | undefined; readonly gid: number | undefined };
  /** Opens the directory that this file is in. */
  openDirectory(): number;
  /** Opens this file. */
  openFile(): number;
  /** Makes an empty directory for the test that runs. */
  directory(): TestDirectory;
  /** Closes a descriptor behind the backend's back. */
  close(fd: number): void;
  read(fd: number, target: Uint8Array): number;
  write(fd: number, data: Uint8Array): void;
  /** Lets the system go on until a promise of the backend's settles. */
  outcomeOf<T>(promise: Promise<T>): Promise<T>;
  /** Equal for two descriptors of one file. */
  identityOf(fd: number): unknown;
}

/** What is in this file. */
export function ownText(): string {
  return readFileSync(new URL(import.meta.url), "utf8");
}

function temporaryDirectory(): TestDirectory {
  const base = mkdtempSync(join(tmpdir(), "backend-"));
  onTestFinished(() => rmSync(base, { recursive: true, force: true }));
  return {
    open: (path) => openSync(join(base, path), "r"),
    create: (path) => openSync(join(base, path), "w+"),
    write(path, text) {
      mkdirSync(dirname(join(base, path)), { recursive: true });
      writeFileSync(join(base, path), text);
    },
    read: (path) => readFileSync(join(base, path), "utf8"),
    link: (path, target) => symlinkSync(target, join(base, path)),
  };
}

export const operatingSystem: System = {
  isLinux: leaveOut("Tests of files and paths beneath a directory", missingLinux()) === "",
  loopback: process.platform === "linux" ? "lo" : "lo0",
  credentials: { pid: process.pid, uid: process.getuid?.(), gid: process.getgid?.() },
  openDirectory: () => openSync(new URL(".", import.meta.url), "r"),
  openFile: () => openSync(new URL(import.meta.url), "r"),
  directory: temporaryDirectory,
  close: closeSync,
  read: (fd, target) => readSync(fd, target),
  write: (fd, data) => void writeSync(fd, data),
  outcomeOf: (promise) => promise,
  identityOf: (fd) => fstatSync(fd).ino,
};
