/** Owns `wasi:filesystem` as functions of the canonical ABI. Leaves files to their descriptors, and paths to the backend. */

import type { Backend, FileKind, FileStatus, FileTime } from "../../backend/backend.js";
import type { GuestDirectory } from "../../guest/preview1.js";
import {
  bool,
  borrow,
  bytes,
  type Case,
  enumeration,
  Failed,
  flags,
  list,
  option,
  own,
  record,
  result,
  string,
  tuple,
  type Type,
  u32,
  u64,
  variant,
} from "../abi.js";
import { func, type HostFunction, type Interface } from "../calls.js";
import { DescriptorFlags, EntryStream, FileDescriptor, OpenFlags } from "../files.js";
import { InputStream, OutputStream, StreamFailure } from "../streams.js";

const errorCode = enumeration(
  ...(["access", "would-block", "already", "bad-descriptor", "busy", "deadlock", "quota", "exist"] as const),
  ...(["file-too-large", "illegal-byte-sequence", "in-progress", "interrupted", "invalid", "io"] as const),
  ...(["is-directory", "loop", "too-many-links", "message-size", "name-too-long", "no-device", "no-entry"] as const),
  ...(["no-lock", "insufficient-memory", "insufficient-space", "not-directory", "not-empty"] as const),
  ...(["not-recoverable", "unsupported", "no-tty", "no-such-device", "overflow", "not-permitted", "pipe"] as const),
  ...(["read-only", "invalid-seek", "text-file-busy", "cross-device"] as const),
);
type ErrorCode = typeof errorCode extends Type<infer T> ? T : never;

const CODES: Readonly<Record<string, ErrorCode>> = {
  ...{ EACCES: "access", EAGAIN: "would-block", EALREADY: "already", EBADF: "bad-descriptor", EBUSY: "busy" },
  ...{ EDEADLK: "deadlock", EDQUOT: "quota", EEXIST: "exist", EFBIG: "file-too-large", EINPROGRESS: "in-progress" },
  ...{ EILSEQ: "illegal-byte-sequence", EINTR: "interrupted", EINVAL: "invalid", EIO: "io", EISDIR: "is-directory" },
  ...{ ELOOP: "loop", EMLINK: "too-many-links", EMSGSIZE: "message-size", ENAMETOOLONG: "name-too-long" },
  ...{ ENODEV: "no-device", ENOENT: "no-entry", ENOLCK: "no-lock", ENOMEM: "insufficient-memory" },
  ...{
    ENOSPC: "insufficient-space",
    ENOTDIR: "not-directory",
    ENOTEMPTY: "not-empty",
    ENOTRECOVERABLE: "not-recoverable",
  },
  ...{ EOPNOTSUPP: "unsupported", ENOSYS: "unsupported", ENOTTY: "no-tty", ENXIO: "no-such-device" },
  ...{ EOVERFLOW: "overflow", EPERM: "not-permitted", EPIPE: "pipe", EROFS: "read-only", ESPIPE: "invalid-seek" },
  ...{ ETXTBSY: "text-file-busy", EXDEV: "cross-device" },
} as const;

const KINDS = enumeration(
  ...(["unknown", "block-device", "character-device", "directory", "fifo", "symbolic-link", "regular-file"] as const),
  "socket",
);
type Kind = typeof KINDS extends Type<infer T> ? T : never;
const KIND_OF: Readonly<Record<FileKind, Kind>> = {
  ...({ file: "regular-file", directory: "directory", link: "symbolic-link", character: "character-device" } as const),
  ...({ block: "block-device", pipe: "fifo", socket: "socket", unknown: "unknown" } as const),
};

const ADVICE = {
  ...({ normal: "normal", sequential: "sequential", random: "random", "will-need": "willNeed" } as const),
  ...({ "dont-need": "dontNeed", "no-reuse": "noReuse" } as const),
};

interface Datetime {
  readonly seconds: bigint;
  readonly nanoseconds: number;
}

interface Stat {
  readonly kind: Kind;
  readonly links: bigint;
  readonly size: bigint;
  readonly accessed: Datetime | undefined;
  readonly modified: Datetime | undefined;
  readonly changed: Datetime | undefined;
}

const datetime = record<Datetime>({ seconds: u64, nanoseconds: u32 });
const stat = record<Stat>({
  ...{ kind: KINDS, links: u64, size: u64 },
  ...{ accessed: option(datetime), modified: option(datetime), changed: option(datetime) },
});
const newTime = variant(undefined, undefined, datetime as Type<never>);
const pathFlags = flags(1);
const openFlags = flags(4);
const descriptorFlags = flags(6);
const hash = record<{ readonly lower: bigint; readonly upper: bigint }>({ lower: u64, upper: u64 });
const entry = record<{ readonly kind: Kind; readonly name: string }>({ kind: KINDS, name: string });

const descriptor = borrow(FileDescriptor);
const fails = <T>(type: Type<T>): Type<T | Failed<ErrorCode>> => result<T, ErrorCode>(type, errorCode);
const done = result<undefined, ErrorCode>(undefined, errorCode);
type Failure = Failed<ErrorCode>;

const failure = (code: ErrorCode): Failure => new Failed(code);

const NS_PER_S = 1_000_000_000n;
const timeOf = (ns: bigint): Datetime => ({ seconds: ns / NS_PER_S, nanoseconds: Number(ns % NS_PER_S) });
/** PATH_MAX, its NUL included. */
const PATH_BYTES_MAX = 4095;
const READ_MAX = 1 << 20;
const DIRECTORY_MODE = 0o777;

