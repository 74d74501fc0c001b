/** The example programs that are not servers; and the command line of all of them: help, bad arguments, Ctrl-C. */

import { createServer } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { requireBuild, start, startExample } from "../support/processes.js";
import { leaveFileOut, missingTools } from "../support/missing.js";
import { refusingAddress } from "../support/sockets.js";

leaveFileOut("The tests of the example programs", missingTools("python3"));

beforeAll(() => requireBuild("build/examples/echo-server.js"));

describe("http-client", () => {
  test("prints what a server of node:http answers", async () => {
    const body = "x".repeat(300_000);
    const server = createServer((request, response) => {
      response.end(`${request.method} ${request.url} ${request.httpVersion} ${request.headers.host}\n${body}`);
    });
    onTestFinished(() => void server.close());
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const { code, stdout, stderr } = await startExample("http-client", "--port", String(port), "localhost", "/a?b=c")
      .ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(stdout.endsWith(`\r\n\r\nGET /a?b=c 1.0 localhost:${port}\n${body}`)).toBe(true);
  });

  test("prints a file that Python serves", async () => {
    const directory = mkdtempSync(join(tmpdir(), "wasyncore-"));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    writeFileSync(join(directory, "hello.txt"), "hello from a file\n");
    const server = start("python3", ["-u", "-m", "http.server", "0", "--bind", "127.0.0.1"], directory);
    const [, port = ""] = await server.line(/^Serving HTTP on 127\.0\.0\.1 port (\d+)/);
    const { code, stdout } = await startExample("http-client", "--port", port, "127.0.0.1", "/hello.txt").ended;
    expect(code).toBe(0);
    expect(stdout).toMatch(/^HTTP\/1\.0 200 OK\r\n[^]*\r\n\r\nhello from a file\n$/);
    const missing = await startExample("http-client", "--port", port, "127.0.0.1", "/nothing").ended;
    expect(missing.stdout).toMatch(/^HTTP\/1\.0 404 /);
  });

  test("says in one line that nobody answers, with exit status 1", async () => {
    const { port = 0 } = refusingAddress();
    expect(await startExample("http-client", "--port", String(port), "127.0.0.1").ended).toMatchObject({
      code: 1,
      stdout: "",
      stderr: `http-client: connect ECONNREFUSED 127.0.0.1:${port}\n`,
    });
  });
});

describe("tail-pipe", () => {
  test("prints the lines of a command as they come, those on standard error too", async () => {
    const script =
      "import sys; print('one'); sys.stdout.flush(); print('two', file=sys.stderr); print('no newline', end='')";
    const { code, stdout, stderr } = await startExample("tail-pipe", "--", "python3", "-c", script).ended;
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: "one\ntwo\nno newline\n", stderr: "" });
  });

  test("prints a line before the command has ended", async () => {
    const script = "console.log('first'); setInterval(() => {}, 1000)";
    const running = startExample("tail-pipe", "--", process.execPath, "-e", script);
    await running.line(/^first$/);
    running.child.kill("SIGTERM");
    expect(await running.ended).toMatchObject({ code: 143, signal: null });
  });

  test("loses nothing of a long output whose writer ends at once", async () => {
    const script = "for i in range(100000): print('line', i)";
    const { stdout } = await startExample("tail-pipe", "--", "python3", "-c", script).ended;
    expect(stdout).toBe(Array.from({ length: 100_000 }, (_, index) => `line ${index}\n`).join(""));
  });

  test("ends quietly, and its command with it, when nobody reads any more", async () => {
    const line = `"$0" build/examples/tail-pipe.js -- yes | head -n 1`;
    expect(await start("sh", ["-c", line, process.execPath]).ended).toMatchObject({
      code: 0,
      stdout: "y\n",
      stderr: "",
    });
  });

  test("keeps characters whole that come in two pieces", async () => {
    const script =
      "process.stdout.write(Buffer.from([0xe2, 0x82])); setTimeout(() => process.stdout.write(Buffer.from([0xac, 0x0a])), 50)";
    const { stdout } = await startExample("tail-pipe", "--", process.execPath, "-e", script).ended;
    expect(stdout).toBe("€\n");
  });

  test.each([
    ["the command's exit status", ["python3", "-c", "raise SystemExit(7)"], 7, ""],
    ["1 when there is no such command", ["/no/such/command"], 1, "tail-pipe: spawn /no/such/command ENOENT\n"],
  ])("exits with %s", async (_, parameters, code, stderr) => {
    expect(await startExample("tail-pipe", "--", ...parameters).ended).toMatchObject({ code, stdout: "", stderr });
  });
});

const SERVERS = ["echo-server", "udp-echo", "broadcast", "pop3/server", "smtp/server"];
const ALL = [...SERVERS, "ftp/server", "proxy", "http-client", "unix-echo", "tail-pipe"];

/** What a program calls itself. */
function nameOf(example: string): string {
  return example.replace("/server", "");
}

