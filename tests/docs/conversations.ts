/**
 * Owns what is said to each program of docs/from-python.md, and what comes back. Knows no language: the programs of a pair
 * have the same conversation.
 */

import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { Peer } from "../support/peers.js";
import type { PageProgram, ProgramOptions } from "./programs.js";

type Start = (options?: ProgramOptions) => PageProgram;

export interface Conversation {
  /** Starts the program, talks to it, and returns everything that came back. */
  readonly talk: (start: Start) => Promise<string[]>;
  /** What comes back. */
  readonly expected: readonly string[];
}

/** Sends lines one by one, each when the reply to the one before has come. */
async function converse(peer: Peer, ...exchanges: readonly [send: string, reply: string][]): Promise<string> {
  let length = 0;
  for (const [send, reply] of exchanges) {
    peer.write(send);
    length += reply.length;
    await peer.atLeast(length);
  }
  return peer.received.toString();
}

/** All that a server sends to a client that sends this, up to its end. */
async function request(port: number, text: string): Promise<string> {
  const peer = await Peer.connect(port);
  peer.write(text);
  return (await peer.toEnd()).toString();
}

/** Plays a server to a client: `answer` is given each line. Resolves to what the client has sent when it ends. */
async function serve(answer: (line: string) => string | undefined): Promise<{ port: number; heard: Promise<string> }> {
  const server = createServer({ allowHalfOpen: true }).listen(0, "127.0.0.1");
  onTestFinished(() => void server.close());
  await once(server, "listening");
  const heard = new Promise<string>((resolve) => {
    server.once("connection", (socket) => {
      onTestFinished(() => void socket.destroy());
      let text = "";
      let answered = 0;
      socket.on("data", (data) => {
        text += data.toString();
        const lines = text.split("\r\n").slice(0, -1);
        for (const line of lines.slice(answered)) {
          const reply = answer(line);
          if (reply === undefined) socket.end();
          else socket.write(reply);
        }
        answered = lines.length;
      });
      socket.on("end", () => resolve(text));
    });
  });
  return { port: (server.address() as AddressInfo).port, heard };
}

const SENT = Buffer.alloc(300_000, "a file of some length, in pieces\n").toString();

