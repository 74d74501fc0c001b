/** A `wasyncore serve` that is near its limit of memory mappings: what its log and `wasyncore ctl` say, and what goes on. */

import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { leaveFileOut, missingLinux } from "../support/missing.js";
import { ask, buildPlugin } from "../plugin/support.js";
import { Directory, ECHO, Serve, TIMEOUT } from "./serve-support.js";

leaveFileOut("The limit of memory mappings", missingLinux());

/** Makes the process read its limit from the file "limit". */
const PRELOAD = `
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
const read = fs.readFileSync;
fs.readFileSync = (path, ...rest) => read(path === "/proc/sys/vm/max_map_count" ? "limit" : path, ...rest);
syncBuiltinESMExports();
`;
const MANY = "1000000";
const FEW = "100";

test(
  "starts shared plugins only, says why, and starts the others when the limit is raised",
  async () => {
    const directory = await Directory.create();
    directory.write("limit", FEW);
    directory.write("shared.wasm", await buildPlugin("shared"));
    const restart = { when: "failure", minDelayMs: 10, maxDelayMs: 100, maxRestarts: 10_000 };
    directory.plugins({ ...ECHO, restart }, { ...ECHO, name: "shared", module: "shared.wasm", run: "shared" });
    const preload = pathToFileURL(directory.write("preload.mjs", PRELOAD)).href;
    const env = { ...process.env, NODE_OPTIONS: `--import=${preload}` };
    const serve = await new Serve(directory.path, ["plugins.json"], { env }).up();
    const refused = `no thread was started for echo: this process has \\d+ of the ${FEW} memory mappings`;
    await serve.stderr(new RegExp(`^wasyncore: echo: failed: ${refused}.* raise vm.max_map_count$`, "m"));
    expect(await ask(await serve.pluginPort("shared"), "who")).toBe("shared");

    expect(await serve.ctl("restart", "echo")).toMatchObject({
      ...{ code: 1, stderr: expect.stringMatching(`echo did not come up: failed: ${refused}`) as string },
    });
    expect((await serve.ctl("list")).stdout).toMatch(new RegExp(refused));

    directory.write("limit", MANY);
    expect(await ask(await serve.pluginPort("echo"), "who")).toBe("one");
  },
  TIMEOUT.timeout,
);
