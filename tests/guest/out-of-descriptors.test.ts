/** A guest whose process runs out of descriptors goes on, and so does what it says of that. */

import { beforeAll, describe, expect, test } from "vitest";
import { buildComponent, missing } from "../assembly/component-support.js";
import { BUILD_TIMEOUT_MS } from "../assembly/programs.js";
import { buildInto } from "../support/builds.js";
import { missingLinux } from "../support/missing.js";
import { Running, requireBuild, ROOT } from "../support/processes.js";
import { client, exchange } from "./command.js";

const ENTRY = "examples/portable/echo-guest.ts";
const LIMIT = 64;

/** @returns what a client is sent that comes when the guest was out of descriptors and has some again */
async function answerAfterwards(path: string, options: readonly string[]): Promise<string> {
  const shell = ["-c", `ulimit -n ${LIMIT} && exec "$0" "$@" 2>&1`, process.execPath];
  const command = ["dist/cli/main.js", "run", path, "--listen", "127.0.0.1:0", ...options];
  const guest = new Running("sh", [...shell, ...command], ROOT);
  const [, port] = await guest.line(/^listening on 127\.0\.0\.1:(\d+)$/);
  const clients = await Promise.all(Array.from({ length: LIMIT }, () => client(Number(port), "127.0.0.1")));
  // Those that wait are reset where the guest ends: that is seen below.
  for (const each of clients) each.on("error", () => undefined);
  await guest.line(/cannot accept \(EMFILE\): paused/);
  for (const each of clients) each.destroy();
  return String(await exchange(await client(Number(port), "127.0.0.1"), "still there"));
}

describe.skipIf(missingLinux() !== "")(
  "out of descriptors, the guest says so, and serves again when some are closed:",
  () => {
    let module: string;
    beforeAll(async () => {
      requireBuild("dist/cli/main.js");
      module = await buildInto(ENTRY, "build/test-guests/out-of-descriptors.wasm");
    }, BUILD_TIMEOUT_MS);

    test.each([[[]], [["--max-connections", "1000"]]])("a module, with %j", async (options) => {
      expect(await answerAfterwards(module, options)).toBe("still there");
    });

    test.skipIf(missing !== "").each([[[]], [["--max-connections", "1000"]]])(
      "a component, with %j",
      async (options) => {
        const component = await buildComponent(ENTRY, "out-of-descriptors", "component");
        expect(await answerAfterwards(component, options)).toBe("still there");
      },
      BUILD_TIMEOUT_MS,
    );
  },
);
