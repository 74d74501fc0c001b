/** A replay by the command that a signal reaches while it is under way, or when its program has ended already. */

import { writeFileSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { beforeAll, expect, test, vi } from "vitest";
import { requireBuild, ROOT, Running } from "../support/processes.js";
import { directory, replayed } from "./outside-support.js";

/** Each test starts several processes. */
vi.setConfig({ testTimeout: 60_000 });

const CLI = `${ROOT}dist/cli/main.js`;

beforeAll(() => requireBuild("dist/record/index.js"));

/** Ends at SIGUSR2, and at SIGTERM in another way. `CHANGED=1` changes what it does, `WAITS=1` makes it wait for SIGTERM. */
const PROGRAM = `
import { Dispatcher, loop } from ${JSON.stringify(`${ROOT}dist/index.js`)};
const server = new Dispatcher();
server.createSocket();
server.bind({ host: "127.0.0.1", port: 0 });
server.listen(1);
process.once("SIGTERM", () => server.close());
process.once("SIGUSR2", () => {
  if (process.env.WAITS === "1") return console.log("waits");
  if (process.env.CHANGED !== "1") server.listen(2);
  server.close();
});
console.log("up");
await loop();
`;

/** @returns the files of the program and of its recording */
async function recorded(): Promise<[string, string]> {
  const at = directory();
  const [program, path] = [join(at, "program.mjs"), join(at, "run.wrec")];
  writeFileSync(program, PROGRAM);
  const env = { ...process.env, WASYNCORE_RECORD: path };
  const running = new Running(process.execPath, [program], at, { env });
  await running.line(/^up$/);
  running.child.kill("SIGUSR2");
  expect(await running.ended).toMatchObject({ code: 0, stderr: "" });
  return [program, path];
}

function replaying(path: string, program: readonly string[], env = {}, options: readonly string[] = []): Running {
  const args = [...options, CLI, "replay", path, "--patience", "60000", "--", process.execPath, ...program];
  // Without the terminal that the tests may have been started from.
  return new Running(process.execPath, args, ROOT, { env: { ...process.env, ...env }, detached: true });
}

test("a difference after a signal that is not in the recording says so", async () => {
  const [program, path] = await recorded();
  const replay = replaying(path, [program], { WAITS: "1" });
  await replay.line(/^waits$/);
  replay.child.kill("SIGTERM");
  const { code, stderr } = await replay.ended;
  expect(stderr).toMatch(/^wasyncore: difference in turn (\d+), .*at close\n  expected: listen\(/);
  expect(stderr).toMatch(
    /\n  SIGTERM came in turn \d+ and is not in the recording: it may be the cause\nreplayed \d+ turns, .* before it\n$/,
  );
  expect(code).toBe(1);
});

test("a signal of the recording is no such signal", async () => {
  const [program, path] = await recorded();
  expect(await replayed(path, [program])).toMatchObject({ code: 0, stdout: "up\n" });
  const changed = await replayed(path, [program], [], { CHANGED: "1" });
  expect(changed).toMatchObject({ code: 1, stdout: "up\n" });
  expect(changed.stderr).toMatch(/at close\n  expected: listen\(/);
  expect(changed.stderr).not.toContain("SIGUSR2");
});

test("a second signal does not take the place of the status of a program that has ended", async () => {
  const [, path] = await recorded();
  const interrupted = "data:text/javascript,process.on('exit',()=>process.kill(process.pid,'SIGINT'))";
  const stays = 'setInterval(() => {}, 1000); console.log("up")';
  const replay = replaying(path, ["-e", stays], {}, ["--import", interrupted]);
  await replay.line(/^up$/);
  replay.child.kill("SIGTERM");
  expect(await replay.ended).toMatchObject({ code: 128 + constants.signals.SIGTERM, signal: null, stderr: "" });
});
