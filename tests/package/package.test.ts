/** The package as others get it: packed, installed into an empty project, compiled against, and run. */

import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { SIZE_MAX } from "../../scripts/release.mjs";
import { Peer } from "../support/peers.js";
import { STRICT_PROGRAM } from "../support/compiler-options.js";
import { requireBuild, ROOT, start } from "../support/processes.js";

const command = promisify(execFile);

/** The echo server of docs/from-python.md. */
const PROGRAM = `
import { Dispatcher, loop, type Socket, type SocketAddress } from "wasyncore";

class EchoHandler extends Dispatcher {
  override handleRead(): void {
    const data = this.recv(8192);
    if (data.length > 0) this.send(data);
  }
}
class EchoServer extends Dispatcher {
  constructor(host: string, port: number) {
    super();
    this.createSocket();
    this.setReuseAddr();
    this.bind({ host, port });
    this.listen(5);
  }
  override handleAccepted(socket: Socket, address: SocketAddress): void {
    this.log(\`incoming connection from \${address.host}:\${address.port}\`);
    new EchoHandler(socket);
  }
}
new EchoServer("localhost", 8080);
await loop();
`;

/** What a guest and a program on Node have in common. */
const COMMON = `
import { AsyncChat, loop, type TimerHandler } from "wasyncore";
import { environmentVariable, exitNow, listeners, pending, programArguments, takeError, takeListener, turn } from "wasyncore/guest";

class Ticker extends AsyncChat implements TimerHandler {
  handleTimer(): void {
    this.close();
    exitNow();
  }
}
const ticker = new Ticker(takeListener(programArguments()[1], environmentVariable("ADDRESS") ?? ""));
ticker.map.callLater(1, ticker);
ticker.map.callEvery(1, { handleTimer: () => console.log(pending() + turn(0), takeError(), listeners()[0]?.name) });
loop();
`;

/** The same on a free port, which it tells. */
const ON_ANY_PORT = PROGRAM.replace(
  'new EchoServer("localhost", 8080);',
  'const server = new EchoServer("localhost", 0);\nconsole.log(`port ${server.socket.localAddress().port}`);',
);

/** The same without types, as somebody writes it who has no compiler. */
const PLAIN = ON_ANY_PORT.replace(", type Socket, type SocketAddress", "")
  .replaceAll("override ", "")
  .replaceAll(": void", "")
  .replaceAll(/: (string|number|SocketAddress|Socket)\b/g, "");

let directory = "";
let tarball = "";
let project = "";

beforeAll(async () => {
  requireBuild("dist/index.js");
  requireBuild("build/engine.wasm");
  directory = mkdtempSync(join(tmpdir(), "wasyncore-package-"));
  project = join(directory, "project");
  mkdirSync(project);
  // Without scripts: what is packed is what was built before the tests, which other tests are using now.
  const pack = ["pack", "--ignore-scripts", "--json", "--pack-destination", directory];
  const { stdout } = await command("npm", pack, { cwd: ROOT });
  const [packed] = JSON.parse(stdout) as { filename: string }[];
  tarball = join(directory, packed?.filename ?? "");
  writeFileSync(join(project, "package.json"), JSON.stringify({ name: "project", private: true, type: "module" }));
  await command("npm", ["install", "--prefer-offline", "--no-audit", "--no-fund", tarball], { cwd: project });
}, 120_000);

afterAll(() => {
  rmSync(directory, { recursive: true, force: true });
});

/** Writes a program into the project, runs it, and talks to it. */
async function talkTo(file: string): Promise<void> {
  const server = start(process.execPath, [file], project);
  const [, port] = await server.line(/^port (\d+)$/);
  const peer = await Peer.connect(Number(port));
  peer.write("hello");
  expect(String(await peer.atLeast(5))).toBe("hello");
  peer.socket.end();
  await peer.toEnd();
  server.child.kill("SIGINT");
  const { signal, stderr } = await server.ended;
  expect(signal).toBe("SIGINT");
  expect(stderr).toMatch(/^log: incoming connection from 127\.0\.0\.1:\d+\n$/);
}

test("the program runs in an empty project without a compiler", async () => {
  expect(PLAIN).not.toMatch(/: \w+[,)]|override|type /);
  writeFileSync(join(project, "plain.mjs"), PLAIN);
  await talkTo("plain.mjs");
});

