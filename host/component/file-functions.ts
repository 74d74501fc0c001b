/**
 * Owns what descriptors of files do, as functions of the canonical ABI: those that both versions of `wasi:filesystem` have, by the
 * types of each. Leaves files to their descriptors, and paths to the backend.
 */

import type { Backend, FileStatus } from "../backend/backend.js";
import { bool, borrow, enumeration, Failed, option, own, record, result, string, type Type, u64 } from "./abi.js";
import { func, type HostFunction } from "./calls.js";
import {
  ADVICE,
  CODES,
  datetime,
  descriptorFlags,
  type ErrorCode,
  type Failure,
  failure,
  hash,
  hashOf,
  type Kind,
  KIND_OF,
  newTime,
  newTimeOf,
  openFlags,
  pathFlags,
  refusedPath,
  type Stat,
  statOf,
} from "./file-values.js";
import { DescriptorFlags, FileDescriptor, OpenFlags } from "./files.js";

const DIRECTORY_MODE = 0o777;

export const descriptor = borrow(FileDescriptor);
export const method = (name: string): string => `[method]descriptor.${name}`;

/** What differs between the versions. */
export interface FileTypes {
  readonly errorCode: Type<ErrorCode>;
  readonly kind: Type<Kind>;
  /** What a descriptor may do that is opened in this way, with these flags. */
  readonly flagsOf: (how: number, flags: number) => number;
}

/** What the functions have that one version alone has. */
export interface FileFunctions {
  readonly functions: Readonly<Record<string, HostFunction>>;
  readonly fails: <T>(type: Type<T>) => Type<T | Failure>;
  readonly done: Type<Failure | undefined>;
  readonly entry: Type<{ readonly kind: Kind; readonly name: string }>;
  /** Of the result of a call of the backend's. */
  readonly outcome: (value: number) => Failure | undefined;
}

