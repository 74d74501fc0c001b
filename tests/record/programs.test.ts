/** Programs are recorded by a variable of their environment, with real clients, and replayed by the command. */

import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { leaveOut, missingTools } from "../support/missing.js";
import { requireBuild, ROOT, Running } from "../support/processes.js";

/** Each test starts several processes. */
vi.setConfig({ testTimeout: 60_000 });

const command = promisify(execFile);
const CLI = `${ROOT}dist/cli/main.js`;

beforeAll(() => {
  requireBuild("build/examples/echo-server.js");
  requireBuild("dist/record/index.js");
});

function directory(): string {
  const made = mkdtempSync(join(tmpdir(), "wasyncore-"));
  onTestFinished(() => rmSync(made, { recursive: true }));
  return made;
}

/** A program that is recorded, and the port that it listens on. */
async function recorded(path: string, args: readonly string[], options = "{}") {
  const env = { ...process.env, WASYNCORE_RECORD: path, WASYNCORE_RECORD_OPTIONS: options };
  const program = new Running(process.execPath, args, ROOT, { env });
  const [, port] = await program.line(/(\d+)$/);
  return { program, port: Number(port) };
}

async function replayed(path: string, args: readonly string[], more: readonly string[] = [], env = {}) {
  const running = new Running(process.execPath, [CLI, "replay", path, ...more, "--", process.execPath, ...args], ROOT, {
    env: { ...process.env, ...env },
  });
  return running.ended;
}

/** Sends each line when the answer to the one before has come; the last one ends the connection. */
async function converse(port: number, lines: readonly string[], greets: boolean): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  let received = "";
  let sent = 0;
  const next = (): void => {
    const line = lines[sent++];
    if (line === undefined) socket.end();
    else socket.write(line);
  };
  socket.on("data", (data) => {
    received += String(data);
    next();
  });
  if (!greets) next();
  await once(socket, "close");
  return received;
}

/** Echoes what 3 clients send, then ends. `UP=1` changes it. */
function echoProgram(runs: string): string {
  return `
import { Dispatcher, DispatcherWithSend, ${runs} } from ${JSON.stringify(`${ROOT}dist/index.js`)};
let left = 3;
class Echo extends DispatcherWithSend {
  handleRead() {
    const data = this.recv(4096);
    if (data.length === 0) return;
    const text = String(Buffer.from(data));
    this.send(Buffer.from(process.env.UP === "1" && text.includes("4") ? text.toUpperCase() : text));
    if (process.env.MORE === "1" && text.includes("5")) this.send(Buffer.from("more"));
  }
  handleClose() {
    this.close();
    if (--left === 0 && process.env.STAYS !== "1") server.close();
  }
}
class Server extends Dispatcher {
  handleAccepted(socket) {
    new Echo(socket);
  }
}
const server = new Server();
server.createSocket();
server.bind({ host: "127.0.0.1", port: 0 });
server.listen(5);
console.log("port " + server.socket.localAddress().port);
await ${runs}();
console.log("done");
`;
}

/** An echo server, recorded with three clients; and a directory for what its replays keep for a time. */
async function recordedEcho() {
  const at = directory();
  const [program, path, tmp] = [join(at, "echo.mjs"), join(at, "run.wrec"), join(at, "tmp")];
  writeFileSync(program, echoProgram("loop"));
  mkdirSync(tmp);
  const { program: server, port } = await recorded(path, [program]);
  await Promise.all([0, 1, 2].map(async () => converse(port, ["hello\n"], false)));
  await server.ended;
  return { at, program, path, tmp };
}

test.each([
  ["run.wrec", '{"snt":true}', 'TypeError: WASYNCORE_RECORD_OPTIONS: unknown option "snt"'],
  ["run.wrec", "payloads", '"WASYNCORE_RECORD_OPTIONS" must be a JSON object'],
])("what is wrong with a recording to %s with %s is said with the variable's name", async (path, options, said) => {
  const env = { ...process.env, WASYNCORE_RECORD: path, WASYNCORE_RECORD_OPTIONS: options };
  const program = `import(${JSON.stringify(`${ROOT}dist/index.js`)}).then(({ socketMap }) => socketMap.callLater(0, () => 0))`;
  const { code, stderr } = await new Running(process.execPath, ["-e", program], directory(), { env }).ended;
  expect(stderr).toContain(said);
  expect(code).toBe(1);
});

