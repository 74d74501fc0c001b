/** Plugins from their start to their end, in both ways to run. */

import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { compilePlugin, PluginHost, type PluginCode } from "wasyncore/plugin";
import { BUILD_TIMEOUT_MS } from "../assembly/programs.js";
import { wat } from "../guest/modules.js";
import { eventually } from "../support/descriptors.js";
import { ask, buildPlugin, Client, createHost, leftFromNow, NOTHING, portOf, WAYS } from "./support.js";

const LISTEN = ["127.0.0.1:0"];
let first: Uint8Array;
let second: Uint8Array;
let command: Uint8Array;
let code: PluginCode;

beforeAll(async () => {
  [first, second, command] = await Promise.all([
    buildPlugin("first"),
    buildPlugin("second"),
    buildPlugin("third", true),
  ]);
  code = await compilePlugin(first);
  // Node keeps some descriptors from the first thread on.
  await using host = new PluginHost();
  await host.start(code, { listen: LISTEN });
}, BUILD_TIMEOUT_MS);

describe.each(WAYS)("a plugin that runs %s", (run) => {
  test("serves, is counted, and leaves nothing", async () => {
    const left = leftFromNow();
    const { host, told } = createHost();
    expect(await host.start(code, { name: "echo", run, listen: LISTEN })).toBe("echo");
    const port = portOf(host, "echo");
    const client = await Client.connect(port);
    expect(await client.ask("hello")).toBe("hello");
    // The answer may arrive before it is counted.
    await eventually(() => host.snapshot("echo").bytesOut, 5);
    expect(host.snapshot("echo")).toMatchObject({
      ...{ name: "echo", run, state: "running", connections: 1, accepted: 1, bytesIn: 5, restarts: 0 },
    });
    expect(host.snapshot("echo").memoryBytes).toBeGreaterThanOrEqual(65_536);
    expect(host.snapshot("echo").turns).toBeGreaterThan(0);
    await client.end();
    await eventually(() => host.snapshot("echo").connections, 0);
    await host.stop("echo");
    expect(await told.ending()).toEqual({ kind: "stopped", isGraceful: true });
    expect(host.names).toEqual([]);
    await host.close();
    await eventually(left, NOTHING);
  });

  test("is stopped gracefully: its connections go on, and new ones are not accepted", async () => {
    const { host, told } = createHost();
    await host.start(code, { name: "echo", run, listen: LISTEN });
    const client = await Client.connect(portOf(host, "echo"));
    await client.ask("hello");
    const stopped = host.stop("echo", { timeoutMs: 60_000 });
    expect(host.snapshot("echo").state).toBe("stopping");
    expect(await client.ask("still here")).toBe("still here");
    await client.end();
    await stopped;
    expect(await told.ending()).toEqual({ kind: "stopped", isGraceful: true });
  });

  test("is ended at once when its time to stop is over, and its connections are reset", async () => {
    const { host, told } = createHost();
    await host.start(code, { name: "echo", run, listen: LISTEN });
    const client = await Client.connect(portOf(host, "echo"));
    await client.ask("hello");
    await host.stop("echo", { timeoutMs: 1 });
    expect(await client.closed).toBe("ECONNRESET");
    expect(await told.ending()).toEqual({ kind: "stopped", isGraceful: false });
  });

  test("that traps ends alone, with a backtrace, and is started again", async () => {
    const { host, told } = createHost();
    for (const name of ["bad", "good"]) {
      await host.start(code, { name, run, listen: LISTEN, restart: { minDelayMs: 0, maxDelayMs: 0 } });
    }
    const neighbour = await Client.connect(portOf(host, "good"));
    const clients = await Promise.all(Array.from({ length: 20 }, () => Client.connect(portOf(host, "bad"))));
    for (const client of clients) await client.ask("hello");
    clients[0]?.socket.write("trap");
    expect(await Promise.all(clients.map(({ closed }) => closed))).toEqual(clients.map(() => "ECONNRESET"));
    const ending = await told.ending("bad");
    expect(ending).toMatchObject({ kind: "trap", error: { code: "ERR_GUEST_TRAP", message: "unreachable" } });
    if (ending.kind === "trap") expect(ending.error.frames.length).toBeGreaterThan(2);
    await told.until("up", 2, "bad");
    expect(await ask(portOf(host, "bad"), "hello")).toBe("hello");
    expect(await neighbour.ask("hello")).toBe("hello");
    expect(host.snapshot("bad")).toMatchObject({ restarts: 1, accepted: 21 });
  });

  test("that exits is started again on failure only, and refuses connections once it is down", async () => {
    const { host, told } = createHost();
    await host.start(code, { name: "echo", run, listen: LISTEN, restart: "never" });
    const port = portOf(host, "echo");
    const client = await Client.connect(port);
    client.socket.write("exit");
    expect(await told.until("down")).toEqual({ plugin: "echo", ending: { kind: "exit", code: 7 } });
    expect(host.snapshot("echo").state).toBe("down");
    await expect(Client.connect(port)).rejects.toThrow("ECONNREFUSED");
  });

  test("is restarted with back-off, and not without end", async () => {
    const { host, told } = createHost();
    const restart = { minDelayMs: 1, factor: 2, maxDelayMs: 3, maxRestarts: 4, windowMs: 600_000 };
    await host.start(code, { name: "echo", run, listen: LISTEN, restart });
    const port = portOf(host, "echo");
    for (let start = 1; start <= 5; start++) {
      await told.until("up", start);
      const client = await Client.connect(port);
      client.socket.write("trap");
      await client.closed;
    }
    await told.until("down");
    const delays = told.events.filter(({ name }) => name === "restart").map(({ details }) => details["delayMs"]);
    expect(delays).toEqual([1, 2, 3, 3]);
  });

  test.each(["trap", "exit", "spin"])("that fails with a %s before it serves is not started", async (how) => {
    const left = leftFromNow();
    const { host } = createHost();
    const limits = { cpuMsPerTurn: 100 };
    const starting = host.start(code, { name: "echo", run, listen: LISTEN, env: { AT_START: how }, limits });
    await expect(starting).rejects.toMatchObject({ name: "PluginError", code: "ERR_PLUGIN_START" });
    expect(host.names).toEqual([]);
    await host.close();
    await eventually(left, NOTHING);
  });

  test("that traps with all the memory it may have is not started, and says so", async () => {
    const { host, told } = createHost();
    const module = wat(`(module (memory (export "memory") 1) (func (export "_initialize") unreachable)
      (func (export "turn") (param i64) (result i32) (i32.const 0)) (func (export "pending") (result i32) (i32.const 0)))`);
    const starting = host.start(module, { name: "full", run, limits: { maxMemoryBytes: 65_536 } });
    await expect(starting).rejects.toThrow(
      "full did not start: it trapped: unreachable, with 65536 of the 65536 bytes of memory that its policy allows (maxMemoryBytes)",
    );
    expect(await told.ending("full")).toMatchObject({ kind: "trap", memory: { bytes: 65_536, maxBytes: 65_536 } });
    // What it does not limit is not said to be limited by it.
    await expect(host.start(module, { run, limits: { maxMemoryBytes: Infinity } })).rejects.toThrow(/unreachable$/);
  });

  test("with an endless start function is not started", async () => {
    const { host } = createHost();
    const module = wat(`(module (memory (export "memory") 1) (start $s) (func $s (loop $l (br $l)))
      (func (export "_initialize")) (func (export "turn") (param i64) (result i32) (i32.const 0))
      (func (export "pending") (result i32) (i32.const 0)))`);
    const starting = host.start(module, { run, limits: { cpuMsPerTurn: 50 } });
    await expect(starting).rejects.toThrow("cpuMsPerTurn");
  });

  test("is replaced without a refused connection, and the old one ends with its connections", async () => {
    const { host, told } = createHost();
    await host.start(code, { name: "echo", run, listen: LISTEN, stopTimeoutMs: 60_000 });
    const port = portOf(host, "echo");
    const old = await Client.connect(port);
    expect(await old.ask("who")).toBe("first");
    const replacing = host.replace("echo", second);
    const answers: string[] = [];
    let isOver = false;
    const asking = (async () => {
      while (!isOver) answers.push(await ask(port, "who"));
    })();
    await replacing;
    isOver = true;
    await asking;
    expect(new Set([...answers, "first", "second"])).toEqual(new Set(["first", "second"]));
    expect(await ask(port, "who")).toBe("second");
    expect(await old.ask("who")).toBe("first");
    await old.end();
    expect(await told.ending()).toEqual({ kind: "stopped", isGraceful: true });
    expect(host.snapshot("echo")).toMatchObject({ replacements: 1, restarts: 0, state: "running" });
  });

  test("goes on where its replacement does not come up", async () => {
    const { host } = createHost();
    await host.start(code, { name: "echo", run, listen: LISTEN });
    const port = portOf(host, "echo");
    const replacing = host.replace("echo", second, { run, listen: [`127.0.0.1:${port}`], env: { AT_START: "trap" } });
    await expect(replacing).rejects.toMatchObject({ code: "ERR_PLUGIN_START" });
    expect(await ask(port, "who")).toBe("first");
    expect(host.snapshot("echo")).toMatchObject({ replacements: 0, state: "running" });
  });

  test("has its output as lines", async () => {
    const { host, told } = createHost();
    await host.start(code, { name: "echo", run, listen: LISTEN, stdio: "lines" });
    await ask(portOf(host, "echo"), "say");
    expect(await told.until("line")).toEqual({ plugin: "echo", stream: "stdout", line: "one line" });
  });

  test("has the files beneath the directories that it is granted, and no others", async () => {
    const directory = mkdtempSync(join(tmpdir(), "wasyncore-"));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    mkdirSync(join(directory, "shared"));
    writeFileSync(join(directory, "shared/note.txt"), "a note");
    writeFileSync(join(directory, "secret.txt"), "a secret");
    symlinkSync("../secret.txt", join(directory, "shared/link.txt"));
    const left = leftFromNow();
    const { host } = createHost();
    const dirs = [`${directory}/shared::/data:ro`];
    await host.start(code, { name: "files", run, listen: LISTEN, dirs });
    const port = portOf(host, "files");
    expect(await ask(port, "read note.txt")).toBe("a note");
    // perm, and rofs for what would write.
    expect(await ask(port, "read ../secret.txt")).toBe("errno 63");
    expect(await ask(port, "read link.txt")).toBe("errno 63");
    expect(await ask(port, "write note.txt")).toBe("errno 69");
    await expect(host.start(code, { name: "none", run, dirs: [`${directory}/none::/data`] })).rejects.toThrow(
      expect.objectContaining({ message: expect.stringContaining("there is no such directory") as string }),
    );
    await host.close();
    await eventually(left, NOTHING);
  });

  test("writes a part of what is too much for one call", async () => {
    const { host } = createHost();
    await host.start(code, { name: "echo", run, listen: LISTEN, stdio: "lines" });
    expect(await ask(portOf(host, "echo"), "huge")).toBe("65536");
  });

  test("is started again where its restart became due during a replacement that failed", async () => {
    const { host, told } = createHost();
    const restart = { when: "always", minDelayMs: 1 } as const;
    await host.start(code, { name: "echo", run, listen: LISTEN, restart });
    await ask(portOf(host, "echo"), "trap");
    const options = { run, listen: LISTEN, env: { AT_START: "spin" }, limits: { cpuMsPerTurn: 300 } } as const;
    await expect(host.replace("echo", second, options)).rejects.toThrow(
      expect.objectContaining({ code: "ERR_PLUGIN_START" }),
    );
    await told.until("up", 2);
    expect(await ask(portOf(host, "echo"), "who")).toBe("first");
  });

  test("has the lifetime of the policy that it was replaced with", async () => {
    const { host, told } = createHost();
    await host.start(code, { name: "echo", run, listen: LISTEN });
    await host.replace("echo", second, { run, listen: LISTEN, limits: { lifetimeMs: 100 }, stopTimeoutMs: 0 });
    await told.until("down");
    expect(told.events).toContainEqual(
      expect.objectContaining({ name: "limit", details: expect.objectContaining({ limit: "lifetimeMs" }) as object }),
    );
  });

  test("ends when its lifetime is over", async () => {
    const { host, told } = createHost();
    await host.start(code, { name: "echo", run, listen: LISTEN, limits: { lifetimeMs: 20 } });
    expect((await told.until("limit"))["limit"]).toBe("lifetimeMs");
    await told.until("down");
    expect(host.snapshot("echo").state).toBe("down");
  });
});