export function fileFunctions(backend: Backend, { errorCode, kind, flagsOf }: FileTypes): FileFunctions {
  const stat = record<Stat>({
    ...{ kind, links: u64, size: u64 },
    ...{ accessed: option(datetime), modified: option(datetime), changed: option(datetime) },
  });
  const fails = <T>(type: Type<T>): Type<T | Failure> => result<T, ErrorCode>(type, errorCode);
  const done = result<undefined, ErrorCode>(undefined, errorCode);
  const outcome = (value: number): Failure | undefined =>
    value < 0 ? failure(CODES[backend.errorCode(value)] ?? "io") : undefined;
  const valueOf = <T>(value: T | number): T | Failure =>
    typeof value === "number" ? (outcome(value) ?? failure("io")) : value;

  /** A call with a path beneath a directory; `changes` one that a read-only directory refuses. */
  const beneath = <T>(
    directory: FileDescriptor,
    path: string,
    changes: boolean,
    call: () => T | Failure,
  ): T | Failure => {
    if (!directory.isDirectory) return failure("not-directory");
    const refused = refusedPath(path);
    if (refused !== undefined) return failure(refused);
    return changes && directory.isReadOnly ? failure("not-permitted") : call();
  };
  const changing = (file: FileDescriptor, call: () => number): Failure | undefined =>
    file.isWritable ? outcome(call()) : failure(file.isReadOnly ? "not-permitted" : "bad-descriptor");

  const functions: Record<string, HostFunction> = {
    [method("advise")]: func(
      [
        ...([descriptor, u64, u64] as const),
        enumeration("normal", "sequential", "random", "will-need", "dont-need", "no-reuse"),
      ],
      done,
      (file, offset, length, advice) =>
        file.isDirectory ? failure("bad-descriptor") : outcome(backend.advise(file.fd, offset, length, ADVICE[advice])),
    ),
    [method("sync-data")]: func([descriptor], done, (file) => outcome(backend.synchronize(file.fd, true))),
    [method("sync")]: func([descriptor], done, (file) => outcome(backend.synchronize(file.fd, false))),
    [method("get-flags")]: func([descriptor], fails(descriptorFlags), (file) => file.flags),
    [method("get-type")]: func([descriptor], fails(kind), (file) => {
      const status = file.status();
      return typeof status === "number" ? valueOf<Kind>(status) : KIND_OF[status.kind];
    }),
    [method("set-size")]: func([descriptor, u64], done, (file, size) =>
      changing(file, () => backend.setLength(file.fd, size)),
    ),
    [method("set-times")]: func([descriptor, newTime, newTime], done, (file, accessed, modified) =>
      file.isReadOnly
        ? failure("not-permitted")
        : outcome(backend.setTimes(file.fd, newTimeOf(accessed), newTimeOf(modified))),
    ),
    [method("stat")]: func([descriptor], fails(stat), (file) => {
      const status = file.status();
      return typeof status === "number" ? valueOf<Stat>(status) : statOf(status);
    }),
    [method("is-same-object")]: func([descriptor, descriptor], bool, (a, b) => {
      const [one, other] = [a.status(), b.status()];
      if (typeof one === "number" || typeof other === "number") return false;
      return one.device === other.device && one.inode === other.inode;
    }),
    [method("metadata-hash")]: func([descriptor], fails(hash), (file) => {
      const status = file.status();
      return typeof status === "number" ? valueOf<{ lower: bigint; upper: bigint }>(status) : hashOf(status);
    }),
    ...pathFunctions(),
  };

  function pathFunctions(): Record<string, HostFunction> {
    const statusOf = (directory: FileDescriptor, how: number, path: string): FileStatus | Failure =>
      beneath(directory, path, false, () => valueOf(backend.statusBeneath(directory.fd, path, how !== 0)));
    return {
      [method("create-directory-at")]: func([descriptor, string], done, (directory, path) =>
        beneath(directory, path, true, () => outcome(backend.makeDirectoryBeneath(directory.fd, path, DIRECTORY_MODE))),
      ),
      [method("stat-at")]: func([descriptor, pathFlags, string], fails(stat), (directory, how, path) => {
        const status = statusOf(directory, how, path);
        return status instanceof Failed ? status : statOf(status);
      }),
      [method("metadata-hash-at")]: func([descriptor, pathFlags, string], fails(hash), (directory, how, path) => {
        const status = statusOf(directory, how, path);
        return status instanceof Failed ? status : hashOf(status);
      }),
      [method("set-times-at")]: func(
        [descriptor, pathFlags, string, newTime, newTime],
        done,
        (directory, how, path, accessed, modified) =>
          beneath(directory, path, true, () =>
            outcome(backend.setTimesBeneath(directory.fd, path, how !== 0, newTimeOf(accessed), newTimeOf(modified))),
          ),
      ),
      [method("link-at")]: func(
        [descriptor, pathFlags, string, descriptor, string],
        done,
        (from, how, path, to, newPath) =>
          beneath(from, path, true, () =>
            beneath(to, newPath, true, () =>
              // Linux cannot link the target of a link beneath a directory in one step.
              how !== 0 ? failure("invalid") : outcome(backend.linkBeneath(from.fd, path, to.fd, newPath)),
            ),
          ),
      ),
      [method("open-at")]: func(
        [descriptor, pathFlags, string, openFlags, descriptorFlags],
        fails(own(FileDescriptor)),
        (directory, follow, path, how, wanted) =>
          beneath(directory, path, false, () => {
            const changes = (how & (OpenFlags.CREATE | OpenFlags.TRUNCATE)) !== 0;
            if (directory.isReadOnly && (changes || (wanted & DescriptorFlags.WRITE) !== 0))
              return failure("not-permitted");
            const allowed = directory.isReadOnly ? wanted & ~DescriptorFlags.MUTATE : wanted;
            const opened = directory.open(path, follow !== 0, how, flagsOf(how, allowed));
            if (typeof opened !== "number") return opened;
            return backend.errorCode(opened) === "EXDEV" ? failure("not-permitted") : valueOf<FileDescriptor>(opened);
          }),
      ),
      [method("readlink-at")]: func([descriptor, string], fails(string), (directory, path) =>
        beneath(directory, path, false, () => {
          const target = backend.readLinkBeneath(directory.fd, path);
          if (typeof target === "number") return valueOf<string>(target);
          const text = Buffer.from(target).toString();
          return text.startsWith("/") ? failure("not-permitted") : text;
        }),
      ),
      [method("remove-directory-at")]: func([descriptor, string], done, (directory, path) =>
        beneath(directory, path, true, () => {
          const failed = outcome(backend.removeDirectoryBeneath(directory.fd, path));
          // The system does not say of a link, whose name ends with a slash, that it leads out.
          const isLink = failed?.error === "not-directory" && path.endsWith("/");
          const led = isLink ? valueOf(backend.statusBeneath(directory.fd, path, true)) : undefined;
          return led instanceof Failed ? led : failed;
        }),
      ),
      [method("rename-at")]: func([descriptor, string, descriptor, string], done, (from, path, to, newPath) =>
        beneath(from, path, true, () =>
          beneath(to, newPath, true, () => outcome(backend.renameBeneath(from.fd, path, to.fd, newPath))),
        ),
      ),
      [method("symlink-at")]: func([descriptor, string, string], done, (directory, target, path) =>
        beneath(directory, path, true, () =>
          // No guest could follow it, and a program of the host that does would be led astray.
          target.startsWith("/")
            ? failure("not-permitted")
            : outcome(backend.symlinkBeneath(directory.fd, path, target)),
        ),
      ),
      [method("unlink-file-at")]: func([descriptor, string], done, (directory, path) =>
        beneath(directory, path, true, () => outcome(backend.removeFileBeneath(directory.fd, path))),
      ),
    };
  }

  return { functions, fails, done, outcome, entry: record({ kind, name: string }) };
}
