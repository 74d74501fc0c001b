/** The process that builds guests leaves nothing behind, however its run ends; a build without it fails, and says why. */

import { fork } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { BUILDERS, buildInto } from "./builds.js";
import { ROOT } from "./processes.js";

function directory(): string {
  const made = mkdtempSync(join(tmpdir(), "wasyncore-builders-"));
  onTestFinished(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

test("goes with its run, and not by Ctrl-C; the last one removes their directory", async () => {
  const shared = directory();
  const builders = ["0", "1"].map((name) => {
    const child = fork(`${ROOT}tests/support/builder.mjs`, [join(shared, name)], { cwd: ROOT, execArgv: [] });
    onTestFinished(() => void child.kill("SIGKILL"));
    return child;
  });
  await Promise.all(builders.map((child) => once(child, "message")));
  for (const child of builders) {
    expect(existsSync(shared)).toBe(true);
    child.kill("SIGINT");
    const ended = once(child, "exit");
    child.disconnect();
    expect(await ended).toEqual([0, null]);
  }
  expect(existsSync(shared)).toBe(false);
});

test("a build without that process fails, and says so", async () => {
  vi.stubEnv(BUILDERS, join(directory(), "gone"));
  onTestFinished(() => void vi.unstubAllEnvs());
  await expect(buildInto("examples/portable/echo-guest.ts", "build/none.wasm")).rejects.toThrow(
    /^examples\/portable\/echo-guest\.ts was not built: the process that builds guests has ended \(.*ENOENT/,
  );
});
