/** What a running `wasyncore serve` does when its file or a module changes, with real clients. */

import { rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ask, Client } from "../plugin/support.js";
import { Directory, ECHO, request, SECOND, TIMEOUT } from "./serve-support.js";

/** Asks again until there is another answer: a request that comes while the plugin is exchanged may go to either. */
async function until(port: number, answer: string): Promise<void> {
  while ((await ask(port, "who")) !== answer);
}

describe("reload", TIMEOUT, () => {
  test("changes how many lines all plugins may write together", async () => {
    const directory = await Directory.create();
    const write = (rest: object): string =>
      directory.write("plugins.json", JSON.stringify({ plugins: [ECHO], control: "./control.sock", ...rest }));
    write({ linesPerSecond: 1 });
    const serve = await directory.serve().up();
    const port = await serve.pluginPort("echo");
    const dropped = async (): Promise<number> => {
      const [plugin] = (await request(serve.control, { command: "stats" }))["result"] as [{ refused: object }];
      return (plugin.refused as { hostLinesPerSecond?: number }).hostLinesPerSecond ?? 0;
    };
    // One line in a tenth of a second.
    while ((await dropped()) === 0) await Promise.all(Array.from({ length: 20 }, () => ask(port, "say")));
    write({ linesPerSecond: "unlimited" });
    expect(await serve.ctl("reload")).toMatchObject({ code: 0 });
    const before = await dropped();
    await Promise.all(Array.from({ length: 20 }, () => ask(port, "say")));
    expect(await dropped()).toBe(before);
  });

  test("starts what is new, stops what is gone, replaces what has changed, and leaves the rest alone", async () => {
    const directory = await Directory.create();
    const third = { ...SECOND, name: "third" };
    directory.plugins(ECHO, SECOND, third);
    const serve = await directory.serve().up();
    const unchanged = await Client.connect(await serve.pluginPort("second"));
    const port = await serve.pluginPort("echo");
    expect(await unchanged.ask("who")).toBe("two");
    const before = await serve.list();

    directory.plugins({ ...ECHO, module: "two.wasm" }, SECOND, { ...SECOND, name: "fourth" });
    serve.child.kill("SIGHUP");
    await serve.stderr(/^wasyncore: reloaded: 1 started, 1 stopped, 1 replaced, 1 unchanged$/m);
    expect(await ask(port, "who")).toBe("two");
    expect(await unchanged.ask("who")).toBe("two");
    const after = await serve.list();
    expect(after.map(({ name }) => name).toSorted()).toEqual(["echo", "fourth", "second"]);
    const second = (list: typeof after): unknown => list.find(({ name }) => name === "second");
    expect(second(after)).toMatchObject({ restarts: 0, replacements: 0, connections: 1 });
    expect(second(before)).toMatchObject({ connections: 1 });
  });

  test("of a file that is wrong changes nothing, and is reported", async () => {
    const directory = await Directory.create();
    directory.plugins(ECHO);
    const serve = await directory.serve().up();
    const port = await serve.pluginPort("echo");
    const client = await Client.connect(port);
    directory.write("plugins.json", '{ "plugins": [{ "name": "echo", "module": "none.wasm" }], "contrl": "x" }');
    serve.child.kill("SIGHUP");
    await serve.stderr(
      /^wasyncore: not reloaded, nothing has changed: plugins\.json:1: .*"contrl" is no field: did you mean "control"\?$/m,
    );
    expect(await serve.ctl("reload")).toMatchObject({ code: 1, stderr: expect.stringContaining("contrl") as string });
    expect(await client.ask("who")).toBe("one");
    directory.plugins({ ...ECHO, limits: { maxConnections: 10 } });
    expect(await serve.ctl("reload")).toMatchObject({ code: 0, stdout: "reloaded: 1 replaced\n" });
  });

  test("refuses no connection", async () => {
    const directory = await Directory.create();
    directory.plugins({ ...ECHO, env: { ROUND: "0" } });
    const serve = await directory.serve().up();
    const port = await serve.pluginPort("echo");
    let answered = 0;
    let isOver = false;
    const client = (async () => {
      while (!isOver) {
        expect(await ask(port, "hello")).toBe("hello");
        answered++;
      }
    })();
    for (let round = 1; round <= 10; round++) {
      directory.plugins({ ...ECHO, env: { ROUND: String(round) } });
      expect(await serve.ctl("reload")).toMatchObject({ stdout: "reloaded: 1 replaced\n" });
    }
    isOver = true;
    await client;
    expect(answered).toBeGreaterThan(10);
  });

  test("follows a module that changes, and the file, with --watch", async () => {
    const directory = await Directory.create();
    directory.copy("one.wasm", "app.wasm");
    directory.plugins({ ...ECHO, module: "app.wasm" });
    const serve = await directory.serve("--watch").up();
    const port = await serve.pluginPort("echo");
    expect(await ask(port, "who")).toBe("one");
    directory.copy("two.wasm", "app.wasm");
    await until(port, "two");
    directory.write("app.wasm", "not a module");
    await serve.stderr(/not reloaded, nothing has changed: plugins\.json:5: echo: "module" .*app\.wasm cannot be run/);
    expect(await ask(port, "who")).toBe("two");
    directory.copy("one.wasm", "app.wasm");
    await until(port, "one");
    directory.plugins({ ...ECHO, module: "app.wasm" }, SECOND);
    expect(await ask(await serve.pluginPort("second"), "who")).toBe("two");
    rmSync(join(directory.path, "plugins.json"));
    await serve.stderr(/nothing has changed: cannot read .*plugins\.json: there is no such file/);
    expect(await ask(port, "who")).toBe("one");
  });

  test("keeps what ctl has replaced or stopped, until the file has something else for it", async () => {
    const directory = await Directory.create();
    directory.plugins(ECHO, SECOND);
    const serve = await directory.serve().up();
    const port = await serve.pluginPort("echo");
    await serve.ctl("replace", "echo", "two.wasm");
    await serve.ctl("stop", "second");
    expect(await serve.ctl("reload")).toMatchObject({ stdout: "reloaded: 2 unchanged\n" });
    expect(await ask(port, "who")).toBe("two");
    directory.plugins({ ...ECHO, limits: { maxConnections: 7 } }, { ...SECOND, module: "one.wasm" });
    expect(await serve.ctl("reload")).toMatchObject({ stdout: "reloaded: 2 replaced\n" });
    expect(await ask(port, "who")).toBe("one");
    expect(await serve.list()).toMatchObject([{ state: "running" }, { state: "stopped" }]);
    expect(await serve.ctl("restart", "second")).toMatchObject({ code: 0 });
    const [, second] = await serve.list();
    expect(second).toMatchObject({ state: "running", module: join(directory.path, "one.wasm") });
  });
});