describe("a command", () => {
  test("runs isolated, where it may block", async () => {
    const { host } = createHost();
    await host.start(command, { name: "echo", listen: LISTEN });
    expect(await ask(portOf(host, "echo"), "who")).toBe("third");
    await host.stop("echo");
  });

  test("that exits at once replaces nothing", async () => {
    const { host } = createHost();
    await host.start(command, { name: "echo", listen: LISTEN });
    const nothing = wat(`(module (memory (export "memory") 1) (func (export "_start")))`);
    await expect(host.replace("echo", nothing)).rejects.toThrow(expect.objectContaining({ code: "ERR_PLUGIN_START" }));
    expect(await ask(portOf(host, "echo"), "who")).toBe("third");
  });

  test("does not run shared", async () => {
    const { host } = createHost();
    const starting = host.start(command, { name: "echo", run: "shared", listen: LISTEN });
    await expect(starting).rejects.toMatchObject({ code: "ERR_PLUGIN_BLOCKING" });
  });

  test("that is to run shared is down, where the plugin is to be kept", async () => {
    const { host, told } = createHost();
    const restart = { when: "failure", minDelayMs: 1, maxRestarts: 2 } as const;
    await host.start(command, { name: "echo", run: "shared", listen: LISTEN, restart, onStartFailure: "restart" });
    expect((await told.until("down"))["ending"]).toMatchObject({
      ...{ kind: "failed", error: { code: "ERR_PLUGIN_BLOCKING" } },
    });
  });
});

