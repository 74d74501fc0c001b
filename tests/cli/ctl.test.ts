/** `wasyncore ctl`, and the control socket of `wasyncore serve` with clients that do as they like. */

import { once } from "node:events";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, onTestFinished, test } from "vitest";
import { ask, Client } from "../plugin/support.js";
import { Running, start } from "../support/processes.js";
import { controlClient, conversation, Directory, ECHO, MAIN, request, Serve, TIMEOUT } from "./serve-support.js";

async function served(...plugins: readonly object[]): Promise<Serve> {
  const directory = await Directory.create();
  directory.plugins(...plugins);
  return directory.serve().up();
}

describe("ctl", TIMEOUT, () => {
  test("lists the plugins, as a table and as JSON", async () => {
    const serve = await served(ECHO, {
      ...ECHO,
      name: "much-longer-name",
      env: { AT_START: "exit" },
      restart: "never",
    });
    const { stdout, stderr, code } = await serve.ctl("list");
    expect({ stderr, code }).toEqual({ stderr: "", code: 0 });
    const [header = "", first = "", second = "", empty, ending] = stdout.split("\n");
    expect(first.indexOf("running")).toBe(header.indexOf("STATE"));
    expect(second.indexOf("down")).toBe(header.indexOf("STATE"));
    expect(first).toMatch(/^echo +running +web=127\.0\.0\.1:\d+ +0 +0 +\d+s +\d+\.\d s +\d+ kB +\/.*\/one\.wasm$/);
    expect([empty, ending]).toEqual(["", "much-longer-name: exited with 3"]);
    const json = JSON.parse((await serve.ctl("list", "--json")).stdout) as unknown;
    expect(json).toMatchObject([
      { name: "echo", state: "running" },
      { name: "much-longer-name", state: "down" },
    ]);
    const stats = JSON.parse((await serve.ctl("stats")).stdout) as unknown;
    expect(stats).toMatchObject([
      { name: "echo", state: "running", accepted: 0, bytesIn: 0 },
      { lastEnding: { kind: "exit" } },
    ]);
  });

  test("stops, restarts and replaces a plugin", async () => {
    const serve = await served(ECHO);
    const port = await serve.pluginPort("echo");
    expect(await serve.ctl("stop", "echo")).toMatchObject({ code: 0, stdout: "echo: stopped\n" });
    await expect(ask(port, "who")).rejects.toThrow("ECONNREFUSED");
    expect(await serve.list()).toMatchObject([{ name: "echo", state: "stopped" }]);
    expect(await serve.ctl("stop", "echo")).toMatchObject({ code: 0 });
    expect(await serve.ctl("restart", "echo")).toMatchObject({ code: 0, stdout: "echo: restarted\n" });

    const [{ listeners } = { listeners: [] }] = (await serve.list()) as { listeners: string[] }[];
    const now = Number(/:(\d+)$/.exec(listeners[0] ?? "")?.[1]);
    const client = await Client.connect(now);
    expect(await client.ask("who")).toBe("one");
    expect(await serve.ctl("replace", "echo", "two.wasm")).toMatchObject({ code: 0, stdout: "echo: replaced\n" });
    expect(await client.ask("who")).toBe("one");
    expect(await ask(now, "who")).toBe("two");
    expect(await serve.ctl("restart", "echo")).toMatchObject({ code: 0 });
    expect(await ask(now, "who")).toBe("two");
    expect(await serve.list()).toMatchObject([{ replacements: 2, restarts: 0 }]);
  });

  test("says what could not be done", async () => {
    const serve = await served(ECHO);
    const port = await serve.pluginPort("echo");
    expect(await serve.ctl("stop", "ehco")).toMatchObject({
      code: 1,
      stderr: "wasyncore: there is no plugin named ehco: there are echo\n",
    });
    expect((await serve.ctl("replace", "echo", "none.wasm")).stderr).toMatch(
      /none\.wasm cannot be run: there is no such file/,
    );
    const done = join(serve.directory, "bad.wasm");
    writeFileSync(done, "text");
    expect(await serve.ctl("replace", "echo", "bad.wasm")).toMatchObject({ code: 1 });
    expect((await serve.ctl("logs", "ehco")).stderr).toContain("no plugin named ehco");
    expect(await ask(port, "who")).toBe("one");
  });

  test.for([
    [[], "which command?"],
    [["lst"], "lst: no such command"],
    [["stop"], "stop: which plugin?"],
    [["stop", "a", "b"], "stop: b is one word too many"],
    [["replace", "a"], "replace: which module?"],
    [["list", "-f"], "--follow"],
    [["list", "--pid", "x"], "--pid x"],
    [["list", "--pid", "1", "--socket", "x"], "exclude each other"],
    [["list", "--nothing"], "Unknown option '--nothing'"],
  ] as const)("%j is wrong", async ([parameters, message]) => {
    const { code, stderr } = await start(process.execPath, [MAIN, "ctl", ...parameters]).ended;
    expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringContaining(message) as string });
  });

  test("shows the log of a plugin, and follows it", async () => {
    const serve = await served(ECHO);
    const port = await serve.pluginPort("echo");
    await ask(port, "say");
    await serve.stderr(/^echo \| one line$/m);
    const { stdout } = await serve.ctl("logs", "echo");
    expect(stdout).toMatch(/^\d{4}-\S+Z wasyncore: up, listening on web=127\.0\.0\.1:\d+\n\d{4}-\S+Z \| one line\n$/);
    const following = start(process.execPath, [MAIN, "ctl", "--socket", serve.control, "logs", "echo", "--json", "-f"]);
    await following.line(/"text":"one line"/);
    await ask(port, "trap");
    await following.line(/"source":"host","text":"trapped: unreachable"/);
    serve.child.kill("SIGTERM");
    expect(await following.ended).toMatchObject({ code: 1, stderr: "wasyncore: wasyncore serve has ended\n" });
  });

  test("keeps a bounded number of lines", async () => {
    const serve = await served({ ...ECHO, stdio: "lines" });
    const client = await Client.connect(await serve.pluginPort("echo"));
    for (let index = 0; index < 1200; index++) await client.ask("say");
    await serve.stderr(/(?:echo \| one line\n){1200}/);
    const { stdout } = await serve.ctl("logs", "echo");
    expect(stdout.split("\n")).toHaveLength(1001);
  });

  test("finds the only serve of the user, and lists several", async () => {
    const directory = await Directory.create();
    const runtime = join(directory.path, "runtime");
    mkdirSync(runtime, { mode: 0o700 });
    const env = { ...process.env, XDG_RUNTIME_DIR: runtime };
    const ctl = (...parameters: readonly string[]) =>
      new Running(process.execPath, [MAIN, "ctl", ...parameters], directory.path, { env }).ended;
    expect(await ctl("list")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("no wasyncore serve is running") as string,
    });
    directory.write("plugins.json", JSON.stringify({ plugins: [ECHO] }));
    const one = await new Serve(directory.path, ["plugins.json"], { env }).up();
    expect(await ctl("list")).toMatchObject({ code: 0 });
    const two = await new Serve(directory.path, ["plugins.json"], { env }).up();
    expect((await ctl("list")).stderr).toMatch(/several .*\n.* {2}--pid \d+\n.* {2}--pid \d+\n/);
    expect(await ctl("list", "--pid", String(two.child.pid))).toMatchObject({ code: 0 });
    // One that is killed leaves its socket behind, which is removed.
    const socket = join(runtime, "wasyncore", `serve-${one.child.pid}.sock`);
    expect(existsSync(socket)).toBe(true);
    one.child.kill("SIGKILL");
    await one.ended;
    expect(await ctl("list")).toMatchObject({ code: 0 });
    expect(existsSync(socket)).toBe(false);
  });
});

