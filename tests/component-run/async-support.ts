/** Owns components of WASI 0.3 of hand-written modules. Knows the world that guests are built for; knows no scenario. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { compileComponent, ComponentHost, type ComponentOptions, partsFor } from "../../host/component/index.js";
import { defaultBackend } from "../../host/net/default-backend.js";
import { wasmTools } from "../assembly/component-support.js";
import { wat } from "../guest/modules.js";
import { ROOT } from "../support/processes.js";
import { granted } from "./support.js";

/** What is called of `wasi:filesystem`, which guests are not built for. */
const FILES = `package wasi:filesystem@0.3.0 {
  interface types {
    variant descriptor-type {
      block-device, character-device, directory, fifo, symbolic-link, regular-file, socket, other(option<string>),
    }
    flags descriptor-flags {
      read, write, file-integrity-sync, data-integrity-sync, requested-write-sync, mutate-directory,
    }
    flags path-flags { symlink-follow }
    flags open-flags { create, directory, exclusive, truncate }
    record directory-entry { %type: descriptor-type, name: string }
    variant error-code {
      access, already, bad-descriptor, busy, deadlock, quota, exist, file-too-large, illegal-byte-sequence, in-progress,
      interrupted, invalid, io, is-directory, loop, too-many-links, message-size, name-too-long, no-device, no-entry,
      no-lock, insufficient-memory, insufficient-space, not-directory, not-empty, not-recoverable, unsupported, no-tty,
      no-such-device, overflow, not-permitted, pipe, read-only, invalid-seek, text-file-busy, cross-device,
      other(option<string>),
    }
    resource descriptor {
      read-via-stream: func(offset: u64) -> tuple<stream<u8>, future<result<_, error-code>>>;
      write-via-stream: func(data: stream<u8>, offset: u64) -> future<result<_, error-code>>;
      append-via-stream: func(data: stream<u8>) -> future<result<_, error-code>>;
      read-directory: func() -> tuple<stream<directory-entry>, future<result<_, error-code>>>;
      open-at: async func(path-flags: path-flags, path: string, open-flags: open-flags, %flags: descriptor-flags) -> result<descriptor, error-code>;
    }
  }
  interface preopens {
    use types.{descriptor};
    get-directories: func() -> list<tuple<descriptor, string>>;
  }
}`;
const IMPORTED = "import wasi:filesystem/types@0.3.0; import wasi:filesystem/preopens@0.3.0;";
const WORLD = `${readFileSync(join(ROOT, "assembly/wasi/async/world.wit"), "utf8").replace("world guest {", `$& ${IMPORTED}`)}\n${FILES}`;
const FILE_TYPES = "wasi:filesystem/types@0.3.0";
const READ_FILE = "[method]descriptor.read-via-stream";
const READ_DIRECTORY = "[method]descriptor.read-directory";
const SOCKETS = "wasi:sockets/types@0.3.0";
const RUN = "wasi:cli/run@0.3.0";

