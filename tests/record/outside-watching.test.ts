/** What a program learns by watching files, by searching for them and by Blobs of them comes from its recording again. */

import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test, vi } from "vitest";
import { requireBuild, ROOT } from "../support/processes.js";
import { command, directory, replayed } from "./outside-support.js";

/** The test starts several processes. */
vi.setConfig({ testTimeout: 60_000 });

beforeAll(() => requireBuild("dist/record/hooks.js"));

/** Watches what it changes itself, and reads what it has. Its one argument is a directory. */
const WATCHING = `
import { loop, socketMap } from ${JSON.stringify(`${ROOT}dist/index.js`)};
import fs, { promises } from "node:fs";
import { once } from "node:events";
const at = process.argv[2];
const write = (text) => fs.writeFileSync(at + "/watched", text);
write("one");
const watcher = fs.watch(at, { encoding: "buffer" }, (type, name) => console.log("listener", type, String(name)));
const changed = once(watcher, "change");
write("two, and longer");
const [type, name] = await changed;
console.log(watcher instanceof Object, type, Buffer.isBuffer(name), String(name), fs.readFileSync(at + "/watched", "utf8"));
const closed = once(watcher, "close");
watcher.close();
await closed;
try {
  fs.watch(at + "/absent");
} catch ({ code, syscall }) {
  console.log(code, syscall);
}
const stop = new AbortController();
const ended = once(fs.watch(at, { signal: stop.signal }), "close");
stop.abort();
await ended;
for (let round = 0; round < 2; round++) {
  const events = promises.watch(at);
  const event = events.next();
  // It watches from the next turn on.
  await promises.stat(at);
  write("round " + round);
  console.log(await event);
  await events.return();
}
await promises.watch(at, { signal: AbortSignal.abort() }).next().catch(({ name, code }) => console.log(name, code));
await promises.watch(at + "/absent").next().catch(({ code }) => console.log(code));
const first = () => console.log("removed");
fs.watchFile(at + "/watched", { interval: 5 }, first);
const seen = new Promise((resolve) => fs.watchFile(at + "/watched", (now, before) => resolve([now, before])));
fs.unwatchFile(at + "/watched", first);
const written = setInterval(() => fs.appendFileSync(at + "/watched", "more"), 10);
const [now, before] = await seen;
clearInterval(written);
fs.unwatchFile(at + "/watched");
console.log(now.isFile(), now.size, now.mtime.getTime(), before.size, before instanceof fs.Stats);
const blob = await fs.openAsBlob(at + "/watched", { type: "text/plain" });
console.log(blob.type, blob.size === now.size || blob.size > now.size, await blob.text());
try {
  await fs.openAsBlob(at + "/absent");
} catch ({ code, name }) {
  console.log(code, name);
}
if (fs.globSync !== undefined) {
  const found = [];
  for await (const entry of promises.glob("*", { cwd: at, withFileTypes: true })) found.push(entry.name, entry.isFile());
  console.log(found, fs.globSync("w*", { cwd: at }));
  await new Promise((resolve) =>
    fs.glob("w*", { cwd: at }, (error, names) => {
      console.log(error, names);
      resolve();
    }),
  );
}
socketMap.callLater(1, () => console.log("end"));
await loop();
`;

test("a program that watches files, searches them and opens them as Blobs replays without them", async () => {
  const at = directory();
  const files = join(at, "files");
  const program = join(at, "watching.mjs");
  mkdirSync(files);
  writeFileSync(program, WATCHING);
  const path = join(at, "run.wrec");
  const args = ["--no-warnings", program, files];
  const env = { ...process.env, WASYNCORE_RECORD: path };
  const run = await command(process.execPath, args, { env });
  expect(run.stderr).toBe("");
  expect(run.stdout).toContain("text/plain");
  expect(run.stdout).toMatch(/AbortError ABORT_ERR[^]*\nend\n$/);
  rmSync(files, { recursive: true });
  const again = await replayed(path, args, ["--strict"]);
  expect(again.stderr).toContain("no difference");
  expect(again).toMatchObject({ code: 0, stdout: run.stdout });
  expect(existsSync(files)).toBe(false);
});
