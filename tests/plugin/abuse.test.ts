/** Plugins that take what they can get: each ends alone, its host and a neighbour go on serving, and nothing is left of it. */

import { beforeAll, describe, expect, test } from "vitest";
import { compilePlugin, PluginHost, type PluginCode, type PluginOptions } from "wasyncore/plugin";
import { BUILD_TIMEOUT_MS } from "../assembly/programs.js";
import { wat } from "../guest/modules.js";
import { eventually } from "../support/descriptors.js";
import {
  ask,
  buildPlugin,
  Client,
  createHost,
  leftFromNow,
  NOTHING,
  portOf,
  type Told,
  type Way,
  WAYS,
} from "./support.js";

const LISTEN = ["127.0.0.1:0"];
const MIB = 2 ** 20;
const CONNECTIONS = 1000;
let code: PluginCode;

beforeAll(async () => {
  code = await compilePlugin(await buildPlugin("first"));
  await using host = new PluginHost();
  await host.start(code, { listen: LISTEN });
}, BUILD_TIMEOUT_MS);

interface Abused {
  readonly host: PluginHost;
  readonly told: Told;
  readonly port: number;
}

/** A plugin that is abused beside one that serves; at the end the neighbour serves, and nothing is left of either. */
async function beside(run: Way, options: PluginOptions, abuse: (abused: Abused) => Promise<void>): Promise<void> {
  const left = leftFromNow();
  const { host, told } = createHost();
  await host.start(code, { name: "good", run, listen: LISTEN });
  const neighbour = await Client.connect(portOf(host, "good"));
  await host.start(code, { name: "bad", run, listen: LISTEN, ...options });
  await abuse({ host, told, port: portOf(host, "bad") });
  expect(await neighbour.ask("hello")).toBe("hello");
  expect(await ask(portOf(host, "good"), "hello")).toBe("hello");
  await neighbour.end();
  await host.close({ timeoutMs: 0 });
  await eventually(left, NOTHING);
}

