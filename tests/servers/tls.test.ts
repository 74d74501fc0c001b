/** TLS of the POP3, FTP and SMTP servers: with curl and openssl, on request and from the start; and what must be refused. */

import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { expect, onTestFinished, test } from "vitest";
import { leaveFileOut, missingTools } from "../support/missing.js";
import { pattern } from "../support/sockets.js";
import { CA } from "../support/tls.js";
import { curl, newDirectory, type Server, startServer, tryCurl } from "./support.js";

const hasOpenssl = spawnSync("openssl", ["version"]).status === 0;
leaveFileOut(
  "The tests of the servers' TLS",
  missingTools("curl") || (hasOpenssl ? "" : "openssl cannot be found: install it to run them"),
);

const file = (name: string): string => new URL(`../support/tls/${name}.pem`, import.meta.url).pathname;
const CERTIFICATE = ["--cert", file("server"), "--key", file("server-key")];
const TRUST = ["--cacert", file("ca")];

const CONNECTIONS: readonly [name: string, parameters: readonly string[]][] = [
  ["EPSV", []],
  ["PASV", ["--disable-epsv"]],
];

test.for(CONNECTIONS)("FTP: curl lists, gets and puts with AUTH TLS and PROT P over %s", async ([, parameters]) => {
  const root = newDirectory();
  const data = Buffer.from(pattern(1_000_000));
  writeFileSync(join(root, "data"), data);
  const { address } = await startServer("ftp", "--root", root, "--write", ...CERTIFICATE);
  const ftp = ["--ssl-reqd", ...TRUST, ...parameters];
  expect(await curl(...ftp, "--list-only", `ftp://${address}/`)).toMatch(/^data\r?\n$/);
  const got = join(newDirectory(), "got");
  await curl(...ftp, "-o", got, `ftp://${address}/data`);
  expect(readFileSync(got).equals(data)).toBe(true);
  await curl(...ftp, "-T", got, `ftp://${address}/put`);
  expect(readFileSync(join(root, "put")).equals(data)).toBe(true);
});

// curl 7.88, which Debian 12 has, never begins TLS on an active data connection.
test("FTP: over active data connections, this server is TLS's server nevertheless", async () => {
  const root = newDirectory();
  const data = Buffer.from(pattern(300_000));
  writeFileSync(join(root, "data"), data);
  const server = await startServer("ftp", "--root", root, "--write", ...CERTIFICATE);
  const { secure, received } = await secureFtp(server);
  secure.write("TYPE I\r\n");
  const accepted = await activeData(secure, received, "RETR data");
  const chunks: Buffer[] = [];
  for await (const chunk of accepted) chunks.push(chunk as Buffer);
  expect(Buffer.concat(chunks).equals(data)).toBe(true);
  await until(() => received().includes("226 "));
  const upload = await activeData(secure, received, "STOR put");
  upload.end(data);
  await until(() => received().split("226 ").length === 3);
  expect(readFileSync(join(root, "put")).equals(data)).toBe(true);
  secure.destroy();
});

test("FTP: from the start of each connection, and with data connections in plain where the client wants that", async () => {
  const root = newDirectory();
  writeFileSync(join(root, "data"), "text");
  const { address } = await startServer("ftp", "--root", root, ...CERTIFICATE, "--implicit");
  expect(await curl(...TRUST, `ftps://${address}/data`)).toBe("text");
  const requested = await startServer("ftp", "--root", root, ...CERTIFICATE);
  expect(await curl(...TRUST, "--ftp-ssl-control", `ftp://${requested.address}/data`)).toBe("text");
  expect(await curl(`ftp://${requested.address}/data`)).toBe("text");
});

test("POP3: STLS, and from the start", async () => {
  const requested = await startServer("pop3", ...CERTIFICATE);
  const pop3 = [...TRUST, "-u", "user:password"];
  expect(await curl(...pop3, "--ssl-reqd", `pop3://${requested.address}/`)).toMatch(/^1 \d+\r\n2 \d+\r\n$/);
  const implicit = await startServer("pop3", ...CERTIFICATE, "--implicit");
  expect(await curl(...pop3, `pop3s://${implicit.address}/1`)).toContain("Subject: Sample 1");
  expect((await tryCurl("-u", "user:password", `pop3s://${implicit.address}/1`)).code).toBe(60);
});

