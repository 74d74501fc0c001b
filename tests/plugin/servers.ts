/**
 * Owns the HTTP servers that other compilers make for WASI preview 1, and one of the project's own: which tools each needs,
 * how it is built. Each answers `/`, `/who` with VERSION of its environment, and `/bytes/N`. Knows nothing of who runs them.
 */

import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { buildGuest } from "../assembly/programs.js";
import { leaveOut, leaveOutSlow } from "../support/missing.js";
import { ROOT } from "../support/processes.js";

const SOURCES = join(ROOT, "tests/plugin/servers");
/** Outside of the checkout, so that a second run finds what the first has built. */
const CACHE = join(process.env["WASYNCORE_RUNTIMES"] ?? join(homedir(), ".cache/wasyncore"), "plugins");
const RUST_TARGET = "wasm32-wasip1";
const run = promisify(execFile);

export interface ForeignServer {
  readonly name: string;
  /** Can a request end it by a trap? */
  readonly traps: boolean;
  /** @returns why it is left out; "" where it is not. @throws where every test is to run, and a tool is missing */
  readonly missing: () => string;
  readonly build: () => Promise<Uint8Array>;
}

const OURS = `
import { AsyncChat, Dispatcher, loop, Socket, SocketAddress } from "wasyncore";
import { environmentVariable, takeListener } from "wasyncore/guest";

function breakDown(): void { unreachable(); }

class Handler extends AsyncChat {
  private head: string = "";
  constructor(socket: Socket) {
    super(socket);
    this.setTerminator("\\r\\n\\r\\n");
  }
  override collectIncomingData(data: Uint8Array): void {
    this.head += String.UTF8.decodeUnsafe(data.dataStart, data.byteLength);
  }
  override foundTerminator(): void {
    const path = this.head.split(" ")[1];
    const closes = this.head.toLowerCase().includes("\\r\\nconnection: close");
    this.head = "";
    if (path == "/trap") breakDown();
    const bytes = path.startsWith("/bytes/") ? <i32>parseInt(path.substring(7)) : 0;
    const version = environmentVariable("VERSION");
    const body = path == "/" ? "hello\\n" : path == "/who" && version !== null ? version : "";
    const connection = closes ? "close" : "keep-alive";
    const length = body.length + bytes;
    const head = "HTTP/1.1 200 OK\\r\\nContent-Length: " + length.toString() + "\\r\\nConnection: " + connection + "\\r\\n\\r\\n";
    this.push(Uint8Array.wrap(String.UTF8.encode(head + body)));
    if (bytes > 0) this.push(new Uint8Array(bytes));
    if (closes) this.closeWhenDone();
  }
}

class Server extends Dispatcher {
  override handleAccepted(socket: Socket, _address: SocketAddress): void { new Handler(socket); }
}

new Server(takeListener());
`;

/** The project's own server; as a reactor, or as a command that runs its own loop. */
export function buildOurs(isCommand: boolean): Promise<Uint8Array> {
  return isCommand ? buildGuest(`${OURS}loop();`) : buildGuest(OURS, "--reactor");
}

export const FOREIGN_SERVERS: readonly ForeignServer[] = [
  {
    name: "Go, net/http",
    traps: false,
    missing: () =>
      leaveOutSlow("The plugin in Go", "it compiles Go's standard library") ||
      leaveOut("The plugin in Go", works("go", "version") ? "" : "install Go 1.21 or later (https://go.dev/dl/)"),
    build: () =>
      built(async (out) => {
        const env = { ...process.env, GOOS: "wasip1", GOARCH: "wasm", GOWORK: "off" };
        await run("go", ["build", "-o", out, "."], { cwd: join(SOURCES, "go"), env });
      }),
  },
  {
    name: "C, poll",
    traps: true,
    missing: () =>
      leaveOut(
        "The plugin in C",
        works("clang", "--target=wasm32-wasi", "-E", join(SOURCES, "c/server.c"))
          ? ""
          : "install clang, lld, wasi-libc and libclang-rt-dev-wasm32",
      ),
    build: () => built(compileC),
  },
  {
    name: "Rust, tokio",
    traps: true,
    missing: () =>
      leaveOutSlow("The plugin in Rust", "it compiles tokio") ||
      leaveOut("The plugin in Rust", hasRustTarget() ? "" : `install Rust, and rustup target add ${RUST_TARGET}`),
    build: async () => {
      const target = join(CACHE, "rust");
      const env = { ...process.env, CARGO_TARGET_DIR: target };
      await run("cargo", ["build", "--locked", "--release", "--quiet"], { cwd: join(SOURCES, "rust"), env });
      return readFileSync(join(target, RUST_TARGET, "release/server.wasm"));
    },
  },
  { name: "AssemblyScript, wasyncore", traps: true, missing: () => "", build: () => buildOurs(true) },
];

// The stack: wasi-libc's poll keeps 80 bytes a descriptor on it.
async function compileC(out: string): Promise<void> {
  const flags = ["-O2", "-D_GNU_SOURCE", "-Wl,-z,stack-size=1048576"];
  await run("clang", ["--target=wasm32-wasi", ...flags, join(SOURCES, "c/server.c"), "-o", out]);
}

async function built(build: (out: string) => Promise<void>): Promise<Uint8Array> {
  const directory = mkdtempSync(join(tmpdir(), "plugin-server-"));
  try {
    const out = join(directory, "server.wasm");
    await build(out);
    return readFileSync(out);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function works(program: string, ...parameters: string[]): boolean {
  return spawnSync(program, parameters, { stdio: "ignore" }).status === 0;
}

function hasRustTarget(): boolean {
  const { status, stdout } = spawnSync("rustc", ["--target", RUST_TARGET, "--print", "target-libdir"], {
    encoding: "utf8",
    cwd: join(SOURCES, "rust"),
  });
  return status === 0 && works("ls", stdout.trim()) && works("cargo", "--version");
}
