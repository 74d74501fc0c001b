/** WASI guests on simulated hosts: in AssemblyScript, C and Go, with clocks and chance of the world. */

import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { ChannelMap, DispatcherWithSend, loop } from "wasyncore";
import { explore, type FaultTable, SimWorld } from "wasyncore/sim";
import { simulated } from "wasyncore/testing";
import { CALLS } from "../../host/record/calls.js";
import { TARGETS } from "../../host/sim/guest-rpc.js";
import { BUILD_TIMEOUT_MS, buildGuest } from "../assembly/programs.js";
import { wat } from "../guest/modules.js";
import { leaveOut, leaveOutSlow } from "../support/missing.js";

const SERVER = "10.0.0.1";
const LISTEN = [{ host: "0.0.0.0", port: 7 }];
const FAULTS: FaultTable = { "short-read": 0.3, "short-write": 0.3, latency: { ms: 1, jitterMs: 5 } };

function worldOf(seed: number, faults: FaultTable = {}): SimWorld {
  const world = new SimWorld({ seed, faults, start: 1_000_000_000_000 });
  onTestFinished(() => world[Symbol.dispose]());
  return world;
}

/** Sends a text when it is connected, and ends when it has an answer that is long enough. */
class Talker extends DispatcherWithSend {
  answer = "";
  readonly #text: string;
  readonly #length: number;

  constructor(text: string, length: number, map: ChannelMap) {
    super(undefined, map);
    this.#text = text;
    this.#length = length;
    this.createSocket();
    this.connect({ host: SERVER, port: 7 });
  }

  override handleConnect(): void {
    this.send(Buffer.from(this.#text));
  }

  override handleRead(): void {
    this.answer += Buffer.from(this.recv(4096)).toString();
    if (this.answer.length >= this.#length) this.close();
  }
}

/** Its talker, once the host has begun. */
function talkTo(world: SimWorld, address: string, text: string, length = text.length, atMs = 0): Talker[] {
  const talkers: Talker[] = [];
  world.at(atMs, () => {
    world.host(address).start(({ backend }) => {
      const map = new ChannelMap({ backend });
      talkers.push(new Talker(text, length, map));
      return loop({ map });
    });
  });
  return talkers;
}

const ECHO = `
import { Dispatcher, DispatcherWithSend, loop, Socket, SocketAddress } from "wasyncore";
import { takeListener } from "wasyncore/guest";

class Echo extends DispatcherWithSend {
  override handleRead(): void {
    this.send(this.recv(4096));
  }
}

class Server extends Dispatcher {
  override handleAccepted(socket: Socket, address: SocketAddress): void {
    new Echo(socket);
  }
}

new Server(takeListener("", "127.0.0.1:7"));
loop();
`;

let echo = new Uint8Array();
let directory = "";

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "sim-guests-"));
  echo = new Uint8Array(await buildGuest(ECHO));
}, BUILD_TIMEOUT_MS);

afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe("an echo server in AssemblyScript", () => {
  async function run(seed: number): Promise<string> {
    const world = worldOf(seed, FAULTS);
    world.host(SERVER).guest(echo, { listen: LISTEN });
    const texts = ["one", "two of them", "and the third"];
    const all = texts.map((text, index) => talkTo(world, `10.0.1.${index + 1}`, text));
    await world.run({ untilMs: 10_000 });
    expect(all.flat().map(({ answer }) => answer)).toEqual(texts);
    return world.traceHash();
  }

  test("serves clients of other hosts, in the same way with the same seed", async () => {
    const hash = await run(1);
    expect(await run(1)).toBe(hash);
    expect(await run(2)).not.toBe(hash);
  });

  test("is started again when its host is back after a crash", async () => {
    const world = worldOf(1, { crash: { at: [{ atMs: 100, forMs: 100, host: SERVER }] } });
    world.host(SERVER).guest(echo, { listen: LISTEN });
    const before = talkTo(world, "10.0.1.1", "before");
    const after = talkTo(world, "10.0.1.2", "after", 5, 500);
    await world.run({ untilMs: 10_000 });
    expect([...before, ...after].map(({ answer }) => answer)).toEqual(["before", "after"]);
  });

  test("two of them wait at the same time, each for its own clients", async () => {
    const world = worldOf(1, FAULTS);
    world.host(SERVER).guest(echo, { listen: LISTEN });
    world.host("10.0.0.9").guest(echo, { listen: LISTEN });
    const first = talkTo(world, "10.0.0.9", "from one server to the other", 28, 10);
    const second = talkTo(world, "10.0.1.2", "last", 4, 2000);
    world.runSync({ untilMs: 10_000 });
    expect([...first, ...second].map(({ answer }) => answer)).toEqual(["from one server to the other", "last"]);
  });
});

