/** The FTP server of examples/ftp, with curl, with ftplib, and with what no client sends. */

import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { pattern } from "../support/pattern.js";
import { converse, curl, listen, needClients, newDirectory, startPython, startServer, tryCurl } from "./support.js";

needClients("The tests of the FTP server", { curl: true });

/** Bytes of every value, more than a socket takes at once. */
const DATA = Buffer.from(pattern(3_000_000));
const LOGIN = ["USER anonymous", "PASS guest"];

const CONNECTIONS: readonly [name: string, parameters: readonly string[]][] = [
  ["EPSV", []],
  ["PASV", ["--disable-epsv"]],
  ["EPRT", ["--ftp-port", "-"]],
  ["PORT", ["--ftp-port", "-", "--disable-eprt"]],
];

/** A directory with a file of {@link DATA} in it. */
function rootWithData(): string {
  const root = newDirectory();
  writeFileSync(join(root, "data"), DATA);
  return root;
}

test.for(CONNECTIONS)("curl lists, gets and puts over %s", async ([, parameters]) => {
  const root = rootWithData();
  mkdirSync(join(root, "sub"));
  const { address } = await startServer("ftp", "--root", root, "--write");
  const listing = await curl(...parameters, `ftp://${address}/`);
  expect(
    listing
      .split(/\r?\n/)
      .map((line) => line.replace(/^(\S+).* /, "$1 "))
      .toSorted(),
  ).toEqual(["", "-rw-r--r-- data", "drwxr-xr-x sub"]);
  const got = join(newDirectory(), "got");
  await curl(...parameters, "-o", got, `ftp://${address}/data`);
  expect(readFileSync(got).equals(DATA)).toBe(true);
  await curl(...parameters, "--upload-file", got, `ftp://${address}/sub/put`);
  expect(readFileSync(join(root, "sub", "put")).equals(DATA)).toBe(true);
});

test("curl gets and puts over IPv6, passive and active", async () => {
  const root = rootWithData();
  const { address } = await startServer("ftp", "--root", root, "--write", "--host", "::1");
  for (const parameters of [[], ["--ftp-port", "-"]]) {
    const got = join(newDirectory(), "got");
    await curl(...parameters, "-o", got, `ftp://${address}/data`);
    expect(readFileSync(got).equals(DATA)).toBe(true);
    await curl(...parameters, "--upload-file", got, `ftp://${address}/put`);
    expect(readFileSync(join(root, "put")).equals(DATA)).toBe(true);
  }
});

test("curl goes on where a transfer ended", async () => {
  const root = rootWithData();
  const { address } = await startServer("ftp", "--root", root, "--write");
  const got = join(newDirectory(), "got");
  writeFileSync(got, DATA.subarray(0, 1_000_000));
  await curl("--continue-at", "-", "-o", got, `ftp://${address}/data`);
  expect(readFileSync(got).equals(DATA)).toBe(true);
  writeFileSync(join(root, "half"), DATA.subarray(0, 1_000_000));
  await curl("--continue-at", "-", "--upload-file", got, `ftp://${address}/half`);
  expect(readFileSync(join(root, "half")).equals(DATA)).toBe(true);
});

test("ftplib's session: binary and text, REST, APPE, ABOR, directories, renaming", async () => {
  const root = newDirectory();
  const { host, port } = await startServer("ftp", "--root", root, "--write");
  const { code, stderr } = await startPython("client_sessions.py", "ftp", host, String(port), root).ended;
  expect(code, stderr).toBe(0);
});

test("without --write nothing is changed", async () => {
  const root = rootWithData();
  const server = await startServer("ftp", "--root", root);
  const wishes = ["STOR new", "APPE data", "DELE data", "MKD new", "RMD new", "RNFR data", "RNTO new"];
  const answers = await converse(server, ...LOGIN, ...wishes, "QUIT");
  expect(answers.slice(3)).toEqual([...wishes.map(() => "550 this server is read-only"), "221 bye"]);
  expect(readdirSync(root)).toEqual(["data"]);
});