function newTimeOf({ tag, value }: Case): FileTime {
  if (tag === 0) return "keep";
  if (tag === 1) return "now";
  const { seconds, nanoseconds } = value as Datetime;
  return seconds * NS_PER_S + BigInt(nanoseconds);
}

function statOf(status: FileStatus): Stat {
  const { kind, links, size, accessedNs, modifiedNs, changedNs } = status;
  const times = { accessed: timeOf(accessedNs), modified: timeOf(modifiedNs), changed: timeOf(changedNs) };
  return { kind: KIND_OF[kind], links, size, ...times };
}

/** The same for the same file, and of another one hardly ever. */
function hashOf({ device, inode, modifiedNs, size }: FileStatus): { lower: bigint; upper: bigint } {
  const mix = (a: bigint, b: bigint): bigint =>
    BigInt.asUintN(64, (a ^ (b * 0x9e3779b97f4a7c15n)) * 0xbf58476d1ce4e5b9n);
  return { lower: mix(mix(device, inode), size), upper: mix(mix(inode, device), modifiedNs) };
}

/** A path that the backend takes; otherwise why it is refused. */
function refusedPath(path: string): ErrorCode | undefined {
  if (path === "") return "no-entry";
  if (path.includes("\0")) return "invalid";
  if (path.startsWith("/")) return "not-permitted";
  return Buffer.byteLength(path) > PATH_BYTES_MAX ? "name-too-long" : undefined;
}

export interface FileInterfaces {
  readonly interfaces: Readonly<Record<string, Interface>>;
  /** Closes the directories of the host. */
  readonly close: () => void;
}

export function fileInterfaces(backend: Backend, directories: readonly GuestDirectory[]): FileInterfaces {
  const granted = directories.map(
    ({ fd, guestPath, readOnly = false }) => [FileDescriptor.directory(backend, fd, readOnly), guestPath] as const,
  );
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

  const method = (name: string): string => `[method]descriptor.${name}`;
  const functions: Record<string, HostFunction> = {
    [method("read-via-stream")]: func([descriptor, u64], fails(own(InputStream)), (file, offset) =>
      file.isDirectory ? failure("is-directory") : file.isReadable ? file.input(offset) : failure("bad-descriptor"),
    ),
    [method("write-via-stream")]: func([descriptor, u64], fails(own(OutputStream)), (file, offset) =>
      file.isWritable ? file.output(offset) : failure("bad-descriptor"),
    ),
    [method("append-via-stream")]: func([descriptor], fails(own(OutputStream)), (file) =>
      file.isWritable ? file.output(undefined) : failure("bad-descriptor"),
    ),
    [method("advise")]: func(
      [
        ...([descriptor, u64, u64] as const),
        enumeration("normal", "sequential", "random", "will-need", "dont-need", "no-reuse"),
      ],
      done,
      (file, offset, length, advice) => outcome(backend.advise(file.fd, offset, length, ADVICE[advice])),
    ),
    [method("sync-data")]: func([descriptor], done, (file) => outcome(backend.synchronize(file.fd, true))),
    [method("sync")]: func([descriptor], done, (file) => outcome(backend.synchronize(file.fd, false))),
    [method("get-flags")]: func([descriptor], fails(descriptorFlags), (file) => file.flags),
    [method("get-type")]: func([descriptor], fails(KINDS), (file) => {
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
    [method("read")]: func([descriptor, u64, u64], fails(tuple(bytes, bool)), (file, length, offset) => {
      if (!file.isReadable || file.isDirectory) return failure(file.isDirectory ? "is-directory" : "bad-descriptor");
      const wanted = Number(length > BigInt(READ_MAX) ? BigInt(READ_MAX) : length);
      const target = new Uint8Array(wanted);
      const count = backend.readFrom(file.fd, target, offset);
      return outcome(count) ?? ([target.subarray(0, count), wanted > 0 && count === 0] as const);
    }),
    [method("write")]: func([descriptor, bytes, u64], fails(u64), (file, data, offset) => {
      if (!file.isWritable) return failure("bad-descriptor");
      const count = backend.writeTo(file.fd, data, offset);
      return outcome(count) ?? BigInt(count);
    }),
    [method("read-directory")]: func([descriptor], fails(own(EntryStream)), (file) =>
      file.isDirectory ? file.entries() : failure("not-directory"),
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
    "[method]directory-entry-stream.read-directory-entry": func(
      [borrow(EntryStream)],
      fails(option(entry)),
      (stream) => {
        const next = stream.next();
        if (next === undefined) return undefined;
        return typeof next === "number" ? valueOf<undefined>(next) : { kind: KIND_OF[next.kind], name: next.name };
      },
    ),
    "filesystem-error-code": func([borrow(StreamFailure)], option(errorCode), ({ code }) => CODES[code]),
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
            const opened = directory.open(path, follow !== 0, how, allowed);
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
        beneath(directory, path, true, () => outcome(backend.removeDirectoryBeneath(directory.fd, path))),
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

  return {
    interfaces: {
      types: {
        resources: {
          descriptor: FileDescriptor,
          "directory-entry-stream": EntryStream,
          "input-stream": InputStream,
          "output-stream": OutputStream,
          error: StreamFailure,
        },
        functions,
      },
      preopens: {
        resources: { descriptor: FileDescriptor },
        functions: {
          "get-directories": func([], list(tuple(own(FileDescriptor), string)), () =>
            granted.map(([open, path]) => [open(), path] as const),
          ),
        },
      },
    },
    close: () => {
      for (const { fd } of directories) backend.close(fd);
    },
  };
}
