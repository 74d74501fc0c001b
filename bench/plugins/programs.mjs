// Owns the programs that measure the plugin host: the client, the modules that are served, and how a client is run. Knows no
// figure.

import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, renameSync } from "node:fs";
import { createInterface } from "node:readline";
import { join } from "node:path";
import { bench, output, root } from "../paths.mjs";
import { writeSource } from "./guests.mjs";

const CLIENT = join(output, "plugin-client");
const C_SERVER = join(root, "tests", "plugin", "servers", "c", "server.c");
const CC = ["-D_GNU_SOURCE", "-O2", "-std=gnu11", "-Wall", "-Wextra"];
const CLANG = ["--target=wasm32-wasi", "-O2", "-D_GNU_SOURCE", "-Wl,-z,stack-size=1048576"];

const clients = new Set();

export function buildClient() {
  mkdirSync(output, { recursive: true });
  // Another run may be starting it.
  const built = `${CLIENT}.${process.pid}`;
  execFileSync("cc", [...CC, "-o", built, join(bench, "plugins", "client.c")], { stdio: "inherit" });
  renameSync(built, CLIENT);
}

/**
 * Builds a module.
 * @param language "c", or "ours" for the guest of guests.mjs
 * @param run how it runs: a shared one is a reactor
 * @returns its path
 */
export function buildServer(language, run) {
  const path = join(output, `plugin-${language}-${run}.wasm`);
  if (language === "c") execFileSync("clang", [...CLANG, C_SERVER, "-o", path], { stdio: "inherit" });
  else {
    const build = [join(root, "dist", "cli", "main.js"), "build", writeSource(output, run), "-o", path];
    execFileSync(process.execPath, [...build, ...(run === "shared" ? ["--reactor"] : [])], { stdio: "inherit" });
  }
  return path;
}

/**
 * Starts a client.
 * @param options `requests`, or until `limitMs`; `aConnection`: requests on a connection; `rate`: requests a second on all
 *   connections together, otherwise each asks again as soon as it is answered
 * @returns its figures, with `failures`: how each failed request did, and when, on the clock of process.hrtime
 */
export async function runClient(port, { connections, requests = 0, aConnection, limitMs, rate }) {
  const parameters = [port, connections, requests, aConnection, Math.ceil(limitMs), ...(rate ? [rate] : [])].map(
    String,
  );
  const child = spawn(CLIENT, parameters, { stdio: ["ignore", "pipe", "inherit"] });
  clients.add(child);
  const started = once(child, "spawn");
  const failures = [];
  let figures;
  await started;
  for await (const line of createInterface({ input: child.stdout })) {
    const [word, what, atMs] = line.split(" ");
    if (word === "failed") failures.push({ kind: what, atMs: Number(atMs) });
    else figures = JSON.parse(line);
  }
  clients.delete(child);
  if (figures === undefined) throw new Error("the client has ended without a result");
  return { ...figures, failures };
}

/** Starts clients of bad-clients.mjs. @returns what ends them */
export function startBadClients(port, what, count) {
  const parameters = [join(bench, "plugins", "bad-clients.mjs"), port, what, count].map(String);
  const child = spawn(process.execPath, parameters, { stdio: ["pipe", "inherit", "inherit"] });
  clients.add(child);
  return () => {
    clients.delete(child);
    child.stdin.end();
  };
}

process.on("exit", () => {
  for (const child of clients) child.kill("SIGKILL");
});

/** The clock of the client's failures. */
export const nowMs = () => Number(process.hrtime.bigint() / 1_000_000n);
