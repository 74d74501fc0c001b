/** Commands on a terminal of their own: how signals and the end of the terminal end them, and what they leave of it. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { Directory, TIMEOUT } from "./serve-support.js";
import { leaveOut, missingTools } from "../support/missing.js";
import { ROOT, Running, requireBuild, start } from "../support/processes.js";

const MAIN = join(ROOT, "dist/cli/main.js");

/**
 * Runs a command on a terminal, and when it has printed a text does one thing: types Ctrl-C, sends a signal, closes the terminal, or
 * closes one that is not its controlling terminal and sends SIGTERM ("abandon").
 * Prints how the command has ended, whether the terminal is set as before, and whether its cursor is shown.
 */
const ON_TERMINAL = `
import fcntl, os, pty, re, select, signal, struct, sys, termios
expected, action, rows, *command = sys.argv[1:]
near, far = pty.openpty()
fcntl.ioctl(far, termios.TIOCSWINSZ, struct.pack("HHHH", int(rows), 4 * int(rows), 0, 0))
before = termios.tcgetattr(far)
pid = os.fork()
if pid == 0:
    os.setsid()
    os.close(near)
    # It is notified of the end of its controlling terminal alone.
    if action != "abandon":
        fcntl.ioctl(far, termios.TIOCSCTTY, 0)
    for fd in range(3):
        os.dup2(far, fd)
    os.closerange(3, 100)
    os.execvp(command[0], command)
said = b""
while not re.search(expected.encode(), said):
    said += os.read(near, 65536)
if action in ("close", "abandon"):
    os.close(far)
    os.close(near)
    if action == "abandon":
        os.kill(pid, signal.SIGTERM)
elif action == "Ctrl-C":
    os.write(near, b"\\x03")
else:
    os.kill(pid, getattr(signal, action))
while True:
    ended, status = os.waitpid(pid, os.WNOHANG)
    if ended:
        break
    if action in ("close", "abandon"):
        ended, status = os.waitpid(pid, 0)
        break
    if select.select([near], [], [], 0.05)[0]:
        said += os.read(near, 65536)
how = "signal %d" % os.WTERMSIG(status) if os.WIFSIGNALED(status) else "exit %d" % os.WEXITSTATUS(status)
if action in ("close", "abandon"):
    print(how)
    sys.exit()
while select.select([near], [], [], 0)[0]:
    said += os.read(near, 65536)
same = termios.tcgetattr(far) == before
shown = said.rfind(b"\\x1b[?25h") >= said.rfind(b"\\x1b[?25l")
print(how, "as before" if same else "raw", "with a cursor" if shown else "without a cursor")
`;

const python = leaveOut("The tests of commands on a terminal", missingTools("python3"));

/** @returns what {@link ON_TERMINAL} prints */
async function onTerminal(cwd: string, until: string, action: string, command: readonly string[], rows = 24) {
  const parameters = ["-c", ON_TERMINAL, until, action, String(rows), process.execPath, MAIN, ...command];
  const { stdout, stderr } = await start("python3", parameters, cwd).ended;
  expect(stderr).toBe("");
  return stdout.trimEnd();
}

/** A program that serves its statistics at the path that is returned. */
async function serving(): Promise<string> {
  requireBuild("dist/index.js");
  const directory = mkdtempSync(join(tmpdir(), "terminal-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const path = join(directory, "stats.sock");
  const program = join(directory, "program.mjs");
  writeFileSync(
    program,
    `import { loop, serveStats, socketMap } from ${JSON.stringify(`${ROOT}dist/index.js`)};
    serveStats({ path: ${JSON.stringify(path)} });
    socketMap.callEvery(1000, () => undefined);
    console.log("up");
    await loop();`,
  );
  await start(process.execPath, [program]).line(/^up$/);
  return path;
}

describe.skipIf(python !== "")("a live top", () => {
  test.each([
    ["Ctrl-C", "exit 0"],
    ["SIGINT", "exit 0"],
    ["SIGTERM", "signal 15"],
    ["SIGHUP", "signal 1"],
  ])("sets its terminal back on %s: %s", async (action, how) => {
    const path = await serving();
    const printed = await onTerminal(ROOT, "pid \\d+", action, ["top", "--socket", path]);
    expect(printed).toBe(`${how} as before with a cursor`);
  });

  test("ends with its terminal", async () => {
    const path = await serving();
    expect(await onTerminal(ROOT, "pid \\d+", "close", ["top", "--socket", path])).toBe("signal 1");
  });

  test("prints its reports one after the other on a terminal that does not know its size", async () => {
    const path = await serving();
    const printed = await onTerminal(ROOT, "pid \\d+[\\s\\S]*pid \\d+", "SIGINT", ["top", "--socket", path], 0);
    expect(printed).toBe("exit 0 as before with a cursor");
  });
});

test("top goes on without a warning", async () => {
  const running = new Running(
    process.execPath,
    [MAIN, "top", "--json", "--interval", "0.2", "--socket", await serving()],
    ROOT,
  );
  let count = 0;
  // More than the listeners that Node takes for a leak.
  await new Promise<void>((resolve) => {
    running.child.stdout?.on("data", (data: string) => {
      count += data.split("\n").length - 1;
      if (count > 12) resolve();
    });
  });
  running.child.kill("SIGINT");
  expect(await running.ended).toMatchObject({ code: 0, stderr: "" });
});

describe.skipIf(python !== "")("serve", () => {
  test.each([
    ["Ctrl-C", "exit 0 as before with a cursor"],
    ["close", "signal 1"],
  ])("stops its plugins on %s of its terminal", async (action, how) => {
    const directory = await Directory.create();
    directory.plugins({ name: "one", module: "one.wasm", listen: ["127.0.0.1:0"] });
    expect(await onTerminal(directory.path, "1 plugin up", action, ["serve", "plugins.json"])).toBe(how);
  });

  test("ends as always on SIGTERM, where its terminal has gone unnoticed", TIMEOUT, async () => {
    const directory = await Directory.create();
    directory.plugins({ name: "one", module: "one.wasm", listen: ["127.0.0.1:0"] });
    // As for a job that the shell has disowned.
    const printed = await onTerminal(directory.path, "1 plugin up", "abandon", ["serve", "plugins.json"]);
    expect(printed).toBe("exit 0");
  });
});