test("what is no module is refused at once, and a trap leaves the run", async () => {
  const world = worldOf(1);
  expect(() => world.host(SERVER).guest(new Uint8Array([1, 2, 3]))).toThrow(
    expect.objectContaining({ name: "GuestError" }),
  );
  // (module (memory (export "memory") 1) (func (export "_start") unreachable))
  const text = "0061736d01000000010401600000030201000503010001071302066d656d6f72790200065f737461727400000a05010300000b";
  world.host(SERVER).guest(new Uint8Array(Buffer.from(text, "hex")));
  await expect(world.run()).rejects.toThrow(/unreachable/);
});

const has = (name: string, ...parameters: string[]): boolean => spawnSync(name, parameters, { input: "" }).status === 0;
const withoutClang = leaveOut(
  "Guests in C on simulated hosts",
  has("clang", "--target=wasm32-wasi", "-E", "-include", "poll.h", "-")
    ? ""
    : "install clang, lld, wasi-libc and libclang-rt-dev-wasm32 to run them",
);
const withoutGo =
  leaveOutSlow("Go guests on simulated hosts", "they compile Go's standard library") ||
  leaveOut("Go guests on simulated hosts", has("go", "version") ? "" : "install Go 1.21 or later (https://go.dev/dl/)");

/** Sleeps an hour, then answers each connection with its clocks and some random bytes. Reads the clock until it goes on. */
const C_SOURCE = `
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

int main(int count, char **arguments) {
  struct timespec before, after;
  clock_gettime(CLOCK_MONOTONIC, &before);
  sleep(3600);
  do clock_gettime(CLOCK_MONOTONIC, &after);
  while (after.tv_nsec == before.tv_nsec);
  printf("%s %ld %ld\\n", arguments[1], (long)(after.tv_sec - before.tv_sec), (long)time(NULL));
  fflush(stdout);
  for (int served = 0; served < 2; served++) {
    struct pollfd waits = { .fd = 3, .events = POLLIN };
    if (poll(&waits, 1, -1) != 1) return 1;
    int fd = accept(3, NULL, NULL);
    if (fd < 0) return 2;
    struct pollfd reads = { .fd = fd, .events = POLLIN };
    char text[100];
    if (poll(&reads, 1, -1) != 1) return 3;
    ssize_t length = recv(fd, text, sizeof text, 0);
    unsigned char chance[4];
    getentropy(chance, sizeof chance);
    char answer[200];
    int size = snprintf(answer, sizeof answer, "%.*s %02x%02x%02x%02x", (int)length, text, chance[0], chance[1], chance[2], chance[3]);
    if (send(fd, answer, size, 0) != size) return 4;
    close(fd);
  }
  fprintf(stderr, "done\\n");
  return 7;
}
`;

test.skipIf(withoutClang !== "")(
  "a server in C sleeps an hour of the world, and its chance comes from the seed",
  async () => {
    writeFileSync(join(directory, "main.c"), C_SOURCE);
    const built = spawnSync("clang", ["--target=wasm32-wasi", "-O1", "main.c", "-o", "main.wasm"], { cwd: directory });
    expect(String(built.stderr)).toBe("");
    const module = new Uint8Array(readFileSync(join(directory, "main.wasm")));
    const run = async (seed: number): Promise<string> => {
      const world = worldOf(seed);
      const guest = world.host(SERVER).guest(module, { args: ["main", "argument"], listen: LISTEN });
      const all = [1, 2].map((n) => talkTo(world, `10.0.1.${n}`, "hello", 14, 3_700_000 + n * 1000));
      expect(await world.run()).toBe("idle");
      expect(guest.exits).toEqual([7]);
      expect(guest.stderr).toBe("done\n");
      expect(guest.stdout).toBe("argument 3600 1000003600\n");
      const answers = all.flat().map(({ answer }) => answer);
      expect(answers).toEqual([
        expect.stringMatching(/^hello [0-9a-f]{8}$/),
        expect.stringMatching(/^hello [0-9a-f]{8}$/),
      ]);
      return answers.join() + world.traceHash();
    };
    expect(await run(1)).toBe(await run(1));
    expect(await run(1)).not.toBe(await run(2));
  },
  60_000,
);

