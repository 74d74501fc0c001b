/** `wasyncore serve`: from its file to its end, with real clients; and `--check`, which only reads the file. */

import { existsSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { wat } from "../guest/modules.js";
import { ask, Client } from "../plugin/support.js";
import { start } from "../support/processes.js";
import { Directory, ECHO, MAIN, SECOND, Serve, TIMEOUT } from "./serve-support.js";

describe("serve", TIMEOUT, () => {
  test("runs the plugins of a file, reports them, and shows their lines with their names", async () => {
    const directory = await Directory.create();
    directory.plugins(ECHO, SECOND);
    const serve = await directory.serve().up();
    await serve.stderr(/^wasyncore: 2 plugins up$/m);
    const port = await serve.pluginPort("echo");
    expect(await ask(port, "who")).toBe("one");
    expect(await ask(await serve.pluginPort("second"), "who")).toBe("two");
    expect(await ask(port, "say")).toBe("say");
    await serve.stderr(/^echo \| one line$/m);
    expect(statSync(serve.control).mode & 0o777).toBe(0o600);

    serve.child.kill("SIGTERM");
    expect(await serve.ended).toMatchObject({ code: 0, stdout: "" });
    expect(existsSync(serve.control)).toBe(false);
  });

  test("serves metrics and health, says where it cannot, and is seen by wasyncore top", async () => {
    const directory = await Directory.create();
    const file = { plugins: [ECHO], control: "./control.sock", metrics: "127.0.0.1:0" };
    directory.write("plugins.json", JSON.stringify(file));
    const serve = await directory.serve().up();
    const [, port] = await serve.stderr(/metrics and health on 127\.0\.0\.1:(\d+)/);
    const top = [MAIN, "top", "--pid", String(serve.child.pid), "--once", "--json", "--interval", "0.2"];
    const { stdout } = await start(process.execPath, top).ended;
    expect(JSON.parse(stdout)).toMatchObject({ plugins: { count: 1, running: 1, busiest: [{ name: "echo" }] } });
    const health = await fetch(`http://127.0.0.1:${port}/healthz`);
    expect(health.status).toBe(200);
    expect(await health.text()).toContain('"ok"');
    const other = new Serve(directory.path, [
      "plugins.json",
      "--socket",
      "other.sock",
      "--metrics",
      `127.0.0.1:${port}`,
    ]);
    expect(await other.ended).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/cannot serve metrics on 127\.0\.0\.1:\d+: .*EADDRINUSE/) as string,
    });
    expect(await start(process.execPath, [MAIN, "serve", "x", "--metrics", "80"]).ended).toMatchObject({ code: 2 });
    const homeless = new Serve(directory.path, [
      "plugins.json",
      "--socket",
      "other.sock",
      "--metrics",
      "./none/m.sock",
    ]);
    expect(await homeless.ended).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("none/m.sock: there is no such directory (ENOENT)\n") as string,
    });
  });

  test("goes on where a plugin traps, and starts it again", async () => {
    const directory = await Directory.create();
    directory.plugins(ECHO, SECOND);
    const serve = await directory.serve().up();
    const neighbour = await Client.connect(await serve.pluginPort("second"));
    const port = await serve.pluginPort("echo");
    await ask(port, "trap");
    await serve.stderr(/^wasyncore: echo: trapped: unreachable\nwasyncore: {3}in breakDown/m);
    await serve.stderr(/^wasyncore: echo: starts again in 100 ms \(restart 1\)$/m);
    expect(await ask(port, "who")).toBe("one");
    expect(await neighbour.ask("who")).toBe("two");
  });

  test("a plugin that does not come up leaves the others alone, and is tried again by its restart policy", async () => {
    const directory = await Directory.create();
    directory.plugins(
      { ...ECHO, name: "broken", env: { AT_START: "trap" }, restart: { maxRestarts: 2, minDelayMs: 1 } },
      SECOND,
    );
    const serve = directory.serve();
    await serve.stderr(/^wasyncore: broken: down: it is not started again$/m);
    expect(await ask(await serve.pluginPort("second"), "who")).toBe("two");
    expect(await serve.list()).toMatchObject([
      { name: "broken", state: "down", restarts: 2, lastEnding: "trapped: unreachable" },
      { name: "second", state: "running" },
    ]);
  });

  test("waits for an address that is in use", async () => {
    const directory = await Directory.create();
    directory.plugins(ECHO);
    const first = await directory.serve().up();
    const port = await first.pluginPort("echo");
    const again = {
      ...ECHO,
      listen: [`127.0.0.1:${port}`],
      restart: { minDelayMs: 1, factor: 1, maxRestarts: 1_000_000 },
    };
    directory.write("second.json", JSON.stringify({ plugins: [again], control: "./second.sock" }));
    const second = new Serve(directory.path, ["second.json"]);
    await second.stderr(/^wasyncore: echo: failed: .*EADDRINUSE/m);
    first.child.kill("SIGTERM");
    await first.ended;
    await second.stderr(/^wasyncore: echo: up, listening on 127\.0\.0\.1/m);
    expect(await ask(port, "who")).toBe("one");
  });

  test("ends with 1 when all plugins are down, and with 0 when each has ended as it should", async () => {
    const directory = await Directory.create();
    directory.plugins({ ...ECHO, env: { AT_START: "trap" }, restart: "never" });
    expect(await directory.serve().ended).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("all plugins are down") as string,
    });
    // A command without listening socket has nothing to wait for: 3 is its exit code.
    directory.plugins({ ...ECHO, env: { AT_START: "exit" }, restart: "never" });
    expect(await directory.serve().ended).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("exited with 3") as string,
    });
    directory.write("done.wat.wasm", DONE);
    directory.plugins({ name: "done", module: "done.wat.wasm" });
    expect(await directory.serve().ended).toMatchObject({
      code: 0,
      stderr: expect.stringContaining("exited with 0") as string,
    });
  });

  test("says how much memory a plugin had that trapped with most of what it may have", async () => {
    const directory = await Directory.create();
    directory.write("full.wasm", wat(`(module (memory (export "memory") 1) (func (export "_start") unreachable))`));
    directory.plugins({ name: "full", module: "full.wasm", limits: { maxMemoryBytes: 65_536 }, restart: "never" });
    const { stderr } = await directory.serve().ended;
    expect(stderr).toContain(
      "full: trapped: unreachable, with 65536 of the 65536 bytes of memory that its policy allows (maxMemoryBytes)\n",
    );
  });

  test("stops gracefully on a signal: a connection goes on; a second signal ends at once", async () => {
    const directory = await Directory.create();
    directory.plugins({ ...ECHO, stopTimeoutMs: 600_000 });
    const serve = await directory.serve().up();
    const client = await Client.connect(await serve.pluginPort("echo"));
    expect(await client.ask("who")).toBe("one");
    serve.child.kill("SIGINT");
    await serve.stderr(/^wasyncore: SIGINT: stopping$/m);
    expect(await client.ask("who")).toBe("one");
    serve.child.kill("SIGTERM");
    expect(await serve.ended).toMatchObject({ code: 143 });
    expect(await client.closed).toBe("ECONNRESET");
  });

  test("writes no control characters", async () => {
    const directory = await Directory.create();
    directory.plugins({ ...ECHO, args: ["\u001b[31m"], module: "\u001b[2J.wasm" });
    const { stderr } = await directory.serve().ended;
    expect(stderr).not.toContain("\u001b");
    expect(stderr).toContain("there is no such file");
  });

  test.for(["a full disk", "a reader that has ended"])("goes on where nobody takes its lines: %s", async (what) => {
    const directory = await Directory.create();
    directory.plugins(ECHO);
    const isFull = what === "a full disk";
    const command = `exec "$0" "$@"${isFull ? " 2>/dev/full" : ""}`;
    const serve = start("sh", ["-c", command, process.execPath, MAIN, "serve", "plugins.json"], directory.path);
    if (!isFull) serve.child.stderr?.destroy();
    const control = join(directory.path, "control.sock");
    const list = async () => {
      const { stdout } = await start(process.execPath, [MAIN, "ctl", "--socket", control, "list", "--json"]).ended;
      return stdout === "" ? [] : (JSON.parse(stdout) as { state: string; listeners: string[] }[]);
    };
    let plugins = await list();
    while (plugins[0]?.state !== "running") plugins = await list();
    const port = Number(/:(\d+)$/.exec(plugins[0].listeners[0] ?? "")?.[1]);
    for (let index = 0; index < 20; index++) expect(await ask(port, "say")).toBe("say");
    expect(await ask(port, "who")).toBe("one");
  });
});

