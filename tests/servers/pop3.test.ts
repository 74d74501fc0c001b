/** The POP3 server of examples/pop3, with curl, with poplib, and with what no client sends. */

import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { start } from "../support/processes.js";
import { converse, curl, listen, needClients, newDirectory, startPython, startServer, tryCurl } from "./support.js";

needClients("The tests of the POP3 server", { curl: true });

const LOGIN = ["USER user", "PASS password"];

/** A maildir with these messages in it, by name. */
function maildirWith(messages: Record<string, string>): string {
  const directory = newDirectory();
  for (const each of ["new", "cur"]) mkdirSync(join(directory, each));
  for (const [name, text] of Object.entries(messages)) writeFileSync(join(directory, "new", name), text);
  return directory;
}

test("curl lists and retrieves the sample messages", async () => {
  const { address } = await startServer("pop3");
  expect(await curl("-u", "user:password", `pop3://${address}/`)).toMatch(/^1 \d+\r\n2 \d+\r\n$/);
  const text = "From: postmaster@example.org\r\nSubject: Sample 2\r\n\r\nThis is message 2.\r\n.\r\nThat was it.\r\n";
  expect(await curl("-u", "user:password", `pop3://${address}/2`)).toBe(text);
});

test("curl retrieves a message of a maildir unchanged but for CRLF, and removes it", async () => {
  const maildir = maildirWith({ "1.a": "Subject: a\n\n.\n..dots\r\nno end", "2.b": "Subject: b\n\n" });
  const { address } = await startServer("pop3", "--maildir", maildir, "--user", "me", "--password", "a b");
  expect(await curl("-u", "me:a b", `pop3://${address}/1`)).toBe("Subject: a\r\n\r\n.\r\n..dots\r\nno end\r\n");
  await curl("-u", "me:a b", "-I", "-X", "DELE 1", `pop3://${address}/`);
  expect(existsSync(join(maildir, "new", "1.a"))).toBe(false);
  expect(await curl("-u", "me:a b", `pop3://${address}/1`)).toBe("Subject: b\r\n\r\n");
});

test("curl is refused with a wrong password, and for a message that is not there", async () => {
  const { address } = await startServer("pop3");
  expect((await tryCurl("-u", "user:wrong", `pop3://${address}/`)).code).toBe(67);
  expect((await tryCurl("-u", "user:password", `pop3://${address}/3`)).code).not.toBe(0);
});

test("poplib's session: sizes, TOP, one session at a time, removal at QUIT alone", async () => {
  const maildir = maildirWith({});
  const { host, port } = await startServer("pop3", "--maildir", maildir);
  const { code, stderr } = await startPython("client_sessions.py", "pop3", host, String(port), maildir).ended;
  expect(code, stderr).toBe(0);
});

test("commands that come all at once are answered in order", async () => {
  const server = await startServer("pop3");
  const answers = await converse(
    server,
    ...LOGIN,
    "TOP 1 0",
    "NOOP",
    "DELE 2",
    "LIST",
    "RETR 2",
    "RSET",
    "STAT",
    "QUIT",
    "NOOP",
  );
  expect(answers.map((line) => line.replace(/\d+ \d+$/, "N N"))).toEqual([
    "+OK POP3 server ready",
    "+OK send PASS",
    "+OK 2 messages",
    "+OK top of message follows",
    "From: postmaster@example.org",
    "Subject: Sample 1",
    "",
    ".",
    "+OK ",
    "+OK marked for removal",
    "+OK 1 messages",
    "N N",
    ".",
    "-ERR no such message",
    "+OK nothing is marked for removal",
    "+OK N N",
    "+OK bye",
  ]);
});

test("a command before the login, an unknown one and one that is too long are refused, and the session goes on", async () => {
  const server = await startServer("pop3");
  expect(await converse(server, "STAT", "FOO", `USER ${"x".repeat(10_000)}`, "QUIT")).toEqual([
    "+OK POP3 server ready",
    "-ERR STAT is not for now",
    "-ERR no such command",
    "-ERR line too long",
    "+OK bye",
  ]);
});

test("three wrong passwords end the session", async () => {
  const server = await startServer("pop3");
  const answers = await converse(server, ...Array.from({ length: 5 }, () => ["USER user", "PASS wrong"]).flat());
  expect(answers.filter((line) => line.startsWith("-ERR"))).toHaveLength(3);
});

test("a session that is idle is closed", async () => {
  const server = await startServer("pop3", "--idle-ms", "50");
  expect(await listen(server)).toEqual(["+OK POP3 server ready"]);
});

test("what is wrong with its command line is said in a line, with status 1", async () => {
  const { port } = await startServer("pop3");
  const script = "build/examples/pop3/server.js";
  const inUse = await start(process.execPath, [script, "--port", String(port)]).ended;
  expect(inUse).toMatchObject({ code: 1, stdout: "", stderr: `pop3: 127.0.0.1:${port} is in use already\n` });
  const noMaildir = await start(process.execPath, [script, "--port", "0", "--maildir", "/dev"]).ended;
  expect(noMaildir).toMatchObject({
    code: 1,
    stdout: "",
    stderr: 'pop3: /dev is no maildir: it has no directory "new"\n',
  });
  const help = await start(process.execPath, [script, "--help"]).ended;
  expect(help).toMatchObject({ code: 0, stdout: expect.stringMatching(/^usage: pop3 /) as string });
});
