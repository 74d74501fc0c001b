/**
 * Holds that a guest of another language runs: Go's net package, which polls, arms and clocks in its own way, serves on
 * a pre-opened socket.
 */

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { client, exchange, runModule } from "./command.js";
import { leaveOut, leaveOutSlow } from "../support/missing.js";

const SOURCE = `package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

func main() {
	listener, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	time.Sleep(time.Millisecond)
	fmt.Println("ready", os.Args[1:], os.Getenv("LISTEN_FDNAMES"))
	for {
		connection, err := listener.Accept()
		if err != nil {
			fmt.Println(err)
			os.Exit(2)
		}
		go func() {
			n, err := io.Copy(connection, connection)
			fmt.Println("copied", n, err)
			connection.Close()
		}()
	}
}
`;

const hasGo = spawnSync("go", ["version"], { stdio: "ignore" }).status === 0;
const TESTS = "The tests of a Go guest";
const missing =
  leaveOutSlow(TESTS, "they compile Go's standard library") ||
  leaveOut(TESTS, hasGo ? "" : "install Go 1.21 or later (https://go.dev/dl/) to run them");

describe.skipIf(missing !== "")("a Go guest", () => {
  let guest: Uint8Array;
  let directory: string;

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "guest-host-go-"));
    writeFileSync(join(directory, "go.mod"), "module echo\n\ngo 1.21\n");
    writeFileSync(join(directory, "main.go"), SOURCE);
    const env = { ...process.env, GOOS: "wasip1", GOARCH: "wasm", GOWORK: "off" };
    const { status, stderr } = spawnSync("go", ["build", "-o", "echo.wasm", "."], {
      cwd: directory,
      env,
      encoding: "utf8",
    });
    if (status !== 0) throw new Error(`go build: ${stderr}`);
    guest = readFileSync(join(directory, "echo.wasm"));
  }, 300_000);

  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  test("serves many connections at once, and loses nothing", async () => {
    const run = runModule(guest, "--listen", "web=127.0.0.1:0", "--", "a", "b");
    await run.stdout(/ready \[a b\] web\n/);
    const port = await run.port();
    const sockets = await Promise.all(Array.from({ length: 50 }, () => client(port)));
    const sent = sockets.map((_, index) => Buffer.alloc(100_000 + index, `connection ${index} `));
    const received = await Promise.all(sockets.map((socket, index) => exchange(socket, sent[index] ?? "")));
    expect(received.map((each, index) => each.equals(sent[index] ?? Buffer.alloc(0)))).toEqual(sockets.map(() => true));
  });

  test("hears of a reset, and goes on", async () => {
    const run = runModule(guest, "--listen", "127.0.0.1:0");
    const port = await run.port();
    const gone = await client(port);
    const echoed = new Promise((resolve) => gone.once("data", resolve));
    gone.write("x");
    await echoed;
    gone.resetAndDestroy();
    await run.stdout(/copied 1 .*reset by peer/i);
    expect((await exchange(await client(port), "still here")).toString()).toBe("still here");
  });
});
