/** A plugin that follows the file of its module, and one that is tried again where it does not come up. */

import { renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { BUILD_TIMEOUT_MS } from "../assembly/programs.js";
import { temporary } from "../guest/command.js";
import { ask, buildPlugin, createHost, portOf } from "./support.js";

let one: Uint8Array;
let two: Uint8Array;

beforeAll(async () => {
  [one, two] = await Promise.all([buildPlugin("one", true), buildPlugin("two", true)]);
}, BUILD_TIMEOUT_MS);

const LISTEN = { listen: ["127.0.0.1:0"] };

function put(path: string, bytes: Uint8Array | string): void {
  writeFileSync(`${path}.new`, bytes);
  renameSync(`${path}.new`, path);
}

describe("watch", () => {
  test.for(["a path", "a URL"])("replaces a plugin when the file of its module changes: %s", async (kind) => {
    const { host, told } = createHost();
    const path = join(temporary(), "app.wasm");
    put(path, one);
    await host.start(kind === "a URL" ? pathToFileURL(path) : path, { ...LISTEN, name: "app", watch: true });
    const port = portOf(host, "app");
    expect(await ask(port, "who")).toBe("one");
    put(path, two);
    await told.until("replaced");
    expect(await ask(port, "who")).toBe("two");

    put(path, "no module");
    const { plugin, error } = await told.until("notReplaced");
    expect({ plugin, error }).toMatchObject({ plugin: "app", error: { code: "ERR_PLUGIN_FORMAT" } });
    expect(await ask(port, "who")).toBe("two");
    put(path, one);
    await told.until("replaced", 2);
    expect(await ask(port, "who")).toBe("one");
    // The same bytes are no change.
    put(path, one);
    rmSync(path);
    expect(await told.until("notReplaced", 2)).toMatchObject({ error: { code: "ENOENT" } });
    expect(told.events.filter(({ name }) => name === "replaced")).toHaveLength(2);
  });

  test("needs a path, and a boolean", async () => {
    const { host } = createHost();
    await expect(host.start(one, { watch: true })).rejects.toMatchObject({ code: "ERR_INVALID_ARG_VALUE" });
    await expect(host.start(one, { watch: "yes" as unknown as boolean })).rejects.toMatchObject({
      code: "ERR_INVALID_ARG_TYPE",
    });
  });
});

describe('onStartFailure: "restart"', () => {
  test("tries a plugin again that does not come up, as its policy says", async () => {
    const { host, told } = createHost();
    const restart = { minDelayMs: 1, maxRestarts: 2 };
    await host.start(one, { ...LISTEN, name: "app", env: { AT_START: "trap" }, restart, onStartFailure: "restart" });
    await told.until("down");
    expect(told.events.map(({ name }) => name)).toEqual(["exit", "restart", "exit", "restart", "exit", "down"]);
    expect(host.snapshot("app")).toMatchObject({ state: "down", restarts: 2, lastEnding: { kind: "trap" } });
    // One that comes up takes its place.
    await host.replace("app", two, LISTEN);
    expect(await ask(portOf(host, "app"), "who")).toBe("two");
  });

  test("waits for an address", async () => {
    const { host, told } = createHost();
    const server = createServer();
    onTestFinished(() => void server.close());
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    const restart = { minDelayMs: 1, factor: 1, maxRestarts: 1_000_000 };
    await host.start(one, { listen: [`127.0.0.1:${port}`], name: "app", restart, onStartFailure: "restart" });
    expect(await told.until("exit")).toMatchObject({ ending: { kind: "failed", error: { code: "EADDRINUSE" } } });
    server.close();
    await told.until("up");
    expect(await ask(port, "who")).toBe("one");
  });

  test("waits for a name that is not known, and ends where it is stopped meanwhile", async () => {
    const { host, told } = createHost();
    const options = { name: "app", connect: ["name.invalid:1"], restart: { minDelayMs: 60_000, maxDelayMs: 60_000 } };
    await host.start(one, { ...options, onStartFailure: "restart" });
    expect(await told.until("exit")).toMatchObject({ ending: { kind: "failed" } });
    expect(host.snapshot("app").state).toBe("waiting");
    await host.stop("app");
    expect(host.has("app")).toBe(false);
    await expect(host.start(one, options)).rejects.toMatchObject({ name: "OSError" });
    await expect(host.start(one, { onStartFailure: "again" as "restart" })).rejects.toMatchObject({
      code: "ERR_OUT_OF_RANGE",
    });
  });
});
