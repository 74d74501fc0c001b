/** Files, timers, dates and random numbers of Node are recorded with a program, and come from its recording again. */

import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test, vi } from "vitest";
import { RecordingReader, sourceOf } from "../../host/record/reader.js";
import { requireBuild, ROOT, Running } from "../support/processes.js";
import { command, directory, replayed } from "./outside-support.js";

/** Each test starts several processes. */
vi.setConfig({ testTimeout: 60_000 });

beforeAll(() => requireBuild("dist/record/hooks.js"));

/** Prints what it gets from Node, in the order in which it comes. */
const PROGRAM = `
import { loop, socketMap } from ${JSON.stringify(`${ROOT}dist/index.js`)};
import fs, { createReadStream, existsSync, promises, read, readFileSync } from "node:fs";
import { promisify } from "node:util";
import { setTimeout as sleep } from "node:timers/promises";
const at = process.argv[2];
const readLater = promisify(read);
console.log(Math.random(), Math.random(), Date.now(), new Date().toISOString(), new Date(0) instanceof Date);
socketMap.callLater(100, () => console.log("map's timer", Date.now()));
setTimeout((text) => console.log(text, Date.now()), 15, "timer");
const interval = setInterval(() => console.log("interval", Date.now()), 20);
const never = setTimeout(() => console.log("never"), 30);
clearTimeout(never);
setImmediate(() => console.log("immediate"));
process.nextTick(() => console.log("tick"));
const sleeping = new AbortController();
const slept = sleep(10_000, undefined, { signal: sleeping.signal }).catch((error) => console.log(error.name));
async function files() {
  const found = [];
  for await (const entry of await promises.opendir(at)) {
    const { size, mtime, mode } = await promises.lstat(at + "/" + entry.name);
    found.push([entry.name, entry.isFile(), entry.isDirectory(), size, mode, mtime.getTime()]);
  }
  console.log(JSON.stringify(found.sort()));
  const handle = await promises.open(at + "/made", "w+");
  await handle.write("hello, file");
  const { bytesRead, buffer } = await handle.read(Buffer.alloc(20), 2, 10, 0);
  console.log(bytesRead, buffer.toString("latin1"), (await handle.stat()).size);
  await handle.close();
  await promises.readFile(at + "/absent").catch(({ code, message }) => console.log(code, message.includes("absent")));
  await promises.readFile(Symbol.iterator).catch(({ code }) => console.log(code));
  const fd = fs.openSync(at + "/large", "r");
  const parts = await Promise.all([1, 2, 3, 4].map((n) => readLater(fd, Buffer.alloc(3000), 0, 3000, n * 1000)));
  console.log(parts.map(({ bytesRead, buffer }) => bytesRead + String(buffer.subarray(0, 8))).join());
  fs.closeSync(fd);
  let streamed = 0;
  for await (const chunk of createReadStream(at + "/large")) streamed += chunk.length;
  console.log("streamed", streamed, readFileSync(at + "/large").length, existsSync(at + "/absent"));
  await promises.appendFile(at + "/made", process.env.CHANGED === "1" ? "other" : " again");
  console.log((await promises.readdir(at, { withFileTypes: true })).map((each) => each.name + each.isFile()).sort().join());
  fs.stat(at, { bigint: true }, (error, stats) => console.log(stats.isDirectory(), stats.mtimeNs, stats.mtime.getTime()));
  sleeping.abort();
  await slept;
  await sleep(5);
  clearInterval(interval);
}
const done = files();
await loop();
await done;
console.log("end", Math.random(), Date.now());
`;

function prepared(): { readonly at: string; readonly program: string; readonly path: string; readonly data: string } {
  const at = directory();
  const data = join(at, "data");
  const program = join(at, "program.mjs");
  mkdirSync(join(data, "below"), { recursive: true });
  writeFileSync(join(data, "large"), "0123456789".repeat(20_000));
  writeFileSync(program, PROGRAM);
  return { at, program, path: join(at, "run.wrec"), data };
}

