/** A watch of the Node backend keeps its process alive, in a process of its own. */

import { execFile, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { Ready } from "../../host/backend/backend.js";
import { POLLERS } from "../backend/support.js";

const { READ } = Ready;
const ROOT = fileURLToPath(new URL("../..", import.meta.url));

describe("a process that watches", () => {
  let backendUrl: string;

  // The child has no TypeScript: what it runs is compiled, below the checkout so that it finds its dependencies.
  beforeAll(async () => {
    mkdirSync(join(ROOT, "build"), { recursive: true });
    const directory = mkdtempSync(join(ROOT, "build", "node-backend-"));
    const config = join(directory, "tsconfig.json");
    writeFileSync(
      config,
      JSON.stringify({
        extends: "../../tsconfig.json",
        compilerOptions: { noEmit: false, rootDir: "../../host", outDir: ".", paths: {} },
        include: ["../../host/node/backend.ts"],
        exclude: [],
      }),
    );
    await promisify(execFile)(process.execPath, [join(ROOT, "node_modules/typescript/bin/tsc"), "-p", config]);
    backendUrl = pathToFileURL(join(directory, "node", "backend.js")).href;
    return () => rmSync(directory, { recursive: true });
  });

  test.each(POLLERS)("stays alive over %s while it does, and no longer", async (poller) => {
    // Standard input is a socket that nothing but the watch waits for. The garbage collector must not end it either.
    const program = `
      import { createNodeBackend } from ${JSON.stringify(backendUrl)};
      const backend = createNodeBackend({ poller: ${JSON.stringify(poller)} });
      const set = backend.createPollSet();
      set.update(0, ${READ});
      const watch = set.watch(() => {
        set.wait(0);
        const target = new Uint8Array(16);
        const length = backend.read(0, target);
        console.log("got " + new TextDecoder().decode(target.subarray(0, length)));
        watch.stop();
      });
      setImmediate(() => { gc(); console.log("watching"); });
    `;
    const child = spawn(process.execPath, ["--expose-gc", "--input-type=module", "--eval", program], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    onTestFinished(() => void child.kill("SIGKILL"));
    let output = "";
    const exited = new Promise<number | null>((resolve) => child.once("close", resolve));
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      output += chunk;
      // Standard input stays open: only stop() can let the process end.
      if (output === "watching\n") child.stdin.write("hello");
    });
    expect(await exited).toBe(0);
    expect(output).toBe("watching\ngot hello\n");
  });
});
