/** What each supported version of Node does with the package's entries: import, require, and a thread. */

import { describe, expect, test } from "vitest";
import { start } from "../support/processes.js";
import { missingProgram, programPath, programsNamed } from "../support/programs.js";

const VERSIONS = programsNamed("node");

/** Runs a script. @returns what it prints */
async function run(name: string, type: "module" | "commonjs", source: string): Promise<string> {
  const running = start(programPath(name), [`--input-type=${type}`, "--eval", source]);
  const { code, stdout, stderr } = await running.ended;
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return stdout.trim();
}

test("the versions are those that docs/portability.md states", () => {
  expect(VERSIONS).toEqual(["node20", "node22", "node24", "node26"]);
});

for (const name of VERSIONS) {
  describe.skipIf(missingProgram(name) !== "")(`on ${name}`, () => {
    test("is the version that its name says", async () => {
      const version = await run(name, "module", "console.log(process.versions.node)");
      expect(version).toMatch(new RegExp(`^${name.slice("node".length)}\\.`));
    });

    test("require gives CommonJS programs the same classes as import, and no warning", async () => {
      const source = `
        const required = require("wasyncore");
        const guest = require("wasyncore/guest");
        const timer = required.socketMap.callLater(0, () => console.log("fired", typeof guest.takeListener));
        Promise.all([import("wasyncore"), required.loop()]).then(([imported]) => {
          const names = Object.keys(imported).filter((key) => imported[key] === required[key]);
          console.log(names.length === Object.keys(required).length, names.includes("Dispatcher"), "default" in required);
        });`;
      expect(await run(name, "commonjs", source)).toBe("fired function\ntrue true false");
    });

    test("a thread has a loop of its own, and its descriptors are closed at its end", async () => {
      const source = `
        import { readdirSync } from "node:fs";
        import { Worker } from "node:worker_threads";
        const program = \`import { parentPort } from "node:worker_threads";
          import { Dispatcher, loop, socketMap } from "wasyncore";
          const server = new Dispatcher();
          server.createSocket();
          server.bind({ host: "127.0.0.1", port: 0 });
          server.listen(5);
          socketMap.callLater(1, () => parentPort.postMessage(server.fd));
          loop();\`;
        const { loop, wake } = await import("wasyncore");
        await loop();
        const worker = new Worker(program, { eval: true });
        const fd = await new Promise((resolve, reject) => worker.on("message", resolve).on("error", reject));
        await worker.terminate();
        console.log(fd > 2, readdirSync("/proc/self/fd").includes(String(fd)));`;
      expect(await run(name, "module", source)).toBe("true false");
    });
  });
}
