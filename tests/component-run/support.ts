/**
 * Owns components of hand-written modules, and running them in this process. Knows the world that guests are built for; knows no
 * scenario.
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { compileComponent, ComponentHost, type ComponentOptions } from "../../host/component/index.js";
import { defaultBackend } from "../../host/net/default-backend.js";
import { wasmTools } from "../assembly/component-support.js";
import { wat } from "../guest/modules.js";
import { ROOT } from "../support/processes.js";

const WORLD = readFileSync(join(ROOT, "assembly/wasi/component/world.wit"), "utf8");

/** Imports that modules of tests take, by what they are called in them. */
const IMPORTS: Readonly<Record<string, string>> = {
  network: `"wasi:sockets/instance-network@0.2.0" "instance-network" (func $network (result i32))`,
  "drop-network": `"wasi:sockets/network@0.2.0" "[resource-drop]network" (func $drop-network (param i32))`,
  create: `"wasi:sockets/tcp-create-socket@0.2.0" "create-tcp-socket" (func $create (param i32 i32))`,
  "start-bind": `"wasi:sockets/tcp@0.2.0" "[method]tcp-socket.start-bind" (func $start-bind (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32))`,
  "finish-bind": `"wasi:sockets/tcp@0.2.0" "[method]tcp-socket.finish-bind" (func $finish-bind (param i32 i32))`,
  "start-connect": `"wasi:sockets/tcp@0.2.0" "[method]tcp-socket.start-connect" (func $start-connect (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32))`,
  "finish-connect": `"wasi:sockets/tcp@0.2.0" "[method]tcp-socket.finish-connect" (func $finish-connect (param i32 i32))`,
  "start-listen": `"wasi:sockets/tcp@0.2.0" "[method]tcp-socket.start-listen" (func $start-listen (param i32 i32))`,
  "finish-listen": `"wasi:sockets/tcp@0.2.0" "[method]tcp-socket.finish-listen" (func $finish-listen (param i32 i32))`,
  accept: `"wasi:sockets/tcp@0.2.0" "[method]tcp-socket.accept" (func $accept (param i32 i32))`,
  "local-address": `"wasi:sockets/tcp@0.2.0" "[method]tcp-socket.local-address" (func $local-address (param i32 i32))`,
  shutdown: `"wasi:sockets/tcp@0.2.0" "[method]tcp-socket.shutdown" (func $shutdown (param i32 i32 i32))`,
  "subscribe-socket": `"wasi:sockets/tcp@0.2.0" "[method]tcp-socket.subscribe" (func $subscribe-socket (param i32) (result i32))`,
  "drop-socket": `"wasi:sockets/tcp@0.2.0" "[resource-drop]tcp-socket" (func $drop-socket (param i32))`,
  "drop-pollable": `"wasi:io/poll@0.2.0" "[resource-drop]pollable" (func $drop-pollable (param i32))`,
  poll: `"wasi:io/poll@0.2.0" "poll" (func $poll (param i32 i32 i32))`,
  stdout: `"wasi:cli/stdout@0.2.0" "get-stdout" (func $stdout (result i32))`,
  write: `"wasi:io/streams@0.2.0" "[method]output-stream.write" (func $write (param i32 i32 i32 i32))`,
  flush: `"wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush" (func $flush (param i32 i32 i32 i32))`,
  timer: `"wasi:clocks/monotonic-clock@0.2.0" "subscribe-instant" (func $timer (param i64) (result i32))`,
  resolve: `"wasi:sockets/ip-name-lookup@0.2.0" "resolve-addresses" (func $resolve (param i32 i32 i32 i32))`,
  "create-udp": `"wasi:sockets/udp-create-socket@0.2.0" "create-udp-socket" (func $create-udp (param i32 i32))`,
  "bind-udp": `"wasi:sockets/udp@0.2.0" "[method]udp-socket.start-bind" (func $bind-udp (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32))`,
  "finish-udp": `"wasi:sockets/udp@0.2.0" "[method]udp-socket.finish-bind" (func $finish-udp (param i32 i32))`,
  "stream-udp": `"wasi:sockets/udp@0.2.0" "[method]udp-socket.stream" (func $stream-udp (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32))`,
  "send-udp": `"wasi:sockets/udp@0.2.0" "[method]outgoing-datagram-stream.send" (func $send-udp (param i32 i32 i32 i32))`,
  exit: `"wasi:cli/exit@0.2.0" "exit" (func $exit (param i32))`,
};

/** A core module whose `run` has this body; $a, $b and $c are its locals. Room for results is at 0, 64 and 128. */
function module(imports: readonly string[], body: string, allocating: string): Uint8Array {
  const listed = imports.map((name) => `(import ${IMPORTS[name] ?? ""})`);
  return wat(`(module ${listed.join("\n")}
    (memory (export "memory") 1 80)
    (global $top (mut i32) (i32.const 4096))
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (local i32)
      ${allocating}
      (local.set 4 (global.get $top))
      (global.set $top (i32.and (i32.add (i32.add (global.get $top) (local.get 3)) (i32.const 7)) (i32.const -8)))
      (local.get 4))
    (func (export "wasi:cli/run@0.2.0#run") (result i32) (local $a i32) (local $b i32) (local $c i32)
      ${body}))`);
}

/** The bytes of a component. @param allocating what its allocator does first */
export async function component(imports: readonly string[], body: string, allocating = ""): Promise<Uint8Array> {
  const { componentEmbed, componentNew } = await wasmTools();
  const binary = module(imports, body, allocating);
  const embedded = await componentEmbed({ binary, witSource: WORLD, worldName: "guest" });
  return await componentNew(embedded, []);
}

/** One that imports a function of an interface that is described here, and exports nothing. */
export async function importing(interfaceName: string, functionName: string, wit: string): Promise<Uint8Array> {
  const { componentEmbed, componentNew } = await wasmTools();
  const binary = wat(`(module (import "${interfaceName}" "${functionName}" (func (param i32)))
    (memory (export "memory") 1) (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0)))`);
  const witSource = `package tests:importing;\nworld guest { import ${interfaceName}; }\n${wit}`;
  return await componentNew(await componentEmbed({ binary, witSource, worldName: "guest" }), []);
}

/** What a component is given in this process. */
export function granted(options: Partial<ComponentOptions>): ComponentOptions {
  return {
    args: [],
    env: [],
    stdio: [{ fd: 0 }, { fd: 1 }, { fd: 2 }],
    random: (target) => void target.fill(4),
    sockets: { listeners: [], mayOpen: true, onRefused: () => undefined },
    directories: [],
    ...options,
  };
}

/** Runs one in this process. @returns its status */
export async function runHere(bytes: Uint8Array, options: Partial<ComponentOptions> = {}): Promise<number> {
  const compiled = await compileComponent(bytes);
  const host = new ComponentHost(defaultBackend(), granted(options));
  try {
    return host.run(compiled);
  } finally {
    host.close();
  }
}

/** 127.0.0.1 and a port as parameters. */
export const loopback = (port: string): string => {
  const zeros = "(i32.const 0)".repeat(6);
  return `(i32.const 0) ${port} (i32.const 127) (i32.const 0) (i32.const 0) (i32.const 1) ${zeros}`;
};
