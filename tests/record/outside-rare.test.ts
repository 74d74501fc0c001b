/** What few programs do with files, timers, dates and signals of Node is recorded, and comes from the recording again. */

import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test, vi } from "vitest";
import { requireBuild, ROOT } from "../support/processes.js";
import { command, directory, replayed } from "./outside-support.js";

/** Each test starts several processes. */
vi.setConfig({ testTimeout: 60_000 });

beforeAll(() => requireBuild("dist/record/hooks.js"));

/** What few programs do. Its argument is a directory. */
const UNUSUAL = `
import { loop, socketMap } from ${JSON.stringify(`${ROOT}dist/index.js`)};
import fs, { promises } from "node:fs";
import { once } from "node:events";
import { Readable } from "node:stream";
import { inspect, promisify } from "node:util";
import { setTimeout as sleep } from "node:timers/promises";
// A signal that is sent in a replay comes as well as the one that was recorded.
const isReplayed = process.env.WASYNCORE_REPLAY !== undefined;
const at = process.argv[2];
const file = at + "/file";
fs.writeFileSync(file, "0123456789abcdef");
const fd = fs.openSync(file, "r");
const read = (...args) =>
  new Promise((resolve, reject) =>
    fs.read(fd, ...args, (error, count, buffer) => (error ? reject(error) : resolve([count, buffer]))),
  );
const target = Buffer.alloc(8, ".");
const [count, given] = await read({ buffer: target, offset: 3, length: 4, position: 2 });
console.log("options", count, String(target), given === target);
for (const args of [[], [{ position: 3 }], [null]]) {
  const [length, made] = await read(...args);
  console.log("no buffer", length, made.length, String(made.subarray(0, length)));
}
const { bytesRead, buffer } = await promisify(fs.read)(fd, { buffer: Buffer.alloc(6, "."), offset: 1, position: 0 });
console.log("promisified", bytesRead, String(buffer));
console.log(inspect(fs.statfsSync(at)), inspect(fs.statfsSync(at, { bigint: true })));
const pieces = function* () {
  console.log("the program's");
  yield "a";
  yield Buffer.from("bc");
};
await promises.writeFile(file, pieces());
await promises.appendFile(file, Readable.from(["d", "e"]));
const handle = await promises.open(file, "r+");
await handle.writeFile(pieces());
const part = Buffer.alloc(6, ".");
console.log((await handle.read({ buffer: part, offset: 2, length: 3, position: 1 })).bytesRead, String(part));
await handle.close();
console.log(fs.readFileSync(file, "utf8"));
const within = { encoding: "utf8" };
within.within = within;
console.log(fs.readFileSync(file, within));
const stop = new AbortController();
const ends = [
  promises.readFile(file, { signal: stop.signal }),
  sleep(60_000, undefined, { signal: stop.signal }),
  sleep(60_000, undefined, { signal: AbortSignal.timeout(5) }),
];
stop.abort(new TypeError("why"));
for (const { reason } of await Promise.allSettled(ends)) console.log(reason.name, reason.code, reason.cause.message);
await new Promise((resolve) => {
  const changed = (now, before) => {
    fs.unwatchFile(at + "/absent", changed);
    resolve(console.log("watched", now.size, before.size));
  };
  fs.watchFile(at + "/absent", changed);
});
let fired = 0;
const again = setTimeout(() => ++fired < 3 && again.refresh(), 1);
while (fired < 3) await sleep(1);
console.log(fired);
const timers = (text) => process.getActiveResourcesInfo().filter((each) => each === text).length;
for (let i = 0; i < 20; i++) await sleep(1);
if (timers("Timeout") > 5) console.log("timers that have fired are kept");
const held = setInterval(() => {}, 1000);
process.on("SIGUSR2", (...args) => console.log(...args));
for (const send of [() => isReplayed || process.kill(process.pid, "SIGUSR2"), () => process.emit("SIGUSR2", "of the program")]) {
  const came = once(process, "SIGUSR2");
  send();
  await came;
}
clearInterval(held);
socketMap.callLater(1, () => console.log("end"));
await loop();
`;