/** (module (memory (export "memory") 1) (func (export "_start"))) */
const DONE = Buffer.from(
  "0061736d01000000010401600000030201000503010001071302066d656d6f72790200065f737461727400000a040102000b",
  "hex",
);

describe("--check", TIMEOUT, () => {
  test("says that a file is in order", async () => {
    const directory = await Directory.create();
    directory.plugins(ECHO, SECOND);
    expect(await directory.check()).toEqual({
      code: 0,
      signal: null,
      stdout: "plugins.json is in order: 2 plugins\n",
      stderr: "",
    });
  });

  test("of what is no text prints a sentence, and of what YAML cannot read a bounded one", async () => {
    const directory = await Directory.create();
    const what = "it is no text: the file must be JSON or YAML";
    for (const [bytes, message] of [
      [[0x61, 0, 0x62], `zeros: ${what}`],
      [[0x61, 0xff], "cannot read zeros: it is no text in UTF-8"],
    ] as const) {
      writeFileSync(directory.write("zeros", ""), Uint8Array.from(bytes));
      expect(await directory.check("zeros")).toMatchObject({ code: 2, stderr: `wasyncore: ${message}\n` });
    }
    directory.write("long.yaml", `plugins: []\n"a" ${"x".repeat(10_000)}\n`);
    const { code, stderr } = await directory.check("long.yaml");
    expect(code).toBe(2);
    for (const line of stderr.trimEnd().split("\n")) {
      expect(line).toMatch(/^wasyncore: long\.yaml:\d+: /);
      expect(line.length).toBeLessThan(400);
    }
  });

  test("prints every mistake at once, with its line and in the order of lines", async () => {
    const directory = await Directory.create();
    directory.write("not.wasm", "text");
    const pem = directory.write("cert.pem", "");
    directory.write(
      "plugins.yaml",
      `plugins:
  - name: echo
    module: one.wasm
    listen: [127.0.0.1:8080, "127.0.0.1:99999"]
    limits:
      maxMemoryByte: 1
  - name: echo
    module: one.wasm
    env: { PORT: 80 }
  - name: has spaces
    modul: one.wasm
  - not a plugin
`,
    );
    const { code, stderr, stdout } = await directory.check("plugins.yaml");
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    const numbers = [...stderr.matchAll(/^wasyncore: plugins\.yaml:(\d+): /gm)].map(([, line]) => Number(line));
    expect(numbers).toEqual([4, 6, 7, 9, 10, 10, 11, 12]);
    expect(stderr).toContain(
      'plugins.yaml:6: echo: "limits.maxMemoryByte" is no field: did you mean "maxMemoryBytes"?',
    );
    expect(stderr).toContain('plugins.yaml:9: echo: "env.PORT" must be a string, got 80');
    expect(stderr).toContain('plugins.yaml:7: "plugins[1].name" is the name of plugins[0] as well: echo');

    directory.write(
      "modules.json",
      JSON.stringify({
        plugins: [
          { name: "a", module: "none.wasm" },
          { name: "b", module: "not.wasm", listen: ["127.0.0.1:8080"] },
          { name: "c", module: "one.wasm", run: "shared", listen: ["127.0.0.1:8080"] },
          { name: "d", module: "one.wasm", dirs: ["./none::/data"] },
        ],
      }),
    );
    const modules = await directory.check("modules.json");
    expect(modules.code).toBe(2);
    expect(modules.stderr).toMatch(/a: "module" .*none\.wasm cannot be run: there is no such file/);
    expect(modules.stderr).toMatch(/b: "module" .*not\.wasm cannot be run: /);
    expect(modules.stderr).toMatch(/c: "module" .* is a command, which would block the thread/);
    expect(modules.stderr).toMatch(/c: "listen\[0\]" is an address that b listens on already: 127\.0\.0\.1:8080/);
    expect([...modules.stderr.matchAll(/^wasyncore: modules\.json:1: (\w): /gm)].map(([, name]) => name)).toEqual([
      ..."abccd",
    ]);
    expect(modules.stderr).toMatch(/d: "dirs\[0\]" .*\/none: there is no such file/);
    expect(pem).toContain(directory.path);
  });

  test.for([
    ["syntax.yaml", "plugins: [", /^wasyncore: syntax\.yaml:1: /],
    ["twice.json", '{ "plugins": [],\n "plugins": [] }', /^wasyncore: twice\.json:2: Map keys must be unique$/m],
    ["empty.yaml", "", /^wasyncore: empty\.yaml.*the file must be an object with plugins/],
    ["list.yaml", "- a", /the file must be an object with plugins, got Array/],
    [
      "rate.yaml",
      "plugins: []\nlinesPerSecond: 0",
      /^wasyncore: rate\.yaml:2: .*"linesPerSecond" must be a whole number/m,
    ],
    [
      "sizes.yaml",
      "plugins: []\nlinesPerSecond: 5K\nlineBytesPerSecond: 1T",
      /^wasyncore: sizes\.yaml:2: .* lines a second, 1 to \d+, or "unlimited", got "5K"\n.*:3: .* bytes a second, 1 to \d+, a size such as "64M", or "unlimited", got "1T"$/m,
    ],
    ["tag.yaml", "plugins: !!js/function x", /tag\.yaml:1: Unresolved tag/],
    [
      "bomb.yaml",
      `a: &a [x, x]\n${[..."bcdefghijklmnopqrstuvwxyz"].map((c, i) => `${c}: &${c} [*${"abcdefghijklmnopqrstuvwxyz"[i]}, *${"abcdefghijklmnopqrstuvwxyz"[i]}]`).join("\n")}\n`,
      /bomb\.yaml: Excessive alias count/,
    ],
    ["none/plugins.yaml", undefined, /cannot read none\/plugins\.yaml: there is no such file/],
  ] as const)("of %s", async ([name, text, expected]) => {
    const directory = await Directory.create();
    if (text !== undefined) writeFileSync(join(directory.path, name), text);
    const { code, stderr } = await directory.check(name);
    expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringMatching(expected) as string });
  });
});