export const CONVERSATIONS: Readonly<Record<string, Conversation>> = {
  "A basic HTTP client": {
    async talk(start) {
      // It has sent its request when the blank line comes, and the end follows the response.
      const { port, heard } = await serve((line) =>
        line === "" ? undefined : line.startsWith("GET") ? "HTTP/1.0 200 OK\r\n\r\nhello\n" : "",
      );
      const program = start({ peerPort: port });
      return [await heard, await program.output()];
    },
    expected: ["GET / HTTP/1.0\r\nHost: www.python.org\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\nhello\n"],
  },

  "A basic echo server": {
    async talk(start) {
      const program = start();
      const port = await program.port();
      const peers = [await Peer.connect(port), await Peer.connect(port)];
      const echoed: string[] = [];
      for (const [index, peer] of peers.entries()) {
        const line = await program.line(
          new RegExp(`^Incoming connection from 127\\.0\\.0\\.1:${peer.socket.localPort}$`),
        );
        peer.write(`hello ${index}, ${"x".repeat(20_000)}`);
        echoed.push((await peer.atLeast(20_009)).toString(), line.replace(/\d+$/, "PORT"));
        peer.socket.end();
        await peer.toEnd();
      }
      return echoed;
    },
    expected: [0, 1].flatMap((index) => [
      `hello ${index}, ${"x".repeat(20_000)}`,
      "Incoming connection from 127.0.0.1:PORT",
    ]),
  },

  "An HTTP request handler": {
    async talk(start) {
      const port = await start().port();
      return [
        await request(port, "GET /a HTTP/1.0\r\nHost: x\r\n\r\n"),
        await request(port, "POST /b HTTP/1.0\r\nContent-Length: 8\r\n\r\nname=Adamore than that"),
      ];
    },
    expected: [
      "HTTP/1.0 200 OK\r\nContent-Length: 31\r\n\r\nGET /a: hello, nobody, visit 1\n",
      "HTTP/1.0 200 OK\r\nContent-Length: 29\r\n\r\nPOST /b: hello, Ada, visit 2\n",
    ],
  },

  "Standard input as a channel": {
    async talk(start) {
      const program = start();
      program.input("one\ntwo\nthrée\nno newline");
      return [await program.output()];
    },
    expected: ["read: one\nread: two\nread: thrée\nend of input\n"],
  },

  "A map of your own": {
    talk: async (start) => [await start().output()],
    expected: ["one\ntwo\n0 channels left\n"],
  },

  Datagrams: {
    async talk(start) {
      const port = await start().port();
      const client = createSocket("udp4");
      onTestFinished(() => void client.close());
      const received: string[] = [];
      for (const word of ["hello", "", "again"]) {
        client.send(word, port, "127.0.0.1");
        const [data] = (await once(client, "message")) as [Buffer];
        received.push(data.toString());
      }
      return received;
    },
    expected: ["HELLO", "", "AGAIN"],
  },

  "Errors, and leaving the loop": {
    async talk(start) {
      const program = start();
      const port = await program.port();
      const failing = await Peer.connect(port);
      const other = await Peer.connect(port);
      const received = [await converse(other, ["hello\n", "ok\n"]), await converse(failing, ["hello\n", "ok\n"])];
      failing.write("fail\n");
      received.push((await failing.toEnd()).toString());
      other.write("stop\n");
      return [...received, (await other.toEnd()).toString(), await program.output()];
    },
    expected: ["ok\n", "ok\n", "ok\n", "ok\n", "error: as requested\nleft the loop, 2 channels\n"],
  },

  call_later: {
    talk: async (start) => [await request(await start().port(), "one\r\ntwo\r\n")],
    expected: ["one!\r\ntwo!\r\n421 Control connection timed out.\r\n"],
  },

  Producers: {
    async talk(start) {
      const directory = mkdtempSync(join(tmpdir(), "wasyncore-"));
      onTestFinished(() => rmSync(directory, { recursive: true }));
      const path = join(directory, "file");
      writeFileSync(path, SENT);
      return [await request(await start({ parameters: [path] }).port(), "")];
    },
    expected: [`begin\n${SENT}${"end\n".repeat(1000)}`],
  },

  "A data connection: pyftpdlib's DTP handler": {
    async talk(start) {
      const program = start();
      const control = await Peer.connect(await program.port());
      const data: string[] = [];
      for (const isFirst of [true, false]) {
        // The client connects before it asks for the file, and after.
        control.write("EPSV\r\n");
        if (!isFirst) control.write("RETR b\r\n");
        const peer = await Peer.connect(await program.port());
        if (isFirst) control.write("RETR a\r\n");
        data.push((await peer.toEnd()).toString());
      }
      control.write("NOOP\r\nQUIT\r\n");
      const replies = (await control.toEnd()).toString();
      return [...data, replies.replaceAll(/\|\|\|\d+\|/g, "|||PORT|")];
    },
    expected: [
      "contents of a\n".repeat(1000),
      "contents of b\n".repeat(1000),
      [
        "220 ready.",
        ...["a", "b"].flatMap((name) => [
          "229 Entering extended passive mode (|||PORT|).",
          `150 Sending ${name}.`,
          "226 Transfer complete.",
        ]),
        '500 Command "NOOP" not understood.',
        "221 Goodbye.",
        "",
      ].join("\r\n"),
    ],
  },

  "smtpd: states and terminators": {
    async talk(start) {
      const program = start();
      const text =
        "HELO me\r\nVRFY\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nRCPT TO:<c@example.org>\r\nDATA\r\n";
      const replies = await request(await program.port(), `${text}Subject: x\r\n\r\n..dotted\r\nlast\r\n.\r\nQUIT\r\n`);
      await program.line(/^last$/);
      return [replies, await program.line(/^From .*$/), await program.line(/^\.dotted$/)];
    },
    expected: [
      [
        "220 ready",
        "250 hello me",
        '500 Error: command "VRFY" not recognized',
        ...["250 OK", "250 OK", "250 OK", "354 End data with <CR><LF>.<CR><LF>", "250 OK"],
        "221 Bye",
        "",
      ].join("\r\n"),
      "From a@example.org to b@example.org, c@example.org:",
      ".dotted",
    ],
  },

  "A client that talks in lines": {
    async talk(start) {
      const { port, heard } = await serve((line) => {
        if (line.startsWith("NICK")) return "PING :1234\r\n";
        if (line.startsWith("USER")) return ":server 001 phenny :welcome\r\n";
        if (line.startsWith("JOIN")) return ":someone PRIVMSG #python hello there\r\n";
        return line.startsWith("PRIVMSG") ? undefined : "";
      });
      const program = start({ peerPort: port });
      return [await heard, await program.output()];
    },
    expected: [
      "NICK phenny\r\nUSER phenny 0 * :a bot\r\nPONG :1234\r\nJOIN #python\r\nPRIVMSG #python :you said hello there\r\n",
      "disconnected\n",
    ],
  },

  "Waking the loop from a thread": {
    talk: async (start) => [await start().output()],
    expected: ["the sum is 499999500000\n"],
  },
};