test("no path leads out of the root, by dots or by links", async () => {
  const outside = newDirectory();
  writeFileSync(join(outside, "secret"), "secret");
  const root = newDirectory();
  symlinkSync(outside, join(root, "link"));
  symlinkSync(join(outside, "secret"), join(root, "file"));
  const server = await startServer("ftp", "--root", root, "--write");
  const wishes = [
    "CWD link",
    "SIZE link/secret",
    "SIZE file",
    "RETR file",
    "STOR file",
    "STOR link/new",
    "DELE link/secret",
  ];
  const answers = await converse(
    server,
    ...LOGIN,
    "TYPE I",
    ...wishes,
    "CWD ../../..",
    "RNFR file",
    "RNTO link/x",
    "QUIT",
  );
  expect(answers.slice(4).map((line) => line.slice(0, 3))).toEqual([
    ...wishes.map(() => "550"),
    "250",
    "550",
    "503",
    "221",
  ]);
  expect((await tryCurl(`ftp://${server.address}/link/`)).code).not.toBe(0);
  expect(readFileSync(join(outside, "secret"), "utf8")).toBe("secret");
  expect(existsSync(join(outside, "new"))).toBe(false);
  expect(await curl("--path-as-is", `ftp://${server.address}/../../../`)).toMatch(/ file\r?\n/);
});

test("it connects to nobody but the client, and to no port of the system", async () => {
  const server = await startServer("ftp", "--root", newDirectory());
  const wishes = ["PORT 127,0,0,2,100,100", "PORT 127,0,0,1,0,25", "EPRT |1|127.0.0.2|50000|", "EPRT |1|127.0.0.1|80|"];
  const answers = await converse(server, ...LOGIN, ...wishes, "LIST", "QUIT");
  expect(answers.slice(3).map((line) => line.slice(0, 3))).toEqual(["504", "504", "504", "504", "425", "221"]);
});

test("an account is asked for, and three wrong passwords end the session", async () => {
  const server = await startServer("ftp", "--root", rootWithData(), "--user", "me", "--password", "a b");
  const answers = await converse(server, ...Array.from({ length: 5 }, () => ["USER me", "PASS wrong", "PWD"]).flat());
  expect(answers.filter((line) => line.startsWith("530 wrong"))).toHaveLength(3);
  expect(answers.filter((line) => line.startsWith("257"))).toEqual([]);
  expect(await curl("-u", "me:a b", "--list-only", `ftp://${server.address}/`)).toMatch(/^data\r?\n$/);
});

test("what comes while a transfer is waited for is answered after it", async () => {
  const server = await startServer("ftp", "--root", rootWithData(), "--idle-ms", "200");
  const answers = await converse(server, ...LOGIN, "EPSV", "RETR data", "NOOP", "QUIT");
  expect(answers.slice(4)).toEqual(["150 file follows", "425 no data connection", "200 ok", "221 bye"]);
});

test("a command that is unknown, wrong or too long is refused, and the session goes on", async () => {
  const server = await startServer("ftp", "--root", newDirectory());
  const wrong = [
    "PWD",
    "FOO",
    "USER",
    `USER ${"x".repeat(10_000)}`,
    ...LOGIN,
    "TYPE X",
    "MODE B",
    "REST 1",
    "EPSV 2",
    "RNTO a",
  ];
  const answers = await converse(server, ...wrong, "\xff\xf4\xff\xf2ABOR", "QUIT");
  expect(answers.map((line) => line.slice(0, 3))).toEqual([
    "220",
    "530",
    "500",
    "501",
    "500",
    "331",
    "230",
    "504",
    "504",
    "504",
    "522",
    "550",
    "226",
    "221",
  ]);
});

test("an idle session gets a reply that says so, and is closed", async () => {
  const server = await startServer("ftp", "--root", newDirectory(), "--idle-ms", "50");
  expect(await listen(server)).toEqual(["220 FTP server ready", "421 idle for too long"]);
});