describe("a host", () => {
  test("removes the file of a Unix socket, and not another one in its place", async () => {
    const directory = mkdtempSync(join(tmpdir(), "wasyncore-"));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const path = join(directory, "socket");
    const { host } = createHost();
    await host.start(code, { name: "one", listen: [path] });
    expect(existsSync(path)).toBe(true);
    await host.stop("one");
    expect(existsSync(path)).toBe(false);
    await host.start(code, { name: "other", listen: [path] });
    rmSync(path);
    writeFileSync(path, "not the host's");
    await host.stop("other");
    expect(readFileSync(path, "utf8")).toBe("not the host's");
  });

  test("has each name once, and says which it does not have", async () => {
    const { host } = createHost();
    await host.start(code, { name: "echo", run: "shared", listen: LISTEN });
    await expect(host.start(code, { name: "echo", listen: LISTEN })).rejects.toMatchObject({ code: "ERR_PLUGIN_NAME" });
    await expect(host.stop("other")).rejects.toMatchObject({ code: "ERR_PLUGIN_NAME" });
    await expect(host.replace("other", second)).rejects.toMatchObject({ code: "ERR_PLUGIN_NAME" });
    expect(() => host.snapshot("other")).toThrow("there is no plugin named other");
    expect(host.snapshot().map(({ name }) => name)).toEqual(["echo"]);
  });

  test("that is closed starts nothing, and one that is being started is stopped", async () => {
    const { host } = createHost();
    const starting = host.start(code, { name: "echo", listen: LISTEN });
    const closing = host.close({ timeoutMs: 0 });
    await expect(starting).rejects.toMatchObject({ name: "PluginError" });
    await closing;
    await expect(host.start(code)).rejects.toMatchObject({ code: "ERR_PLUGIN_HOST_CLOSED" });
  });

  test("refuses wrong arguments and modules by name", async () => {
    const { host } = createHost();
    await expect(host.start(code, { run: "both" as "shared" })).rejects.toMatchObject({ code: "ERR_INVALID_POLICY" });
    await expect(host.start(7 as unknown as string)).rejects.toThrow(TypeError);
    await expect(host.start(code, { name: "" })).rejects.toThrow(TypeError);
    await expect(host.start("/nowhere/plugin.wasm")).rejects.toMatchObject({ code: "ENOENT" });
    await expect(host.start(Uint8Array.of(1, 2, 3))).rejects.toMatchObject({ code: "ERR_PLUGIN_FORMAT" });
    const nothing = wat(`(module (memory (export "memory") 1))`);
    await expect(host.start(nothing)).rejects.toMatchObject({ code: "ERR_GUEST_EXPORTS" });
    const foreign = wat(`(module (import "env" "f" (func)) (memory (export "memory") 1) (func (export "_start")))`);
    await expect(host.start(foreign)).rejects.toMatchObject({ cause: { code: "ERR_GUEST_IMPORTS" } });
    const large = wat(`(module (memory (export "memory") 3) (func (export "_start")))`);
    await expect(host.start(large, { limits: { maxMemoryBytes: 131_072 } })).rejects.toMatchObject({
      code: "ERR_PLUGIN_MEMORY",
    });
  });

  test("takes a path, and compiles the same bytes once", async () => {
    const directory = mkdtempSync(join(tmpdir(), "plugin-"));
    try {
      const path = join(directory, "echo.wasm");
      writeFileSync(path, first);
      const { host } = createHost();
      expect(await host.start(path, { run: "shared", listen: LISTEN })).toBe("echo.wasm");
      expect(await compilePlugin(path)).toBe(await compilePlugin(path));
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  test("goes on where a listener of its events throws", async () => {
    const { host, told } = createHost();
    host.on("up", () => {
      throw new Error("of a listener");
    });
    await host.start(code, { name: "echo", run: "shared", listen: LISTEN });
    await told.until("up");
    expect(await ask(portOf(host, "echo"), "hello")).toBe("hello");
  });
});

test("options and names of a wrong type are refused, and nothing is stopped", async () => {
  const { host } = createHost();
  const code = "ERR_INVALID_ARG_TYPE";
  const wrong: readonly unknown[] = [null, 1, "1", { timeoutMs: "1" }, { timeoutMs: null }, { timeoutMs: Number.NaN }];
  for (const options of wrong) {
    await expect(host.close(options as object)).rejects.toMatchObject({ code });
    await expect(host.stop("none", options as object)).rejects.toMatchObject({ code });
  }
  for (const name of [undefined, null, 1, {}]) {
    await expect(host.stop(name as string)).rejects.toMatchObject({ code });
    await expect(host.replace(name as string, new Uint8Array(0))).rejects.toMatchObject({ code });
  }
  for (const options of [[], new Date()]) {
    await expect(host.start(new Uint8Array(0), options as object)).rejects.toThrow("must be an object");
  }
  await expect(host.stop("none")).rejects.toMatchObject({ code: "ERR_PLUGIN_NAME" });
});
