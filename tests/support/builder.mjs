/**
 * Owns a process that runs `wasyncore build` for the tests, one build after another: a compiler that is warm takes a third of the
 * time of one that has just been started. Keeps what it has built, by the contents of all that goes into it. Started by
 * build-service.ts, with the path of the socket where it takes requests.
 */

import { createHash } from "node:crypto";
import { existsSync, rmdirSync, rmSync } from "node:fs";
import { copyFile, mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const KEPT = join(ROOT, "build", "guests");
const [, , SOCKET] = process.argv;
/** What a guest is made of besides its own files. */
const LIBRARY = ["assembly", "dist", "package-lock.json"];

/** @type {Promise<string> | undefined} The directory of what is kept. */
let library;
/** @type {Promise<unknown>} */
let last = Promise.resolve();

// A client sends a request and ends, and gets an answer.
const server = createServer({ allowHalfOpen: true }, (socket) => {
  let asked = "";
  socket.setEncoding("utf8").on("data", (text) => (asked += text));
  socket.once("end", async () => socket.end(JSON.stringify(await answerTo(asked))));
  // It may be gone: the test has ended.
  socket.on("error", () => undefined);
});
server.listen(SOCKET, () => process.send?.("listening"));
// Ctrl-C is for the run, whose end is that of this process.
process.on("SIGINT", () => undefined);
process.once("disconnect", () => {
  leaveNothing();
  process.exit();
});

/** A run that was killed removes nothing itself. The directory goes with the last of its sockets. */
function leaveNothing() {
  rmSync(SOCKET, { force: true });
  try {
    rmdirSync(dirname(SOCKET));
  } catch {
    // The run has removed it, or another process is still there.
  }
}

async function answerTo(asked) {
  const built = last.then(() => build(JSON.parse(asked)));
  last = built.catch(() => undefined);
  try {
    return await built;
  } catch (error) {
    return { status: 1, stderr: String(error?.stack ?? error) };
  }
}

async function build({ entry, out, options }) {
  const kept = await (library ??= keepLibrary());
  const path = join(kept, `${await keyOf(entry, options)}.wasm`);
  await mkdir(dirname(out), { recursive: true });
  if (existsSync(path)) {
    await put(path, out);
    return { status: 0, stderr: "" };
  }
  await mkdir(kept, { recursive: true });
  // Not `out`, which another run in this checkout may be writing as well.
  const made = `${path}.${process.pid}`;
  const ended = await run([entry, "-o", made, ...options]);
  if (ended.status !== 0) return ended;
  await put(made, out);
  // One with warnings would have none the next time.
  if (ended.stderr === "") await rename(made, path);
  else await rm(made);
  return ended;
}

/** Who reads it meanwhile has the former one, or this one. */
async function put(path, out) {
  const copied = `${out}.${process.pid}`;
  await copyFile(path, copied);
  await rename(copied, out);
}

async function run(parameters) {
  const { buildCommand } = await import("../../dist/cli/build.js");
  const { write } = process.stderr;
  let stderr = "";
  process.stderr.write = (chunk) => {
    stderr += String(chunk);
    return true;
  };
  try {
    return { status: await buildCommand(parameters), stderr };
  } finally {
    process.stderr.write = write;
  }
}

/** Where an entry is matters for the names in the module, which are those of its path below the working directory. */
async function keyOf(entry, options) {
  const place = entry.startsWith(ROOT) ? entry : basename(entry);
  const hash = createHash("sha256").update(JSON.stringify([place, options]));
  for (const source of (await withImports(entry)).values()) hash.update(`\0${source.length} ${source}`);
  return hash.digest("hex");
}

/** The directory of what is built with the library as it is. What was built with others is removed. */
async function keepLibrary() {
  const name = await hashOf(LIBRARY);
  for (const other of await readdir(KEPT).catch(() => [])) {
    if (other !== name) await rm(join(KEPT, other), { recursive: true, force: true });
  }
  return join(KEPT, name);
}

/** The sources of a program, by path: its own file, and what is imported by a relative path. */
async function withImports(entry) {
  const sources = new Map();
  const left = [entry];
  for (let path = left.pop(); path !== undefined; path = left.pop()) {
    if (sources.has(path)) continue;
    const source = await readFile(path, "utf8").catch(() => "");
    sources.set(path, source);
    for (const [, name] of source.matchAll(/\b(?:from|import|require)\b\s*\(?\s*["'](\.[^"']+)["']/g)) {
      const file = join(dirname(path), name);
      // As TypeScript has it: "./x.js" is x.ts, and so is "./x" for AssemblyScript.
      left.push(file, file.replace(/\.js$/, ".ts"), `${file}.ts`);
    }
  }
  return sources;
}

async function hashOf(places) {
  const hash = createHash("sha256");
  for (const place of places) {
    const inside = place.includes(".") ? [place] : await readdir(join(ROOT, place), { recursive: true });
    for (const name of inside.toSorted()) {
      const path = join(ROOT, place.includes(".") ? name : join(place, name));
      const contents = await readFile(path).catch((error) => {
        if (error.code !== "EISDIR") throw error;
      });
      if (contents !== undefined) hash.update(`\0${name}\0${contents.length}\0`).update(contents);
    }
  }
  return hash.digest("hex");
}