test("a program that uses files and timers of Node replays when the files are gone", async () => {
  const { data, path, program } = prepared();
  const run = await command(process.execPath, [program, data], { env: { ...process.env, WASYNCORE_RECORD: path } });
  expect(run.stdout).toContain("10 \0\0hello, fil");
  expect(readFileSync(join(data, "made"), "utf8")).toBe("hello, file again");
  rmSync(data, { recursive: true });

  const again = await replayed(path, [program, data], ["--strict"]);
  expect(again.stderr).toContain("no difference");
  expect(again.stdout).toBe(run.stdout);
  expect(again.code).toBe(0);
  expect(existsSync(data)).toBe(false);

  const changed = await replayed(path, [program, data], [], { CHANGED: "1" });
  expect(changed.code).toBe(1);
  expect(changed.stderr).toMatch(/expected: the end of fs\.appendFile\(.*" again"/);
  expect(changed.stderr).toMatch(/found: {4}fs\.appendFile\(.*"other"/);
});

test("a recording without them is refused by --strict, and leaves Node's to the program", async () => {
  const { data, path, program } = prepared();
  const env = { ...process.env, WASYNCORE_RECORD: path, WASYNCORE_RECORD_OPTIONS: '{"outside":false}' };
  await command(process.execPath, [program, data], { env });
  rmSync(join(data, "made"));
  const strict = await replayed(path, [program, data], ["--strict"]);
  expect(strict.stderr).toContain("--strict needs a recording that has them");
  expect(strict.code).toBe(2);
  const again = await replayed(path, [program, data]);
  expect(again.stderr).toContain("no difference");
  expect(readFileSync(join(data, "made"), "utf8")).toBe("hello, file again");
});

test("what a callback of Node throws is an uncaught exception of the replay as well", async () => {
  const at = directory();
  const [program, path] = [join(at, "throws.mjs"), join(at, "throws.wrec")];
  writeFileSync(
    program,
    `import ${JSON.stringify(`${ROOT}dist/index.js`)};
import fs from "node:fs";
const caught = () => new Promise((resolve) => process.once("uncaughtException", ({ message }) => resolve(message)));
setTimeout(() => { throw new Error("in a timer"); }, 1);
console.log(await caught());
fs.stat("/", () => { throw new Error("in a callback"); });
console.log(await caught());
process.on("uncaughtExceptionMonitor", ({ message }) => console.log(message));
setImmediate(() => { throw new Error("at its end"); });
`,
  );
  const run = new Running(process.execPath, [program], ROOT, { env: { ...process.env, WASYNCORE_RECORD: path } });
  const { code, stdout } = await run.ended;
  expect([code, stdout]).toEqual([1, "in a timer\nin a callback\nat its end\n"]);

  const again = await replayed(path, [program]);
  expect(again.stdout).toBe(stdout);
  expect(again.stderr).toContain("no difference");
  expect(again.code).toBe(0);
});

test.each([
  ["of timers alone", ""],
  ["whose program catches what dates throw", "try { Date.now(); } catch { console.log('caught'); }"],
  ["whose program reads dates in its callbacks", "setImmediate(() => Date.now());"],
])("a replay ends with an error where a recording %s is damaged", async (_name, reads) => {
  const at = directory();
  const [program, path] = [join(at, "waits.mjs"), join(at, "waits.wrec")];
  // Longer than it takes until what was recorded is written: it has more than one block.
  writeFileSync(
    program,
    `import ${JSON.stringify(`${ROOT}dist/index.js`)};
for (let i = 0; i < 15; i++) {
  await new Promise((resolve) => setTimeout(resolve, 100));
  ${reads}
}
`,
  );
  await command(process.execPath, [program], { env: { ...process.env, WASYNCORE_RECORD: path } });
  const recorded = readFileSync(path);
  const last = new RecordingReader(sourceOf(recorded));
  let position = 0;
  while (last.next()) ({ position } = last);
  recorded[position] = (recorded[position] ?? 0) ^ 0xff;
  writeFileSync(path, recorded);

  const { code, stderr, stdout } = await replayed(path, [program]);
  expect(stderr).toMatch(/^wasyncore: cannot replay .*waits\.wrec further: damaged: the bytes from \d+ on .*\n$/);
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
});

test("what is no recording is reported in a line, with exit status 2", async () => {
  const at = directory();
  const [program, path] = [join(at, "empty.mjs"), join(at, "text.wrec")];
  writeFileSync(program, `import ${JSON.stringify(`${ROOT}dist/index.js`)};\nsetImmediate(() => undefined);\n`);
  writeFileSync(path, "text");
  const text = await replayed(path, [program]);
  expect(text.stderr).toMatch(/^wasyncore: cannot replay .*text\.wrec: this is no recording\n$/);
  expect(text.code).toBe(2);
  const missing = await replayed(join(at, "missing.wrec"), [program]);
  expect(missing.stderr).toMatch(/^wasyncore: cannot replay .*missing\.wrec: there is no such file\n$/);
  expect(missing.code).toBe(2);
});

/** Looks closely at what it gets from Node. Its one argument is a directory. */
const CURIOUS = `
import ${JSON.stringify(`${ROOT}dist/index.js`)};
import fs, { promises } from "node:fs";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { inspect } from "node:util";
const path = process.argv[2] + "/curious";
const tried = async (call) => call().catch(({ name, code, message }) => console.log(name, code, message));
fs.writeFileSync(path, "one\\ntwo\\nthree");
const lines = [];
for await (const line of (await promises.open(path)).readLines()) lines.push(line);
const reading = await promises.open(path, "r+");
const closed = once(reading, "close");
const chunks = [];
for await (const chunk of reading.createReadStream({ start: 2, highWaterMark: 4, encoding: "utf8" })) chunks.push(chunk);
await closed;
const writing = (await promises.open(path, "r+")).createWriteStream({ start: 1 });
writing.write("1");
writing.write("2");
writing.end("3");
await once(writing, "close");
const handle = await promises.open(path);
let bytes = 0;
for await (const chunk of handle.readableWebStream()) bytes += chunk.byteLength;
await handle.close();
console.log(lines, chunks, reading.fd, fs.readFileSync(path, "utf8"), writing.bytesWritten, bytes);
const directory = fs.opendirSync(process.argv[2]);
console.log(directory.readSync().name, directory.readSync(), directory.closeSync());
try {
  directory.readSync();
} catch ({ code }) {
  console.log(code);
}
await new Promise((resolve) => {
  const immediate = setImmediate(function () {
    resolve(console.log(this === immediate));
  });
});
await tried(() => sleep(1, 1, 7));
await tried(() => sleep(1, 1, { signal: 7 }));
await tried(() => sleep("1"));
await tried(() => sleep(1, 1, { ref: 7 }));
await tried(() => promises.readFile(path, { signal: AbortSignal.abort() }));
await tried(() => promises.readFile({}));
await tried(() => sleep(1, 1, { signal: AbortSignal.abort() }));
class Day extends Date {}
const text = Function.prototype.toString;
console.log(text.call(Date).includes("[native code]"), inspect(Date), Date.length, Math.random.name, new Day(5).getTime());
console.log(new Day() instanceof Date, new Day().constructor === Day, new Date().constructor === Date, typeof Date());
`;

test("a program that looks closely gets the same, recorded, replayed or neither", async () => {
  const at = directory();
  const files = join(at, "files");
  const program = join(at, "curious.mjs");
  mkdirSync(files);
  writeFileSync(program, CURIOUS);
  const plain = await command(process.execPath, [program, files]);
  const path = join(at, "run.wrec");
  const env = { ...process.env, WASYNCORE_RECORD: path };
  expect(await command(process.execPath, [program, files], { env })).toEqual(plain);
  expect(plain.stdout).toContain("three");
  expect(plain.stderr).toBe("");
  rmSync(files, { recursive: true });
  expect(await replayed(path, [program, files])).toMatchObject({ code: 0, stdout: plain.stdout });
});