/** Imports that modules of tests take, by what they are called in them: module, name, parameters, result. */
const IMPORTS: Readonly<Record<string, readonly [string, string, string, string?]>> = {
  "new-set": ["$root", "[waitable-set-new]", "", "i32"],
  "wait-set": ["$root", "[waitable-set-wait]", "i32 i32", "i32"],
  "poll-set": ["$root", "[waitable-set-poll]", "i32 i32", "i32"],
  "drop-set": ["$root", "[waitable-set-drop]", "i32"],
  join: ["$root", "[waitable-join]", "i32 i32"],
  yield: ["$root", "[thread-yield]", "", "i32"],
  "drop-call": ["$root", "[subtask-drop]", "i32"],
  "cancel-call": ["$root", "[subtask-cancel]", "i32", "i32"],
  "cancel-in-set": ["$root", "[async-lower][subtask-cancel]", "i32", "i32"],
  "get-context": ["$root", "[context-get-0]", "", "i32"],
  "set-context": ["$root", "[context-set-0]", "i32"],
  return: [`[export]${RUN}`, "[task-return]run", "i32"],
  now: ["wasi:clocks/monotonic-clock@0.3.0", "now", "", "i64"],
  "wait-until": ["wasi:clocks/monotonic-clock@0.3.0", "wait-until", "i64"],
  "begin-wait": ["wasi:clocks/monotonic-clock@0.3.0", "[async-lower]wait-until", "i64", "i32"],
  stdout: ["wasi:cli/stdout@0.3.0", "write-via-stream", "i32", "i32"],
  "new-bytes": ["wasi:cli/stdout@0.3.0", "[stream-new-0]write-via-stream", "", "i64"],
  "write-bytes": ["wasi:cli/stdout@0.3.0", "[async-lower][stream-write-0]write-via-stream", "i32 i32 i32", "i32"],
  "write-and-wait": ["wasi:cli/stdout@0.3.0", "[stream-write-0]write-via-stream", "i32 i32 i32", "i32"],
  "read-bytes": ["wasi:cli/stdout@0.3.0", "[async-lower][stream-read-0]write-via-stream", "i32 i32 i32", "i32"],
  "cancel-read": ["wasi:cli/stdout@0.3.0", "[stream-cancel-read-0]write-via-stream", "i32", "i32"],
  "cancel-write": ["wasi:cli/stdout@0.3.0", "[stream-cancel-write-0]write-via-stream", "i32", "i32"],
  "drop-readable": ["wasi:cli/stdout@0.3.0", "[stream-drop-readable-0]write-via-stream", "i32"],
  "drop-writable": ["wasi:cli/stdout@0.3.0", "[stream-drop-writable-0]write-via-stream", "i32"],
  "read-end": ["wasi:cli/stdout@0.3.0", "[async-lower][future-read-1]write-via-stream", "i32 i32", "i32"],
  "drop-end": ["wasi:cli/stdout@0.3.0", "[future-drop-readable-1]write-via-stream", "i32"],
  create: [SOCKETS, "[static]tcp-socket.create", "i32 i32"],
  bind: [SOCKETS, "[method]tcp-socket.bind", `${"i32 ".repeat(14)}`],
  connect: [SOCKETS, "[async-lower][method]tcp-socket.connect", "i32 i32", "i32"],
  "create-udp": [SOCKETS, "[static]udp-socket.create", "i32 i32"],
  "bind-udp": [SOCKETS, "[method]udp-socket.bind", `${"i32 ".repeat(14)}`],
  "udp-address": [SOCKETS, "[method]udp-socket.get-local-address", "i32 i32"],
  "send-udp": [SOCKETS, "[async-lower][method]udp-socket.send", "i32 i32", "i32"],
  "receive-udp": [SOCKETS, "[async-lower][method]udp-socket.receive", "i32 i32", "i32"],
  "drop-udp": [SOCKETS, "[resource-drop]udp-socket", "i32"],
  stdin: ["wasi:cli/stdin@0.3.0", "read-via-stream", "i32"],
  listen: [SOCKETS, "[method]tcp-socket.listen", "i32 i32"],
  receive: [SOCKETS, "[method]tcp-socket.receive", "i32 i32"],
  "read-socket": [SOCKETS, "[async-lower][stream-read-0][method]tcp-socket.listen", "i32 i32 i32", "i32"],
  directories: ["wasi:filesystem/preopens@0.3.0", "get-directories", "i32"],
  open: [FILE_TYPES, "[method]descriptor.open-at", "i32 i32 i32 i32 i32 i32 i32"],
  "begin-open": [FILE_TYPES, "[async-lower][method]descriptor.open-at", "i32 i32", "i32"],
  "drop-file": [FILE_TYPES, "[resource-drop]descriptor", "i32"],
  "read-file": [FILE_TYPES, READ_FILE, "i32 i64 i32"],
  "read-file-bytes": [FILE_TYPES, `[async-lower][stream-read-0]${READ_FILE}`, "i32 i32 i32", "i32"],
  "drop-file-bytes": [FILE_TYPES, `[stream-drop-readable-0]${READ_FILE}`, "i32"],
  "read-file-end": [FILE_TYPES, `[future-read-1]${READ_FILE}`, "i32 i32", "i32"],
  "drop-file-end": [FILE_TYPES, `[future-drop-readable-1]${READ_FILE}`, "i32"],
  "write-file": [FILE_TYPES, "[method]descriptor.write-via-stream", "i32 i32 i64", "i32"],
  "append-file": [FILE_TYPES, "[method]descriptor.append-via-stream", "i32 i32", "i32"],
  "read-directory": [FILE_TYPES, READ_DIRECTORY, "i32 i32"],
  "read-entries": [FILE_TYPES, `[stream-read-0]${READ_DIRECTORY}`, "i32 i32 i32", "i32"],
  "drop-socket": [SOCKETS, "[resource-drop]tcp-socket", "i32"],
};

/** How the export is lifted: with a callback, or without, when it waits inside of calls. */
export type Lifting = "callback" | "stackful" | "sync";

/** The bytes of a component whose `run` has this body; $a, $b and $c are its locals, $w one of 64 bits. */
export async function asyncComponent(
  imports: readonly string[],
  body: string,
  lifting: Lifting = "callback",
  callback = "(unreachable)",
): Promise<Uint8Array> {
  const listed = imports.map((name) => {
    const [module, field, parameters, result] = IMPORTS[name] ?? ["", "", ""];
    const type = `(param ${parameters}) ${result === undefined ? "" : `(result ${result})`}`;
    return `(import "${module}" "${field}" (func $${name} ${type}))`;
  });
  const name = { callback: "[async-lift]", stackful: "[async-lift-stackful]", sync: "" }[lifting];
  const binary = wat(`(module ${listed.join("\n")}
    (memory (export "memory") 1 64)
    (global $top (mut i32) (i32.const 4096))
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (local i32)
      (local.set 4 (global.get $top))
      (global.set $top (i32.and (i32.add (i32.add (global.get $top) (local.get 3)) (i32.const 7)) (i32.const -8)))
      (local.get 4))
    ${lifting === "callback" ? `(func (export "[callback][async-lift]${RUN}#run") (param $kind i32) (param $handle i32) (param $code i32) (result i32) ${callback})` : ""}
    (func (export "${name}${RUN}#run") ${lifting === "stackful" ? "" : "(result i32)"}
      (local $a i32) (local $b i32) (local $c i32) (local $w i64)
      ${body}))`);
  const { componentEmbed, componentNew } = await wasmTools();
  return await componentNew(await componentEmbed({ binary, witSource: WORLD, worldName: "guest" }), []);
}

/** Runs one in this process. @returns its status */
export async function runAsyncHere(
  bytes: Uint8Array,
  options: Partial<ComponentOptions> = {},
  backend = defaultBackend(),
): Promise<number> {
  const compiled = await compileComponent(bytes);
  const parts = await partsFor(compiled);
  const host = new ComponentHost(backend, granted(options), parts);
  try {
    return host.run(compiled);
  } finally {
    host.close();
  }
}