describe("the control socket", TIMEOUT, () => {
  test("is refused where another process answers, and replaced where none does", async () => {
    const directory = await Directory.create();
    directory.plugins(ECHO);
    const first = await directory.serve().up();
    expect(await directory.serve().ended).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(
        /cannot open the control socket .*control\.sock: another process answers there/,
      ) as string,
    });
    expect(await first.list()).toHaveLength(1);
    first.child.kill("SIGKILL");
    await first.ended;
    expect(existsSync(first.control)).toBe(true);
    expect(await (await directory.serve().up()).list()).toHaveLength(1);
  });

  test("says where it cannot be opened", async () => {
    const directory = await Directory.create();
    directory.plugins(ECHO);
    const troubles = [
      [directory.path, "there is a file of that name, which is no socket (EADDRINUSE)"],
      [`${directory.path}/none/control.sock`, "there is no such directory (ENOENT)"],
    ] as const;
    for (const [path, trouble] of troubles) {
      expect(await directory.serve("--socket", path).ended).toMatchObject({
        code: 1,
        stderr: expect.stringContaining(`cannot open the control socket ${path}: ${trouble}\n`) as string,
      });
    }
  });

  test.for([
    ["text", "garbage\n"],
    ["bytes", Buffer.from([0xff, 0xfe, 0x00, 0x0a])],
    ["a request with another field", '{"command":"list","x":1}\n'],
    ["an unknown command", '{"command":"shutdown"}\n'],
    ["a path that is relative", '{"command":"replace","name":"echo","module":"one.wasm"}\n'],
    ["a list", "[]\n"],
    ["__proto__", '{"__proto__":{"command":"list"}}\n'],
    ["a line without end", Buffer.alloc(1_000_000, "x")],
    ["nesting", `${"[".repeat(60_000)}\n`],
  ] as const)("answers %s with an error, and closes", async ([, text]) => {
    const serve = await served(ECHO);
    const answer = await conversation(serve.control, text);
    expect(answer).toMatch(/^\{"ok":false,"message":"(?:this is no request|the request is too long)[^\n]*\}\n$/);
    expect(await serve.list()).toHaveLength(1);
  });

  test("serves others beside a client that asks and never reads", async () => {
    const serve = await served(ECHO);
    const silent = await controlClient(serve.control);
    silent.pause();
    silent.write('{"command":"stats"}\n'.repeat(50_000));
    for (let index = 0; index < 20; index++) expect(await serve.list()).toHaveLength(1);
    expect(await ask(await serve.pluginPort("echo"), "who")).toBe("one");
  });

  test("answers several requests of a client in their order, and no more than 64 clients", async () => {
    const serve = await served(ECHO);
    const lines = (await conversation(serve.control, '{"command":"list"}\n{"command":"stats"}\n\n'))
      .trimEnd()
      .split("\n");
    expect(lines.map((line) => (JSON.parse(line) as { ok: boolean }).ok)).toEqual([true, true, false]);
    const clients = await Promise.all(Array.from({ length: 64 }, () => controlClient(serve.control)));
    expect(await request(serve.control, { command: "list" })).toEqual({
      ok: false,
      message: "there are 64 clients already",
    });
    // One that asks after it was refused does not fail to do so, and gets to why.
    const late = await controlClient(serve.control);
    const [refusal] = (await once(late, "data")) as [Buffer];
    late.on("error", () => undefined);
    const write = promisify((text: string, done: (error?: Error | null) => void) => void late.write(text, done));
    await write('{"command":"list"}\n');
    expect(String(refusal)).toContain("there are 64 clients already");
    clients[0]?.destroy();
    let answer = await request(serve.control, { command: "list" });
    while (answer["ok"] !== true) answer = await request(serve.control, { command: "list" });
    expect(answer["result"]).toHaveLength(1);
  });
});

test("an answer of another program is refused", TIMEOUT, async () => {
  const directory = await Directory.create();
  const server = createServer((socket) => socket.on("error", () => undefined).end("HTTP/1.1 400 Bad Request\r\n\r\n"));
  onTestFinished(() => void server.close());
  const path = join(directory.path, "other.sock");
  await new Promise<void>((resolve) => server.listen(path, resolve));
  expect(await start(process.execPath, [MAIN, "ctl", "--socket", path, "list"]).ended).toMatchObject({
    code: 1,
    stderr: "wasyncore: the answer is not one of this version of wasyncore\n",
  });
});
