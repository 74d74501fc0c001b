/**
 * Owns the loading of koffi, and says what happened where it cannot be loaded. Knows no signature and no call.
 *
 * koffi is not imported but required on first use, so that importing the package does no harm where there is no libc. Bundlers
 * must not see that it is required, because its binary cannot be part of a bundle: webpack knows a `createRequire` that is
 * imported by name.
 */

import nodeModule from "node:module";
import { UnsupportedPlatformError } from "../backend/errors.js";

const SUPPORTED =
  "the Node backend runs on Linux (epoll, poll), and on macOS and FreeBSD through poll(2), " +
  "on x64, arm64, riscv64 and loong64";
const PLATFORMS: ReadonlySet<string> = new Set(["linux", "darwin", "freebsd"]);
const ARCHITECTURES: ReadonlySet<string> = new Set(["x64", "arm64", "riscv64", "loong64"]);

/** The file to load koffi from, for another thread of the process. */
export function koffiPath(): string {
  const directories = places();
  for (const place of directories) {
    try {
      return nodeModule.createRequire(place).resolve("koffi");
    } catch {
      // The next place may have it.
    }
  }
  throw new UnsupportedPlatformError(
    `koffi, through which wasyncore calls libc, is not installed where it is looked for (upwards from ${directories.join(
      " and from ",
    )}): npm install koffi; next to a bundle, if this program is one (https://github.com/wasyncore/wasyncore/blob/main/docs/bundling.md)`,
  );
}

/**
 * @throws UnsupportedPlatformError where there is no libc that the backend knows, or koffi cannot be loaded
 */
export function loadKoffi(): typeof import("koffi") {
  const here = `${process.platform}-${process.arch}`;
  if (!PLATFORMS.has(process.platform) || !ARCHITECTURES.has(process.arch)) {
    throw new UnsupportedPlatformError(`${SUPPORTED}, not on ${here}`);
  }
  const path = koffiPath();
  try {
    return nodeModule.createRequire(path)(path) as typeof import("koffi");
  } catch (cause) {
    throw new UnsupportedPlatformError(`${whatHappened(path, here, cause)}`, { cause });
  }
}

/** Where koffi is looked for: from this file upwards; in a bundle without an address of its own, from the program. */
function places(): string[] {
  const url = import.meta.url as string | undefined;
  const program = process.argv[1];
  return [url, program].filter((place) => place !== undefined && /^(file:|\/|[A-Za-z]:\\)/.test(place)) as string[];
}

function whatHappened(path: string, here: string, cause: unknown): string {
  const message = cause instanceof Error ? cause.message.trim() : String(cause);
  const binary = `@koromix/koffi-${here}`;
  if (!canResolve(path, binary)) {
    return (
      `koffi is installed without its binary for this platform, ${binary}, which is an optional dependency: install without ` +
      `--omit=optional, on the platform that the program runs on; a bundle needs koffi to be external (https://github.com/wasyncore/wasyncore/blob/main/docs/bundling.md)`
    );
  }
  return `koffi's binary, ${binary}, could not be loaded on ${here} with ${libcName()}: ${message}`;
}

function canResolve(from: string, name: string): boolean {
  try {
    nodeModule.createRequire(from).resolve(name);
    return true;
  } catch {
    return false;
  }
}

/** "glibc 2.36", for messages. */
function libcName(): string {
  if (process.platform !== "linux") return "the system's libc";
  const { header } = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return header?.glibcVersionRuntime === undefined
    ? "a libc other than glibc (musl?)"
    : `glibc ${header.glibcVersionRuntime}`;
}