test("a guest that computes without end fails the run, and others that have ended do not", async () => {
  const world = worldOf(1);
  const module = wat(`(module (memory (export "memory") 1) (func (export "_start") (loop (br 0))))`);
  const ended = world.host("10.0.0.2").guest(wat(`(module (memory (export "memory") 1) (func (export "_start")))`));
  world.at(1000, () => world.host(SERVER).guest(module, { patienceMs: 500 }));
  await expect(world.run()).rejects.toMatchObject({
    code: "ERR_GUEST_STALLED",
    message: "a guest has computed for 500 ms without a call: the world cannot go on",
  });
  expect(ended.exits).toEqual([0]);
});

/** Has a guest that never ends. */
async function withServer(world: SimWorld): Promise<void> {
  world.host(SERVER).guest(echo, { listen: LISTEN });
  await world.run({ untilMs: 10 });
}

/** The threads of this process. */
const threads = (): number => readdirSync("/proc/self/task").length;

describe.skipIf(process.platform !== "linux")("no thread of a guest is left", () => {
  test.each([
    ["of what was explored", () => explore({ seeds: 4, scenario: withServer })],
    ["of a test in a world", simulated(withServer, { seeds: 4 })],
  ])("%s", async (_, run) => {
    // What comes up with the first thread of a guest stays.
    await run();
    const before = threads();
    await run();
    await vi.waitFor(() => expect(threads()).toBeLessThanOrEqual(before), 10_000);
  });
});

const GO_SOURCE = `package main

import (
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
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		time.Sleep(time.Minute)
		fmt.Fprintf(w, "%s %d %d", r.URL.Path, len(body), time.Now().Unix())
	})
	panic(http.Serve(listener, nil))
}
`;

test.skipIf(withoutGo !== "")(
  "Go's net/http serves several clients at once, each after a minute",
  async () => {
    writeFileSync(join(directory, "go.mod"), "module server\n\ngo 1.21\n");
    writeFileSync(join(directory, "main.go"), GO_SOURCE);
    const env = { ...process.env, GOOS: "wasip1", GOARCH: "wasm" };
    const built = spawnSync("go", ["build", "-o", "server.wasm", "."], { cwd: directory, env });
    expect(String(built.stderr)).toBe("");
    const module = new Uint8Array(readFileSync(join(directory, "server.wasm")));
    const run = async (seed: number): Promise<string> => {
      const world = worldOf(seed, FAULTS);
      world.host(SERVER).guest(module, { listen: LISTEN });
      const request = "POST /a HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc";
      const all = [1, 2, 3].map((n) => talkTo(world, `10.0.1.${n}`, request, 150, n * 1000));
      await world.run({ untilMs: 100_000 });
      expect(all.flat()).toHaveLength(3);
      for (const { answer } of all.flat())
        expect(answer).toMatch(/^HTTP\/1\.0 200 OK\r\n[^]*\r\n\r\n\/a 3 10000000\d\d$/);
      return (
        all
          .flat()
          .map(({ answer }) => answer)
          .join() + world.traceHash()
      );
    };
    expect(await run(1)).toBe(await run(1));
  },
  BUILD_TIMEOUT_MS,
);

test("the calls that fill an argument are the same for a guest's thread as for a recording", () => {
  const filling = Object.entries(CALLS).flatMap(([name, form]) => ("target" in form ? [[name, form.target]] : []));
  expect(TARGETS).toEqual(Object.fromEntries(filling));
});
