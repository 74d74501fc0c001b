/** Holds that servers in Go and C replay from recordings that were made under load, and where they are killed. */

import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type ReplayOutcome, replayGuest } from "../../host/guest/record/replay.js";
import { openRecordingFile } from "../../host/record/files.js";
import { RecordingReader } from "../../host/record/reader.js";
import { leaveOut, leaveOutSlow } from "../support/missing.js";
import { ROOT } from "../support/processes.js";
import { client, exchange, runModule } from "./command.js";

const GO = `package main

import (
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

func main() {
	listener, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		panic(err)
	}
	http.HandleFunc("/exit", func(http.ResponseWriter, *http.Request) { os.Exit(7) })
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		random := make([]byte, 8)
		rand.Read(random)
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %x %d %d", r.URL.Path, random, len(body), time.Now().UnixNano())
	})
	fmt.Println("ready")
	panic(http.Serve(listener, nil))
}
`;

const CONNECTIONS = 10;
const REQUESTS = 300;

const has = (name: string, ...parameters: string[]): boolean => spawnSync(name, parameters, { input: "" }).status === 0;
const withoutGo =
  leaveOutSlow("The recordings of a Go guest", "they compile Go's standard library") ||
  leaveOut(
    "The recordings of a Go guest",
    has("go", "version") ? "" : "install Go 1.21 or later (https://go.dev/dl/) to run them",
  );
const withoutClang = leaveOut(
  "The recordings of a C guest",
  has("clang", "--target=wasm32-wasi", "-E", "-include", "poll.h", "-")
    ? ""
    : "install clang, lld, wasi-libc and libclang-rt-dev-wasm32 to run them",
);

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "guest-record-"));
  chmodSync(directory, 0o755);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function replay(path: string, module: Uint8Array): ReplayOutcome {
  const reader = new RecordingReader(openRecordingFile(path));
  onTestFinished(() => reader.close());
  return replayGuest(reader, module);
}

function fetched(agent: Agent, port: number, path: string, body = ""): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = request({ agent, port, path, host: "127.0.0.1", method: "POST" }, (response) => {
      const parts: Buffer[] = [];
      response.on("data", (part: Buffer) => void parts.push(part));
      response.on("end", () => resolve(Buffer.concat(parts).toString()));
    });
    sent.on("error", reject).end(body);
  });
}

describe.skipIf(withoutGo !== "")("a Go net/http guest", () => {
  let guest: Uint8Array;

  beforeAll(() => {
    writeFileSync(join(directory, "go.mod"), "module server\n\ngo 1.21\n");
    writeFileSync(join(directory, "main.go"), GO);
    const env = { ...process.env, GOOS: "wasip1", GOARCH: "wasm", GOWORK: "off" };
    const built = spawnSync("go", ["build", "-o", "go.wasm", "."], { cwd: directory, env, encoding: "utf8" });
    if (built.status !== 0) throw new Error(`go build: ${built.stderr}`);
    guest = readFileSync(join(directory, "go.wasm"));
  }, 300_000);

  async function underLoad(): Promise<{ readonly run: ReturnType<typeof runModule>; readonly port: number }> {
    const run = runModule(guest, "--record", "run.wrec", "--listen", "127.0.0.1:0");
    const port = await run.port();
    const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
    onTestFinished(() => agent.destroy());
    const texts = await Promise.all(
      Array.from({ length: REQUESTS }, (_, i) => fetched(agent, port, `/${i}`, "x".repeat(i * 97))),
    );
    for (const [i, text] of texts.entries()) expect(text).toMatch(new RegExp(`^/${i} [0-9a-f]{16} ${i * 97} \\d+$`));
    return { run, port };
  }

  test("replays every call, to its exit", { timeout: 120_000 }, async () => {
    const { run, port } = await underLoad();
    await expect(fetched(new Agent(), port, "/exit")).rejects.toThrow();
    expect(await run.ended).toMatchObject({ code: 7 });
    const outcome = replay(join(run.directory, "run.wrec"), guest);
    expect(outcome).toMatchObject({ kind: "same", end: { kind: "exit", code: 7 } });
    expect(outcome.calls).toBeGreaterThan(4 * REQUESTS);
  });

  test("replays to its last block when it was killed", { timeout: 120_000 }, async () => {
    const { run } = await underLoad();
    run.child.kill("SIGKILL");
    await run.ended;
    const outcome = replay(join(run.directory, "run.wrec"), guest);
    expect(outcome).toMatchObject({ kind: "cut off" });
    expect(outcome.calls).toBeGreaterThan(2 * REQUESTS);
  });
});

describe.skipIf(withoutClang !== "")("a C guest that polls", () => {
  let guest: Uint8Array;

  beforeAll(() => {
    const source = join(ROOT, "bench/servers/guest.c");
    const flags = ["-O1", "-Wl,-z,stack-size=8388608", "-o", "c.wasm", source];
    const built = spawnSync("clang", ["--target=wasm32-wasi", ...flags], { cwd: directory, encoding: "utf8" });
    if (built.status !== 0) throw new Error(`clang: ${built.stderr}`);
    guest = readFileSync(join(directory, "c.wasm"));
  }, 60_000);

  test("replays to its last block when it was killed", async () => {
    const run = runModule(guest, "--record", "run.wrec", "--listen", "127.0.0.1:0");
    const port = await run.port();
    const sent = Array.from({ length: 30 }, (_, i) => Buffer.alloc(10_000 + i, `connection ${i} `));
    const received = await Promise.all(sent.map(async (data) => exchange(await client(port), data)));
    expect(received.every((each, i) => each.equals(sent[i] ?? Buffer.alloc(0)))).toBe(true);
    run.child.kill("SIGKILL");
    await run.ended;
    const outcome = replay(join(run.directory, "run.wrec"), guest);
    expect(outcome).toMatchObject({ kind: "cut off" });
    expect(outcome.calls).toBeGreaterThan(60);
  });
});