test("SMTP: STARTTLS, and from the start", async () => {
  const maildir = newDirectory();
  for (const each of ["new", "cur", "tmp"]) mkdirSync(join(maildir, each));
  const message = join(newDirectory(), "message");
  writeFileSync(message, "Subject: secret\r\n\r\nbody\r\n");
  const mail = [...TRUST, "--mail-from", "a@example.org", "--mail-rcpt", "b@example.org", "-T", message];
  const requested = await startServer("smtp", "--maildir", maildir, ...CERTIFICATE);
  await curl(...mail, "--ssl-reqd", `smtp://${requested.address}/`);
  const implicit = await startServer("smtp", "--maildir", maildir, ...CERTIFICATE, "--implicit");
  await curl(...mail, `smtps://${implicit.address}/`);
  const kept = readdirSync(join(maildir, "new")).map((name) => readFileSync(join(maildir, "new", name), "utf8"));
  expect(kept.map((text) => /with ESMTPS[^]*Subject: secret/.test(text))).toEqual([true, true]);
});

test("without --cert there is no TLS, and a client that needs it goes away", async () => {
  const { address } = await startServer("pop3");
  expect((await tryCurl("-u", "user:password", "--ssl-reqd", `pop3://${address}/`)).code).toBe(64);
});

test.for<[name: "smtp" | "pop3" | "ftp", protocol: string, lines: string, answer: RegExp]>([
  ["smtp", "smtp", "NOOP\r\nQUIT\r\n", /250 ok\r\n221 bye/],
  ["pop3", "pop3", "NOOP\r\nQUIT\r\n", /-ERR NOOP is not for now\r\n\+OK bye/],
  ["ftp", "ftp", "NOOP\r\nQUIT\r\n", /200 ok\r\n221 bye/],
])("%s: openssl s_client -starttls, with every version of TLS that it has", async ([name, protocol, lines, answer]) => {
  const root = name === "ftp" ? ["--root", newDirectory()] : [];
  const { host, port } = await startServer(name, ...root, ...CERTIFICATE);
  for (const version of ["-tls1_2", "-tls1_3"]) {
    const parameters = ["s_client", "-connect", `${host}:${port}`, "-starttls", protocol, "-CAfile", file("ca")];
    const { stdout, status } = spawnSync("openssl", [...parameters, "-verify_return_error", "-ign_eof", version], {
      input: lines,
      timeout: 10_000,
    });
    expect(stdout.toString(), version).toMatch(answer);
    expect(status, version).toBe(0);
  }
});

/** What is said before TLS, the command that starts it, commands behind that, a command after it, and its answer. */
const INJECTIONS: readonly ["smtp" | "pop3" | "ftp", string, string, string, string, string[]][] = [
  ["smtp", "EHLO x\r\n", "STARTTLS\r\n", "RCPT TO:<evil@x>\r\nMAIL FROM:<e", "QUIT\r\n", ["221 bye"]],
  ["pop3", "", "STLS\r\n", "USER user\r\nPASS passw", "QUIT\r\n", ["+OK bye"]],
  ["ftp", "", "AUTH TLS\r\n", "USER anonymous\r\nPASS x\r\nPW", "QUIT\r\n", ["221 bye"]],
];

test.for(INJECTIONS)("%s: commands behind the one that starts TLS are never executed", async (injection) => {
  const [name, before, start, injected, after, answers] = injection;
  const root = name === "ftp" ? ["--root", newDirectory()] : [];
  const server = await startServer(name, ...root, ...CERTIFICATE);
  const { socket, plain } = await talk(server, `${before}${start}${injected}`, /^(?:220 begin|\+OK begin|234).*\r\n/m);
  const secure = connectTls({ socket, ca: CA, servername: "localhost" });
  let received = "";
  secure.setEncoding("latin1").on("data", (data: string) => (received += data));
  secure.write(after);
  await new Promise((resolve) => secure.once("close", resolve));
  expect(received.split("\r\n").slice(0, -1)).toEqual(answers);
  expect(plain().split("\r\n").slice(0, -1).at(-1)).toMatch(/begin TLS/);
});