test.each(ALL)("%s prints its usage for --help and -h, with exit status 0", async (name) => {
  for (const option of ["--help", "-h"]) {
    const { code, stdout, stderr } = await startExample(name, option).ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(new RegExp(`^usage: ${nameOf(name)} .*\n`));
  }
});

test.each([
  ...SERVERS.map((name) => [name, ["--port", "0"]] as const),
  ["ftp/server", ["--port", "0", "--root", "."]],
  ["proxy", ["--listen", "127.0.0.1:0", "--to", "127.0.0.1:9"]],
] as const)("%s ends quietly on Ctrl-C, by the signal", async (name, parameters) => {
  const running = startExample(name, ...parameters);
  await running.line(/^listening on /);
  running.child.kill("SIGINT");
  expect(await running.ended).toMatchObject({ code: null, signal: "SIGINT", stderr: "" });
});

test("tail-pipe hands Ctrl-C on to its command, and exits as a shell does", async () => {
  const running = startExample(
    "tail-pipe",
    "--",
    process.execPath,
    "-e",
    "console.log('on'); setInterval(() => {}, 1e6)",
  );
  await running.line(/^on$/);
  running.child.kill("SIGINT");
  expect(await running.ended).toMatchObject({ code: 130, signal: null, stderr: "" });
});

test.each(SERVERS)("%s prints one line for a port that is in use, with exit status 1", async (name) => {
  const first = startExample(name, "--port", "0");
  const [, port = ""] = await first.line(/^listening on .*:(\d+)$/);
  expect(await startExample(name, "--port", port).ended).toMatchObject({
    code: 1,
    stdout: "",
    stderr: `${nameOf(name)}: 127.0.0.1:${port} is in use already\n`,
  });
});

test.each([
  ...SERVERS.flatMap(
    (name) =>
      [
        [name, ["--port", "70000"], /port.*70000/],
        [name, ["--port", "http"], /port.*"http"/],
        [name, ["--port="], /port.*""/],
        [name, ["--color"], /--color/],
        [name, ["surplus"], /surplus/],
        [name, ["--host", "203.0.113.1", "--port", "0"], /EADDRNOTAVAIL 203\.0\.113\.1/],
        [name, ["--host", "no.such.host.invalid", "--port", "0"], /getaddrinfo .*no\.such\.host\.invalid/],
      ] as const,
  ),
  ...["pop3/server", "smtp/server"].flatMap(
    (name) =>
      [
        [name, ["--idle-ms", "0"], /idle-ms.*"0"/],
        [name, ["--idle-ms", "soon"], /idle-ms.*"soon"/],
        [name, ["--maildir", "/dev/null"], /\/dev\/null/],
      ] as const,
  ),
  ["smtp/server", ["--max-bytes", "-1"], /max-bytes/],
  ["ftp/server", [], /root.*\nusage/],
  ["ftp/server", ["--root", "/no/such/directory"], /ENOENT.*\/no\/such\/directory/],
  ["ftp/server", ["--root", "/dev/null"], /ENOTDIR.*\/dev\/null/],
  ["ftp/server", ["--root", ".", "--user", "me"], /--user and --password/],
  ["ftp/server", ["--root", ".", "--port", "65536"], /port.*"65536"/],
  ["ftp/server", ["--root", ".", "--idle-ms", "0"], /idle-ms.*"0"/],
  ["proxy", [], /--to.*\nusage/],
  ["proxy", ["--to", "nowhere"], /--to.*"nowhere"/],
  ["proxy", ["--to", "127.0.0.1:65536"], /--to.*65536/],
  ["proxy", ["--to", "127.0.0.1:9", "--listen", "::1:7"], /--listen.*"::1:7"/],
  ["http-client", ["--port", "80", "no.such.host.invalid"], /getaddrinfo .*no\.such\.host\.invalid/],
  ["http-client", [], /usage/],
  ["http-client", ["a", "b", "c"], /usage/],
  ["http-client", ["--port", "x", "127.0.0.1"], /port.*"x"/],
  ["http-client", ["--port", "99999", "127.0.0.1"], /port.*99999/],
  ["http-client", ["127.0.0.1", "no slash"], /path.*"no slash"/],
  ["http-client", ["127.0.0.1", "/a\r\nX: y"], /path/],
  ["unix-echo", [], /usage/],
  ["unix-echo", [""], /usage/],
  ["unix-echo", ["/no/such/directory/echo.sock"], /ENOENT \/no\/such/],
  ["unix-echo", [`/${"x".repeat(200)}`], /ENAMETOOLONG/],
  ["tail-pipe", [], /usage/],
  ["tail-pipe", ["--"], /usage/],
] as const)("%s %j is one message on standard error, with exit status 1", async (name, parameters, message) => {
  const { code, stdout, stderr } = await startExample(name, ...parameters).ended;
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr.startsWith(`${nameOf(name)}: `)).toBe(true);
  expect(stderr).toMatch(message);
  expect(stderr).not.toContain("    at ");
});