test.each([
  ["missing/run.wrec", "there is no such directory (ENOENT)"],
  [".", "illegal operation on a directory (EISDIR)"],
])("a recording that cannot be made, to %s, is a sentence that says why and what to do", async (path, why) => {
  const env = { ...process.env, WASYNCORE_RECORD: path };
  const program = `import(${JSON.stringify(`${ROOT}dist/index.js`)}).then(({ socketMap }) => console.log("it runs", socketMap.callLater(0, () => 0)))`;
  expect(await new Running(process.execPath, ["-e", program], directory(), { env }).ended).toMatchObject({
    code: 1,
    stdout: "",
    stderr:
      `wasyncore: cannot record to ${path}: ${why}. ` +
      "WASYNCORE_RECORD names the file: set it to one that can be written, or unset it to run without a recording\n",
  });
});

test("a program that does not replay is no success: nothing was compared", async () => {
  const { at, program, path, tmp } = await recordedEcho();

  const other = await replayed(path, ["-e", "0"], [], { TMPDIR: tmp });
  expect(other).toMatchObject({ code: 2, stdout: "" });
  expect(other.stderr).toBe(`wasyncore: nothing was replayed: ${process.execPath} -e 0 has not loaded wasyncore\n`);
  expect((await replayed(path, [program], [], { TMPDIR: tmp })).code).toBe(0);
  expect(readdirSync(tmp)).toEqual([]);

  // Two processes that both replay it.
  const twice = ["sh", "-c", '"$0" "$1" && "$0" "$1"', process.execPath, program];
  const both = await new Running(process.execPath, [CLI, "replay", path, "--", ...twice], at).ended;
  expect(both).toMatchObject({ code: 0 });
  expect(both.stderr.match(/no difference/g)).toHaveLength(2);

  const replay = (file: string) => new Running(process.execPath, [CLI, "replay", path, "--", file], at).ended;
  expect(await replay("./none")).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/^wasyncore: cannot run \.\/none: there is no such program\n/) as string,
  });
  expect(await replay("app.wasm")).toMatchObject({
    code: 2,
    stderr: expect.stringContaining(`app.wasm is a module, and ${path} is no recording of a guest\n`) as string,
  });
});

test.each(["SIGINT", "SIGTERM", "SIGQUIT", "SIGHUP", "SIGUSR2"] as const)(
  "%s is for the program, and nothing stays behind",
  async (signal) => {
    const { path, tmp } = await recordedEcho();
    const stays = 'setInterval(() => {}, 1000); console.log("up")';
    const handles = `process.once("${signal}", () => { console.log("handled"); process.exit(0); });`;

    for (const [source, expected] of [
      [stays, { code: 128 + constants.signals[signal], stdout: "up\n", stderr: "" }],
      [`${handles} ${stays}`, { code: 2, stdout: "up\nhandled\n" }],
    ] as const) {
      const replay = new Running(process.execPath, [CLI, "replay", path, "--", process.execPath, "-e", source], ROOT, {
        env: { ...process.env, TMPDIR: tmp },
        // Without the terminal that the tests may have been started from.
        detached: true,
      });
      await replay.line(/^up$/);
      replay.child.kill(signal);
      expect(await replay.ended).toMatchObject(expected);
      expect(readdirSync(tmp)).toEqual([]);
    }
  },
);

/** Runs a command on a terminal of its own; types Ctrl-C when it says "up", and sends it SIGTERM when it has said "interrupted". */
const ON_TERMINAL = `
import os, pty, signal, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
said = b""
def wait_for(text):
    global said
    while text not in said:
        said += os.read(terminal, 1000)
wait_for(b"up")
os.write(terminal, b"\\x03")
wait_for(b"interrupted")
os.kill(pid, signal.SIGTERM)
wait_for(b"times")
print(said.decode().split(" times")[0].split()[-1])
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`;

test.skipIf(leaveOut("The tests of Ctrl-C", missingTools("python3")) !== "").each(["tty", "/dev/null"])(
  "Ctrl-C reaches the program once, with %s for its standard input",
  async (input) => {
    const at = directory();
    const path = join(at, "run.wrec");
    const library = JSON.stringify(`${ROOT}dist/index.js`);
    const source = `import { Socket } from ${library}; for (const each of Socket.pair()) each.close();`;
    writeFileSync(join(at, "ends.mjs"), source);
    await new Running(process.execPath, [join(at, "ends.mjs")], at, { env: { ...process.env, WASYNCORE_RECORD: path } })
      .ended;
    const counts = `let count = 0;
      process.on("SIGINT", () => { count++; console.log("interrupted"); });
      process.once("SIGTERM", () => { console.log(count + " times"); process.exit(7); });
      setInterval(() => {}, 1000);
      console.log("up");`;
    const replay = [process.execPath, CLI, "replay", path, "--", process.execPath, "-e", counts];
    const command = input === "tty" ? replay : ["sh", "-c", `exec "$0" "$@" < ${input}`, ...replay];
    const ended = await new Running("python3", ["-c", ON_TERMINAL, ...command], at).ended;
    expect(ended).toMatchObject({ stdout: "1\n", stderr: "", code: 2 });
  },
);