describe.each(WAYS)("a plugin that runs %s", (run) => {
  test("and computes without end is ended, and started again", () =>
    beside(
      run,
      { limits: { cpuMsPerTurn: 200 }, restart: { minDelayMs: 0, maxDelayMs: 0 } },
      async ({ told, port }) => {
        const client = await Client.connect(port);
        client.socket.write("spin");
        expect(await told.ending("bad")).toMatchObject({ kind: "limit", limit: "cpuMsPerTurn" });
        expect(await client.closed).toBe("ECONNRESET");
        await told.until("up", 2, "bad");
        expect(await ask(port, "hello")).toBe("hello");
      },
    ));

  test("and uses CPU time over many turns is ended when that is used up", () =>
    beside(run, { limits: { cpuMsTotal: 300 }, restart: "never" }, async ({ told, port }) => {
      const client = await Client.connect(port);
      while ((await client.ask("hello")) === "hello");
      expect(await told.ending("bad")).toMatchObject({ kind: "limit", limit: "cpuMsTotal" });
    }));

  test("and takes memory gets as much as it may, and goes on", () =>
    beside(run, { limits: { maxMemoryBytes: 8 * MIB } }, async ({ host, port }) => {
      expect(await ask(port, "grow")).toBe("128");
      expect(await ask(port, "hello")).toBe("hello");
      await eventually(() => host.snapshot("bad").memoryBytes, 8 * MIB);
    }));

  test("and keeps output for a peer that never reads ends with its memory", () =>
    beside(run, { limits: { maxMemoryBytes: 16 * MIB }, restart: "never" }, async ({ told, port }) => {
      const client = await Client.connect(port);
      client.socket.pause();
      client.socket.write("flood");
      const ending = await told.ending("bad");
      expect(ending).toMatchObject({ kind: "trap", memory: { maxBytes: 16 * MIB } });
      // An output that it keeps is a MiB: there was not room for another one.
      const { bytes = 0 } = (ending.kind === "trap" && ending.memory) || {};
      expect(bytes).toBeGreaterThan(8 * MIB);
      expect(bytes).toBeLessThanOrEqual(16 * MIB);
      client.socket.destroy();
    }));

  test("has as many connections as it may, and the others wait", () =>
    beside(run, { limits: { maxConnections: 3 } }, async ({ host, told, port }) => {
      const clients = await Promise.all(Array.from({ length: 3 }, () => Client.connect(port)));
      for (const client of clients) expect(await client.ask("hello")).toBe("hello");
      const fourth = await Client.connect(port);
      const answer = fourth.ask("hello");
      expect((await told.until("limit", 1, "bad"))["limit"]).toBe("maxConnections");
      expect(host.snapshot("bad").connections).toBe(3);
      await clients[0]?.end();
      expect(await answer).toBe("hello");
    }));

  test(`and traps with ${CONNECTIONS} connections open resets them all`, () =>
    beside(
      run,
      { limits: { maxConnections: "unlimited", maxDescriptors: "unlimited" } },
      async ({ host, told, port }) => {
        const clients: Client[] = [];
        while (clients.length < CONNECTIONS) {
          clients.push(...(await Promise.all(Array.from({ length: 100 }, () => Client.connect(port)))));
        }
        await eventually(() => host.snapshot("bad").connections, CONNECTIONS);
        clients[0]?.socket.write("trap");
        const ends = await Promise.all(clients.map(({ closed }) => closed));
        expect(new Set(ends)).toEqual(new Set(["ECONNRESET"]));
        await told.until("up", 2, "bad");
        expect(await ask(port, "hello")).toBe("hello");
      },
    ));

  test("and fails again and again is given up", () =>
    beside(run, { name: "bad" }, async ({ host, told }) => {
      const restart = { when: "always", minDelayMs: 0, maxDelayMs: 0, maxRestarts: 10, windowMs: 600_000 } as const;
      // Comes up, and traps in its second turn.
      const module = wat(`(module
        (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (func (export "_initialize"))
        (func (export "pending") (result i32) (i32.const 1))
        (func (export "turn") (param i64) (result i32)
          (drop (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)))
          unreachable))`);
      await host.start(module, { name: "bomb", run, restart });
      await told.until("down", 1, "bomb");
      expect(host.snapshot("bomb")).toMatchObject({ state: "down", restarts: 10, descriptors: 0 });
      await host.stop("bomb");
    }));

  test("and prints without end loses lines, and does not fill the host's memory", () =>
    beside(run, { name: "bad" }, async ({ host, told }) => {
      const module = wat(`(module
        (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 2)
        (data (i32.const 0) "\\10\\00\\00\\00\\00\\80\\00\\00")
        (func (export "_initialize") (memory.fill (i32.const 16) (i32.const 97) (i32.const 32768))
          (i32.store8 (i32.const 32000) (i32.const 10)))
        (func (export "pending") (result i32) (i32.const 1))
        (func (export "turn") (param i64) (result i32)
          (drop (call $poll (i32.const 70000) (i32.const 70064) (i32.const 1) (i32.const 70128)))
          (loop $l (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))) (br $l))
          (i32.const 0)))`);
      await host.start(module, { name: "loud", run, stdio: "lines", restart: "never", limits: { cpuMsPerTurn: 100 } });
      expect(await told.ending("loud")).toMatchObject({ kind: "limit", limit: "cpuMsPerTurn" });
      expect(told.events.some(({ name }) => name === "line")).toBe(true);
    }));

  test("and gives calls nonsense gets errors, and goes on", () =>
    beside(run, { name: "bad" }, async ({ host, told }) => {
      // At 0 a vector that is longer than the memory; each call that succeeds is counted, and the count is the exit status.
      const calls = [
        ...["-1", "4000", "2147483647"].map(
          (fd) => `(call $write (i32.const ${fd}) (i32.const 32) (i32.const 1) (i32.const 8))`,
        ),
        `(call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))`,
        `(call $write (i32.const 1) (i32.const 0) (i32.const -1) (i32.const 8))`,
        `(call $write (i32.const 1) (i32.const -8) (i32.const 1) (i32.const 8))`,
        `(call $write (i32.const 1) (i32.const 32) (i32.const 1) (i32.const -4))`,
        `(call $poll (i32.const 65536) (i32.const 65536) (i32.const -1) (i32.const 8))`,
        `(call $poll (i32.const -48) (i32.const 65536) (i32.const 1) (i32.const 8))`,
        `(call $accept (i32.const -1) (i32.const 0) (i32.const 8))`,
        `(call $accept (i32.const 3) (i32.const 0) (i32.const -1))`,
      ];
      const module = wat(`(module
        (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "sock_accept" (func $accept (param i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 128)
        (data (i32.const 0) "\\40\\00\\00\\00\\ff\\ff\\ff\\ff")
        (data (i32.const 32) "\\40\\00\\00\\00\\04\\00\\00\\00")
        (func (export "_initialize"))
        (func (export "pending") (result i32) (i32.const 1))
        (func (export "turn") (param i64) (result i32) (local $left i32) (local $taken i32)
          (local.set $left (i32.const 1000))
          (loop $l
            ${calls.map((call) => `(local.set $taken (i32.add (local.get $taken) (i32.eqz ${call})))`).join("\n")}
            (br_if $l (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
          ;; 100,000 subscriptions: clocks that are due.
          (drop (call $poll (i32.const 65536) (i32.const 65536) (i32.const 100000) (i32.const 8)))
          (call $exit (local.get $taken))
          (i32.const 0)))`);
      await host.start(module, {
        name: "nonsense",
        run,
        listen: LISTEN,
        restart: "never",
        limits: { cpuMsPerTurn: 10_000 },
      });
      expect(await told.ending("nonsense")).toEqual({ kind: "exit", code: 0 });
    }));

  test("and is stopped while it computes is ended in the end", () =>
    beside(run, { limits: { cpuMsPerTurn: 1000 }, restart: "never" }, async ({ host, port }) => {
      const client = await Client.connect(port);
      client.socket.write("spin");
      await host.stop("bad", { timeoutMs: 1 });
      expect(await client.closed).toBe("ECONNRESET");
    }));
});

