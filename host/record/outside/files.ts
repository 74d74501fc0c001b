/** Owns the hooks in node:fs. Knows who answers them, and handles; knows no record. */

import { AsyncResource } from "node:async_hooks";
import fs from "node:fs";
import { answering, type AnyCall, inside, like, original, type Outcome, type Outside } from "./answer.js";
import { arePieces, Directory, type DirectoryLike, FileHandle, type HandleLike } from "./handles.js";

type Calls = Record<string, AnyCall>;

const STDERR = 2;
/** How large Node makes the buffer of a `read` that is given none. */
const READ_BYTES = 16_384;

/** In both forms: with a callback, and as a promise. */
const FILE_CALLS =
  "access appendFile chmod chown copyFile cp lchown link lstat lutimes mkdir mkdtemp open readFile readdir readlink realpath rename rm rmdir stat statfs symlink truncate unlink utimes writeFile opendir".split(
    " ",
  );
/** On a descriptor, or in one form alone. */
const DESCRIPTOR_CALLS =
  "close exists fchmod fchown fdatasync fstat fsync ftruncate futimes glob read readv write writev".split(" ");

/** Output of the process is not of the recording. */
function isOutput(name: string, [fd]: readonly unknown[]): boolean {
  return name.startsWith("write") && (fd === 1 || fd === STDERR);
}

function syncForm(name: string, replaced: AnyCall): AnyCall {
  return like(replaced, (...args) => {
    const outside = isOutput(name, args) ? undefined : answering();
    if (outside === undefined) return replaced(...args);
    return wrapped(outside.call(name, args.map(unwrapped), () => inside(() => replaced(...args))));
  });
}

function callbackForm(name: string, replaced: AnyCall): AnyCall {
  return like(replaced, (...args) => {
    const callback = args.at(-1);
    const outside = isOutput(name, args) ? undefined : answering();
    if (outside === undefined || typeof callback !== "function") return replaced(...args);
    const given = withTarget(name, args.slice(0, -1));
    const settle = AsyncResource.bind(({ error, values }: Outcome) => {
      if (name === "exists") callback(...values);
      else if (error !== undefined) callback(error);
      else callback(null, ...values.map(wrapped));
    });
    outside.begin(
      name,
      given.map(unwrapped),
      (done) => {
        const ended = (first: unknown, ...values: readonly unknown[]): void => {
          if (name === "exists") done({ values: [first] });
          else done(first ? { error: first, values: [] } : { values });
        };
        inside(() => replaced(...given, ended));
      },
      settle,
    );
    return undefined;
  });
}

/** `read` may be given its buffer as an option, or none: then Node makes one, which the callback is given. */
function withTarget(name: string, given: readonly unknown[]): readonly unknown[] {
  const [fd, options] = given;
  if (name !== "read" || given.length > 2 || ArrayBuffer.isView(options) || typeof (options ?? {}) !== "object")
    return given;
  const { buffer = Buffer.alloc(READ_BYTES), ...others } = Object(options) as { buffer?: unknown };
  return [fd, buffer, others];
}

function promiseForm(name: string, replaced: AnyCall): AnyCall {
  return like(replaced, (...args) => {
    const outside = answering();
    if (outside === undefined) return replaced(...args);
    if (isWriting(name) && arePieces(args[1], args[2])) return writePieces(name, args);
    return promised(
      outside,
      name,
      args.map(unwrapped),
      () => inside(() => replaced(...args.map(bare))) as Promise<unknown>,
    );
  });
}

const isWriting = (name: string): boolean => name === "writeFile" || name === "appendFile";

/** Pieces come from the program: each is written by a call of its own. */
async function writePieces(name: string, [file, data, options]: readonly unknown[]): Promise<void> {
  if (file instanceof FileHandle) return file.writePieces(data as AsyncIterable<unknown>, options);
  const { flag = name === "writeFile" ? "w" : "a", mode } = Object(options) as { flag?: string; mode?: number };
  const handle = (await fs.promises.open(file as string, flag, mode)) as unknown as FileHandle;
  try {
    await handle.writePieces(data as AsyncIterable<unknown>, options);
  } finally {
    await handle.close();
  }
}

/** A call whose result is one value, as a promise. */
export function promised(
  outside: Outside,
  name: string,
  args: readonly unknown[],
  perform: () => Promise<unknown>,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    outside.begin(
      name,
      args,
      (done) => {
        // In a callback of its own, as in a replay: it may be there at once, in the middle of what other promises do.
        const later = (outcome: Outcome): unknown => original.setImmediate(done, outcome);
        perform().then(
          (value) => later({ values: [value] }),
          (error: unknown) => later({ error, values: [] }),
        );
      },
      ({ error, values }) => {
        if (error === undefined) resolve(wrapped(values[0]));
        else reject(error);
      },
    );
  });
}

/** A call of a handle: of the real one, or in a replay of none. */
function onHandle(name: string, args: readonly unknown[], perform: () => unknown): Promise<unknown> {
  const outside = answering();
  if (outside === undefined) return perform() as Promise<unknown>;
  return promised(outside, name, args, () => inside(perform) as Promise<unknown>);
}

function onHandleSync(name: string, args: readonly unknown[], perform: () => unknown): unknown {
  const outside = answering();
  return outside === undefined ? perform() : outside.call(name, args, () => inside(perform));
}

/** In place of what Node gives for an open directory or file, something whose calls come here. */
function wrapped(value: unknown): unknown {
  if (value instanceof fs.Dir && !(value instanceof Directory))
    return new Directory(value as DirectoryLike, onHandle, onHandleSync);
  if (isDirectory(value)) return new Directory(value, onHandle, onHandleSync);
  if (isHandle(value)) return new FileHandle(value, onHandle);
  return value;
}

const isDirectory = (value: unknown): value is DirectoryLike =>
  value !== null && typeof value === "object" && (value as { $?: unknown }).$ === "directory";
const isHandle = (value: unknown): value is HandleLike =>
  value !== null &&
  typeof value === "object" &&
  !(value instanceof FileHandle) &&
  (value.constructor.name === "FileHandle" || (value as { $?: unknown }).$ === "handle");

/** Of one of ours as an argument: its number; and what is beneath it. */
const unwrapped = (value: unknown): unknown => (value instanceof FileHandle ? value.fd : value);
const bare = (value: unknown): unknown => (value instanceof FileHandle ? value.real : value);

export function installFiles(): void {
  const calls = fs as unknown as Calls;
  const promises = fs.promises as unknown as Calls;
  for (const name of [...FILE_CALLS, ...DESCRIPTOR_CALLS]) {
    const [sync, later, promise] = [calls[`${name}Sync`], calls[name], promises[name]];
    if (sync !== undefined) calls[`${name}Sync`] = syncForm(`${name}Sync`, sync);
    if (later !== undefined) calls[name] = callbackForm(name, later);
    if (promise !== undefined && FILE_CALLS.includes(name)) promises[name] = promiseForm(name, promise);
  }
}