test("what few programs do is replayed as well", async () => {
  const at = directory();
  const [program, files, path] = [join(at, "unusual.mjs"), join(at, "files"), join(at, "run.wrec")];
  mkdirSync(files);
  writeFileSync(program, UNUSUAL);
  const env = { ...process.env, WASYNCORE_RECORD: path };
  const run = await command(process.execPath, [program, files], { env });
  expect(run.stdout).toContain("options 4 ...2345. true\nno buffer 16 16384");
  expect(run.stdout).toContain("StatFs {");
  expect(run.stdout).toContain("abcde\n");
  expect(run.stdout).toContain("AbortError ABORT_ERR why");
  expect(run.stdout).toMatch(/SIGUSR2 \d+\nof the program\nend\n$/);
  rmSync(files, { recursive: true });
  const again = await replayed(path, [program, files], ["--strict"]);
  expect(again.stdout).toBe(run.stdout);
  expect(again).toMatchObject({ code: 0 });
});

test.each([
  ["blanked", { redact: ["hunter2"] }],
  ["left out", { payloads: false }],
])("contents of files that a program has as texts are %s", async (_how, options) => {
  const at = directory();
  const [program, path] = [join(at, "texts.mjs"), join(at, "run.wrec")];
  writeFileSync(
    program,
    `import ${JSON.stringify(`${ROOT}dist/index.js`)};
import fs, { promises } from "node:fs";
const path = ${JSON.stringify(join(at, "secret"))};
const secret = ["hunter", 1 + 1].join("");
fs.writeFileSync(path, secret);
fs.appendFileSync(path, " " + secret);
const handle = await promises.open(path, "r+");
await handle.write(secret, 0);
await handle.writeFile(secret);
console.log(await handle.readFile("utf8"), fs.readFileSync(path, "utf8"));
await handle.close();
`,
  );
  const env = { ...process.env, WASYNCORE_RECORD: path, WASYNCORE_RECORD_OPTIONS: JSON.stringify(options) };
  const { stdout } = await command(process.execPath, [program], { env });
  expect(stdout).toContain("hunter2");
  const recorded = readFileSync(path, "latin1");
  expect(recorded).toContain("readFileSync");
  expect(recorded).not.toContain("hunter2");
});

/** Prints how often it asked for the date until that changed: after everything that the host notes in a recording as well. */
const ASKING = `
import { loop, socketMap } from ${JSON.stringify(`${ROOT}dist/index.js`)};
import { promises } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
const LIMIT = 1e6;
function ask(after) {
  let count = 0;
  const first = Date.now();
  while (Date.now() === first && count < LIMIT) count++;
  console.log(after, count);
}
ask("begin");
await promises.stat(".");
ask("file");
await sleep(2);
ask("timer");
for (const turns of [1, 2]) {
  for (let turn = 0; turn < turns; turn++) socketMap.callLater(turn, () => ask("callback"));
  await loop();
  ask("loop");
}
ask("end");
`;

test("each date is given at the call at which it was given", async () => {
  const at = directory();
  const [program, path] = [join(at, "asking.mjs"), join(at, "run.wrec")];
  writeFileSync(program, ASKING);
  const run = await command(process.execPath, [program], { env: { ...process.env, WASYNCORE_RECORD: path } });
  expect(run.stdout).not.toContain("1000000");
  const again = await replayed(path, [program]);
  expect(again.stdout).toBe(run.stdout);
  expect(again).toMatchObject({ code: 0 });
});

const EXITING = `
import { loop, socketMap } from ${JSON.stringify(`${ROOT}dist/index.js`)};
import fs from "node:fs";
process.on("exit", (status) => fs.writeFileSync(process.argv[2], String(status)));
socketMap.callLater(0, () => console.log(fs.readdirSync(".").length > 0));
await loop();
process.exitCode = 3;
`;

test("what a program does at its exit is not a part of its recording", async () => {
  const at = directory();
  const [program, path, file] = [join(at, "exiting.mjs"), join(at, "run.wrec"), join(at, "status")];
  writeFileSync(program, EXITING);
  const env = { ...process.env, WASYNCORE_RECORD: path };
  await expect(command(process.execPath, [program, file], { env })).rejects.toMatchObject({ code: 3 });
  expect(readFileSync(file, "utf8")).toBe("3");
  rmSync(file);
  const again = await replayed(path, [program, file]);
  expect(again).toMatchObject({ code: 0, stdout: "true\n" });
  expect(existsSync(file)).toBe(false);
});