for (const runs of ["loop", "loopSync"]) {
  describe(runs, () => {
    test("an echo server replays without a difference, and a changed one with it", async () => {
      const at = directory();
      const [program, path] = [join(at, "echo.mjs"), join(at, "run.wrec")];
      writeFileSync(program, echoProgram(runs));
      const { program: server, port } = await recorded(path, [program]);
      const lines = Array.from({ length: 8 }, (_, index) => `message ${index}\n`);
      await Promise.all([0, 1, 2].map(async () => converse(port, lines, false)));
      expect((await server.ended).code).toBe(0);

      const same = await replayed(path, [program]);
      expect(same.stderr).toMatch(
        /^wasyncore: replayed \d+ turns, \d+ calls, 240 bytes received and 240 sent: no difference$/m,
      );
      expect(same.code).toBe(0);
      expect(same.stdout).toBe(`port ${port}\ndone\n`);

      const changed = await replayed(path, [program], [], { UP: "1" });
      expect(changed.code).toBe(1);
      expect(changed.stderr).toMatch(/^wasyncore: difference in turn \d+, channel on descriptor \d+, at send$/m);
      expect(changed.stderr).toMatch(/found: {4}send\(\d+, 10 bytes \(hash [0-9a-f]{8}\) "MESSAGE 4\\n"\)/);
      expect(changed.stderr).toMatch(/at Echo\.handleRead \(file:.*echo\.mjs:9:/);

      const extra = await replayed(path, [program], [], { MORE: "1" });
      expect(extra.code).toBe(1);
      expect(extra.stderr).toContain('"more"');

      const stays = await replayed(path, [program], [], { STAYS: "1" });
      expect(stays.code).toBe(1);
      expect(stays.stderr).toContain("expected: close(");

      const until = await replayed(path, [program], ["--until", "5"]);
      expect(until.code).toBe(0);
      expect(until.stderr).toMatch(/replayed 5 turns, .*: stopped in turn 5/);
    });
  });
}

test("the POP3 example replays without a difference", async () => {
  const path = join(directory(), "run.wrec");
  const args = ["build/examples/pop3/server.js", "--port", "0"];
  const { program, port } = await recorded(path, args);
  const lines = ["USER user\r\n", "PASS password\r\n", "STAT\r\n", "LIST\r\n", "RETR 1\r\n", "QUIT\r\n"];
  const [first] = await Promise.all([converse(port, lines, true), converse(port, lines.slice(0, 3), true)]);
  expect(first).toContain("Subject");
  program.child.kill("SIGTERM");
  await program.ended;
  const { code, stderr } = await replayed(path, args);
  expect(stderr).toContain("no difference");
  expect(code).toBe(0);
});

test("the FTP example replays without a difference: listings, downloads and uploads", async () => {
  const at = directory();
  const root = join(at, "root");
  const path = join(at, "run.wrec");
  mkdirSync(root);
  writeFileSync(join(root, "file.txt"), "content\n".repeat(40_000));
  const args = ["build/examples/ftp/server.js", "--port", "0", "--write", "--root", root];
  const { program, port } = await recorded(path, args);
  const url = `ftp://127.0.0.1:${port}/`;
  const up = join(at, "up.txt");
  writeFileSync(up, "uploaded\n".repeat(30_000));
  const listing = await command("curl", ["-sS", url]);
  expect(listing.stdout).toContain("file.txt");
  const loads = await Promise.all(
    Array.from({ length: 4 }, async () => command("curl", ["-sS", `${url}file.txt`], { maxBuffer: 1e9 })),
  );
  for (const { stdout } of loads) expect(stdout).toHaveLength(320_000);
  await command("curl", ["-sS", "-T", up, url]);
  expect(readFileSync(join(root, "up.txt"), "utf8")).toHaveLength(270_000);
  program.child.kill("SIGTERM");
  await program.ended;
  rmSync(join(root, "up.txt"));
  const { code, stderr } = await replayed(path, args);
  expect(stderr).toContain("no difference");
  expect(code).toBe(0);
});