describe.each([
  ["fills memory", `(memory.fill (i32.const 4096) (i32.const 1) (i32.const 26000000))`],
  ["copies memory", `(memory.copy (i32.const 4096) (i32.const 8192) (i32.const 26000000))`],
  ["fills a table", `(table.fill $t (i32.const 0) (ref.null func) (i32.const 1000000))`],
])("an isolated plugin that %s without end", (_, instruction) => {
  const module = (): Uint8Array =>
    wat(`(module
      (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
      (memory (export "memory") 500) (table $t 1000000 funcref)
      (func (export "_start")
        (drop (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)))
        (loop $l ${instruction} (br $l))))`);

  test("is ended when its turn has taken its time", async () => {
    const { host, told } = createHost();
    await host.start(module(), { name: "bad", restart: "never", limits: { cpuMsPerTurn: 200 } });
    expect(await told.ending("bad")).toMatchObject({ kind: "limit", limit: "cpuMsPerTurn" });
  });

  test("is stopped at once", async () => {
    const { host, told } = createHost();
    await host.start(module(), { name: "bad", restart: "never", limits: { cpuMsPerTurn: "unlimited" } });
    await host.stop("bad", { timeoutMs: 0 });
    expect(await told.ending("bad")).toEqual({ kind: "stopped", isGraceful: false });
  });
});

test("a shared plugin whose every turn is one long call of the host is ended", async () => {
  // random_get of 240 MB takes some tenths of a second; after that the turn waits for a millisecond, and is over.
  const module = wat(`(module
    (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 3800)
    (global $turns (mut i32) (i32.const 0))
    (func (export "_initialize") (i64.store (i32.const 24) (i64.const 1000000)))
    (func (export "turn") (param i64) (result i32)
      (if (global.get $turns) (then (drop (call $random (i32.const 4096) (i32.const 240000000)))))
      (global.set $turns (i32.add (global.get $turns) (i32.const 1)))
      (drop (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)))
      (i32.const 0))
    (func (export "pending") (result i32) (i32.const 1)))`);
  const { host, told } = createHost();
  await host.start(module, { name: "bad", run: "shared", restart: "never", limits: { cpuMsPerTurn: 20 } });
  expect(await told.ending("bad")).toMatchObject({ kind: "limit", limit: "cpuMsPerTurn" });
  expect(host.snapshot("bad").turns).toBeLessThan(5);
});

test(`${CONNECTIONS} peers that send a byte at a time do not keep others waiting`, async () => {
  const limits = { maxConnections: "unlimited", maxDescriptors: "unlimited" } as const;
  await beside("isolated", { limits }, async ({ port }) => {
    const clients = await Promise.all(Array.from({ length: CONNECTIONS }, () => Client.connect(port)));
    for (let round = 0; round < 3; round++) {
      for (const client of clients) client.socket.write("x");
      expect(await ask(port, "hello")).toBe("hello");
    }
    for (const client of clients) client.socket.destroy();
  });
});
