/** Owns `wasi:filesystem` as functions of the canonical ABI. Leaves files to their descriptors, and paths to the backend. */

import type { Backend } from "../../backend/backend.js";
import type { GuestDirectory } from "../../guest/preview1.js";
import { FILE_BYTES_MAX } from "../../guest/transfer.js";
import { bool, borrow, bytes, enumeration, list, option, own, string, tuple, u64 } from "../abi.js";
import { func, type HostFunction, type Interface } from "../calls.js";
import { descriptor, fileFunctions, method } from "../file-functions.js";
import { CODES, ERRORS, failure, KIND_OF, KINDS } from "../file-values.js";
import { EntryStream, FileDescriptor, FileInput, FileOutput } from "../files.js";
import { InputStream, OutputStream, StreamFailure } from "../streams.js";

const errorCode = enumeration(...ERRORS);
const kind = enumeration(...KINDS);

export interface FileInterfaces {
  readonly interfaces: Readonly<Record<string, Interface>>;
  /** Closes the directories of the host. */
  readonly close: () => void;
}

export function fileInterfaces(backend: Backend, directories: readonly GuestDirectory[]): FileInterfaces {
  const granted = directories.map(
    ({ fd, guestPath, readOnly = false }) => [FileDescriptor.directory(backend, fd, readOnly), guestPath] as const,
  );
  const shared = fileFunctions(backend, { errorCode, kind, flagsOf: (_how, flags) => flags });
  const { fails, entry, outcome } = shared;
  const functions: Record<string, HostFunction> = {
    ...shared.functions,
    [method("read-via-stream")]: func([descriptor, u64], fails(own(InputStream)), (file, offset) =>
      file.isDirectory
        ? failure("is-directory")
        : file.isReadable
          ? new FileInput(backend, file.reader(offset))
          : failure("bad-descriptor"),
    ),
    [method("write-via-stream")]: func([descriptor, u64], fails(own(OutputStream)), (file, offset) =>
      file.isWritable ? new FileOutput(backend, file.writer(offset)) : failure("bad-descriptor"),
    ),
    [method("append-via-stream")]: func([descriptor], fails(own(OutputStream)), (file) =>
      file.isWritable ? new FileOutput(backend, file.writer(undefined)) : failure("bad-descriptor"),
    ),
    [method("read")]: func([descriptor, u64, u64], fails(tuple(bytes, bool)), (file, length, offset) => {
      if (!file.isReadable || file.isDirectory) return failure(file.isDirectory ? "is-directory" : "bad-descriptor");
      const wanted = length > BigInt(FILE_BYTES_MAX) ? FILE_BYTES_MAX : Number(length);
      const target = new Uint8Array(wanted);
      const count = backend.readFrom(file.fd, target, offset);
      return outcome(count) ?? ([target.subarray(0, count), wanted > 0 && count === 0] as const);
    }),
    [method("write")]: func([descriptor, bytes, u64], fails(u64), (file, data, offset) => {
      if (!file.isWritable) return failure("bad-descriptor");
      const count = backend.writeTo(file.fd, data.subarray(0, FILE_BYTES_MAX), offset);
      return outcome(count) ?? BigInt(count);
    }),
    [method("read-directory")]: func([descriptor], fails(own(EntryStream)), (file) =>
      file.isDirectory ? file.entries() : failure("not-directory"),
    ),
    "[method]directory-entry-stream.read-directory-entry": func(
      [borrow(EntryStream)],
      fails(option(entry)),
      (stream) => {
        const next = stream.next();
        if (next === undefined) return undefined;
        return typeof next === "number" ? outcome(next) : { kind: KIND_OF[next.kind], name: next.name };
      },
    ),
    "filesystem-error-code": func([borrow(StreamFailure)], option(errorCode), ({ code }) => CODES[code]),
  };

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