test("the program passes tsc under strict, types of the package included, and runs", async () => {
  writeFileSync(join(project, "program.ts"), PROGRAM);
  writeFileSync(join(project, "on-any-port.ts"), ON_ANY_PORT);
  writeFileSync(join(project, "common.ts"), COMMON);
  const compilerOptions = {
    ...STRICT_PROGRAM,
    verbatimModuleSyntax: true,
    skipLibCheck: false,
    outDir: "out",
  };
  writeFileSync(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*.ts"] }));
  expect(await compile()).toBe("");
  await talkTo("out/on-any-port.js");
});

test("a mistake against the package's types is found", async () => {
  const wrong = PROGRAM.replace("this.recv(8192)", 'this.recv("8192")');
  writeFileSync(join(project, "program.ts"), wrong);
  await expect(compile()).rejects.toThrow(/program\.ts.*TS2345/);
});

/** tsc of the checkout, on the project. @returns what it says. */
async function compile(): Promise<string> {
  try {
    const { stdout } = await command(process.execPath, [join(ROOT, "node_modules/typescript/bin/tsc"), "-p", project]);
    return stdout;
  } catch (error) {
    throw new Error((error as { stdout: string }).stdout, { cause: error });
  }
}

test("the engine can be had as a file of its own", async () => {
  const source = `
    import { readFileSync } from "node:fs";
    import { fileURLToPath } from "node:url";
    const bytes = readFileSync(fileURLToPath(import.meta.resolve("wasyncore/engine.wasm")));
    const module = new WebAssembly.Module(bytes);
    console.log([...new Set(WebAssembly.Module.imports(module).map((each) => each.module))].sort().join(" "));`;
  writeFileSync(join(project, "engine.mjs"), source);
  const { stdout } = await command(process.execPath, ["engine.mjs"], { cwd: project });
  expect(stdout).toBe("env wasi_snapshot_preview1 wasyncore\n");
});

test("importing the package opens no standard stream", async () => {
  const source = `
    for (const name of ["stdin", "stdout", "stderr"]) {
      const { get } = Object.getOwnPropertyDescriptor(process, name);
      Object.defineProperty(process, name, {
        configurable: true,
        enumerable: true,
        get() {
          opened.push(name);
          return get.call(process);
        },
      });
    }
    const opened = [];
    await import(process.argv[2]);
    const found = opened.join(" ");
    console.log("opened:", found);`;
  writeFileSync(join(project, "streams.mjs"), source);
  // Not of "wasyncore/testing": node:assert itself opens stderr.
  for (const entry of ["wasyncore", "wasyncore/guest", "wasyncore/plugin", "wasyncore/record", "wasyncore/sim"]) {
    const { stdout } = await command(process.execPath, ["streams.mjs", entry], { cwd: project });
    expect(`${entry} ${stdout}`).toBe(`${entry} opened: \n`);
  }
});

test("the package is small, and has what it needs and no more", async () => {
  expect(statSync(tarball).size).toBeLessThan(SIZE_MAX);
  const { stdout } = await command("tar", ["tzf", tarball]);
  const names = stdout.trim().split("\n");
  const folders = new Set(
    names.map((name) => name.split("/").slice(1, -1).join("/").split("/")[0] || name.split("/")[1]),
  );
  expect([...folders].toSorted()).toEqual(
    ["LICENSE", "README.md", "assembly", "build", "dist", "package.json"].toSorted(),
  );
  const maps = names.filter((name) => name.endsWith(".js.map")).map((name) => name.slice(0, -".map".length));
  const library = names.filter(
    (name) => name.endsWith(".js") && !/\/(?:cli|component|plugin|record|sim|testing|typescript|wasi02)\//.test(name),
  );
  expect(maps.toSorted()).toEqual(library.toSorted());
});

test("stack traces name the lines of the TypeScript, which is not in the package", async () => {
  writeFileSync(join(project, "throws.mjs"), `import { Socket } from "wasyncore";\nSocket.fromDescriptor(-1);\n`);
  const running = start(process.execPath, ["--enable-source-maps", "throws.mjs"], project);
  const { stderr } = await running.ended;
  const [, file = "", line = "0"] = /\/host\/(net\/making\.ts):(\d+)/.exec(stderr) ?? [];
  const source = readFileSync(join(ROOT, "host", file), "utf8").split("\n");
  expect(source.slice(Number(line) - 1, Number(line) + 1).join("\n")).toContain("checkDescriptor(");
  expect(JSON.parse(readFileSync(join(ROOT, "dist/wasyncore.js.map"), "utf8"))).not.toHaveProperty("sourcesContent");
});

test("publint and attw find nothing to say", async () => {
  const tool = (name: string): string => join(ROOT, "node_modules/.bin", name);
  const published = await command(tool("publint"), ["--strict", tarball]);
  expect(published.stdout).toContain("All good!");
  // A .wasm file has no types to resolve.
  const types = await command(tool("attw"), [
    ...[tarball, "--profile", "esm-only", "--exclude-entrypoints", "engine.wasm", "--format", "json"],
  ]);
  expect(types.stdout).toContain('"./guest"');
}, 60_000);
