/** The SMTP server of examples/smtp, with curl, with smtplib, and with what no client sends. */

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { converse, curl, listen, needClients, newDirectory, startPython, startServer, tryCurl } from "./support.js";

needClients("The tests of the SMTP server", { curl: true });

const ENVELOPE = ["--mail-from", "a@example.org", "--mail-rcpt", "b@example.org"];

/** The messages that a maildir has, without the lines that the server has put in front. */
function messagesIn(maildir: string): string[] {
  const names = readdirSync(join(maildir, "new"));
  return names.map((name) => readFileSync(join(maildir, "new", name), "utf8").replace(/^[^]*?\n\tby .*\n/, ""));
}

/** A file with this in it. */
function fileWith(text: string): string {
  const path = join(newDirectory(), "message");
  writeFileSync(path, text);
  return path;
}

test("curl sends a message, which is printed", async () => {
  const { address, running } = await startServer("smtp", "--name", "mx.example.org");
  await curl(
    `smtp://${address}/client`,
    ...ENVELOPE,
    "--upload-file",
    fileWith("Subject: x\r\n\r\n.dot\r\n..two\r\n.\r\nlast"),
  );
  await running.line(/^-+ END MESSAGE -+$/);
  running.child.kill();
  const { stdout } = await running.ended;
  expect(
    stdout
      .replace(/by (\S+) with ESMTP; .*/, "by $1; DATE")
      .split("\n")
      .slice(1, -1),
  ).toEqual([
    "---------- MESSAGE FOLLOWS ----------",
    "Return-Path: <a@example.org>",
    "Delivered-To: b@example.org",
    "Received: from client ([127.0.0.1])",
    "\tby mx.example.org; DATE",
    "Subject: x",
    "",
    ".dot",
    "..two",
    ".",
    "last",
    "------------ END MESSAGE ------------",
  ]);
});

test("curl sends a message of some megabytes into a maildir", async () => {
  const maildir = newDirectory();
  const { address } = await startServer("smtp", "--maildir", maildir);
  const text = Array.from(
    { length: 60_000 },
    (_, at) => `${".".repeat(at % 3)}line ${at} ${"x".repeat(at % 70)}\n`,
  ).join("");
  await curl(`smtp://${address}/`, "--crlf", ...ENVELOPE, "--upload-file", fileWith(text));
  expect(messagesIn(maildir)).toEqual([text]);
  expect(readdirSync(join(maildir, "tmp"))).toEqual([]);
});

test("smtplib's session: extensions, parameters, a large message with dots, a second one", async () => {
  const maildir = newDirectory();
  const { host, port } = await startServer("smtp", "--maildir", maildir);
  const { code, stderr } = await startPython("client_sessions.py", "smtp", host, String(port), maildir).ended;
  expect(code, stderr).toBe(0);
});

test("a message that is too long is refused, whether its size was announced or not, and nothing is left of it", async () => {
  const maildir = newDirectory();
  const server = await startServer("smtp", "--maildir", maildir, "--max-bytes", "1000");
  const told = await tryCurl(`smtp://${server.address}/`, ...ENVELOPE, "--upload-file", fileWith("x".repeat(1001)));
  expect(told.code).toBe(55);
  const body = Array.from({ length: 30 }, () => "x".repeat(70));
  const answers = await converse(
    server,
    "HELO me",
    "MAIL FROM:<a@b>",
    "RCPT TO:<c@d>",
    "DATA",
    ...body,
    ".",
    "NOOP",
    "QUIT",
  );
  expect(answers.slice(4)).toEqual(["354 end with a dot alone", "552 message too long", "250 ok", "221 bye"]);
  expect(messagesIn(maildir)).toEqual([]);
  expect(readdirSync(join(maildir, "tmp"))).toEqual([]);
});

test("only CRLF, a dot and CRLF end a message: what hides behind bare line feeds is part of it", async () => {
  const maildir = newDirectory();
  const server = await startServer("smtp", "--maildir", maildir);
  const smuggled = "one\n.\nMAIL FROM:<x@y>\n.\r\nRCPT TO:<z@y>";
  const answers = await converse(server, "EHLO me", "MAIL FROM:<a@b>", "RCPT TO:<c@d>", "DATA", smuggled, ".", "QUIT");
  expect(answers.slice(-3)).toEqual(["354 end with a dot alone", "250 kept", "221 bye"]);
  // The dot that was in front of a line is gone.
  expect(messagesIn(maildir)).toEqual(["one\n.\nMAIL FROM:<x@y>\n.\nRCPT TO:<z@y>\n"]);
});

test("an empty message is a message", async () => {
  const maildir = newDirectory();
  const server = await startServer("smtp", "--maildir", maildir);
  await converse(server, "HELO me", "MAIL FROM:<>", "RCPT TO:<c@d>", "DATA", ".", "QUIT");
  expect(messagesIn(maildir)).toEqual([""]);
});

test("a message that is not ended is not kept", async () => {
  const maildir = newDirectory();
  const server = await startServer("smtp", "--maildir", maildir);
  await converse(server, "HELO me", "MAIL FROM:<a@b>", "RCPT TO:<c@d>", "DATA", "half of it");
  expect(messagesIn(maildir)).toEqual([]);
});

test("commands out of order, unknown, wrong or too long are refused, and twenty of them end the session", async () => {
  const server = await startServer("smtp", "--name", "mx");
  const wrong = [
    "MAIL FROM:<a@b>",
    "FOO",
    "HELO",
    `NOOP ${"x".repeat(5000)}`,
    "RCPT TO:<a@b>",
    "DATA",
    "HELO a\tb\u0001",
    "VRFY",
  ];
  const answers = await converse(server, ...wrong, ...Array.from({ length: 30 }, () => "FOO"));
  expect(answers.map((line) => line.slice(0, 3))).toEqual(
    ["220", "503", "500", "501", "500", "503", "503", "501", "501"].concat(
      Array.from({ length: 11 }, () => "500"),
      "421",
    ),
  );
});

test("an idle session gets a reply that says so, and is closed", async () => {
  const server = await startServer("smtp", "--name", "mx", "--idle-ms", "50");
  expect(await listen(server)).toEqual(["220 mx ESMTP", "421 idle for too long"]);
});