test("ftp: commands that waited for a transfer behind AUTH TLS are not executed either", async () => {
  const root = newDirectory();
  writeFileSync(join(root, "victim"), "x");
  const server = await startServer("ftp", "--root", root, "--write", ...CERTIFICATE);
  const login = "USER anonymous\r\nPASS x\r\nEPSV\r\n";
  const { socket, plain } = await talk(server, login, /^229 .*\r\n/m);
  const port = Number(/\|\|\|(\d+)\|/.exec(plain())?.[1]);
  // The data connection is not there yet: what follows LIST waits.
  socket.write("LIST\r\nAUTH TLS\r\nDELE victim\r\n");
  await until(() => plain().includes("150 "));
  const data = connect(port, "127.0.0.1").resume();
  onTestFinished(() => void data.destroy());
  await until(() => plain().includes("234 "));
  const secure = connectTls({ socket: socket.removeAllListeners("data"), ca: CA, servername: "localhost" });
  let received = "";
  secure.setEncoding("latin1").on("data", (text: string) => (received += text));
  secure.write("QUIT\r\n");
  await new Promise((resolve) => secure.once("close", resolve));
  expect(received).toBe("221 bye\r\n");
  expect(readdirSync(root)).toEqual(["victim"]);
});

test("ftp: an upload that ends without close_notify is not reported as complete", async () => {
  const root = newDirectory();
  const server = await startServer("ftp", "--root", root, "--write", ...CERTIFICATE);
  const { secure, received } = await secureFtp(server);
  secure.write("EPSV\r\n");
  await until(() => received().includes("229 "));
  secure.write("STOR cut\r\n");
  const raw = connect(Number(/\|\|\|(\d+)\|/.exec(received())?.[1]), "127.0.0.1");
  const data = connectTls({ socket: raw, ca: CA, servername: "localhost" });
  onTestFinished(() => void raw.destroy());
  await new Promise((resolve) => data.write("half", resolve));
  raw.end();
  await until(() => /^4\d\d .*close_notify|^226/m.test(received()));
  expect(received()).toMatch(/^426 .*close_notify/m);
  secure.destroy();
});

interface SecureFtp {
  readonly secure: TLSSocket;
  readonly received: () => string;
}

/** A conversation with the FTP server after AUTH TLS, USER, PASS and PROT P. */
async function secureFtp(server: Server): Promise<SecureFtp> {
  const { socket } = await talk(server, "AUTH TLS\r\n", /^234 .*\r\n/m);
  const secure = connectTls({ socket: socket.removeAllListeners("data"), ca: CA, servername: "localhost" });
  let text = "";
  secure.setEncoding("latin1").on("data", (data: string) => (text += data));
  secure.write("USER anonymous\r\nPASS x\r\nPBSZ 0\r\nPROT P\r\n");
  await until(() => text.includes("200 data connections are secure"));
  return { secure, received: () => text };
}

/** Has the server connect for a transfer, and is TLS's client on that connection. */
async function activeData(secure: TLSSocket, received: () => string, command: string): Promise<TLSSocket> {
  const listener = createServer().listen(0, "127.0.0.1");
  onTestFinished(() => void listener.close());
  await new Promise((resolve) => listener.once("listening", resolve));
  const { port } = listener.address() as { port: number };
  const accepted = new Promise<Socket>((resolve) => listener.once("connection", resolve));
  const before = received().length;
  secure.write(`EPRT |1|127.0.0.1|${port}|\r\n`);
  await until(() => /^200/m.test(received().slice(before)));
  secure.write(`${command}\r\n`);
  const socket = await accepted;
  onTestFinished(() => void socket.destroy());
  return connectTls({ socket, ca: CA, servername: "localhost" });
}

/** Says something to a server, and waits for an answer. */
async function talk(server: Server, text: string, answer: RegExp): Promise<{ socket: Socket; plain: () => string }> {
  const socket = connect(server.port, server.host);
  onTestFinished(() => void socket.destroy());
  let received = "";
  socket.on("data", (data: Buffer) => (received += data.toString("latin1")));
  socket.write(text);
  await until(() => answer.test(received));
  socket.removeAllListeners("data");
  socket.on("data", (data: Buffer) => (received += data.toString("latin1")));
  return { socket, plain: () => received };
}

/** Longer than any answer takes. */
const PATIENCE_MS = 10_000;

async function until(isTrue: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + PATIENCE_MS;
  while (!isTrue()) {
    if (performance.now() > deadlineMs) throw new Error(`not within ${PATIENCE_MS} ms: ${isTrue}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
