/** A program that has used TLS, streams and children ends by itself once its channels are closed. */

import { expect, test } from "vitest";
import { requireBuild, ROOT, start } from "../../support/processes.js";

const CERTIFICATES = `
  import { readFileSync } from "node:fs";
  const pem = (name) => readFileSync("tests/support/tls/" + name + ".pem");
  const serverOptions = { isServer: true, key: pem("server-key"), cert: pem("server") };
  const clientOptions = { ca: pem("ca"), servername: "localhost" };`;

const PROGRAMS: [string, string][] = [
  [
    "TLS, both sides closed in order",
    `${CERTIFICATES}
    const [near, far] = Socket.pair();
    class End extends AsyncChat {
      handleSecure() { this.push("hello"); this.closeWhenDone(); }
      collectIncomingData(data) { console.log(String(data)); }
      handleEof() { this.close(); }
    }
    new End(wrapTls(near, serverOptions)).setTerminator(null);
    new Dispatcher(wrapTls(far, clientOptions)).handleRead = function () {
      if (String(this.recv(10)) === "hello") this.close();
    };
    await loop();`,
  ],
  [
    "TLS, closed in the middle of the handshake",
    `${CERTIFICATES}
    const [near, far] = Socket.pair();
    const server = new Dispatcher(wrapTls(near, serverOptions));
    const client = new Dispatcher(wrapTls(far, clientOptions));
    server.handleError = client.handleError = function () { this.close(); };
    socketMap.callLater(2, () => client.close());
    await loop();`,
  ],
  [
    "TLS, its output unsent and its peer silent",
    `${CERTIFICATES}
    const [near, far] = Socket.pair();
    const [server, client] = [new AsyncChat(wrapTls(near, serverOptions)), new Dispatcher(wrapTls(far, clientOptions))];
    server.handleSecure = () => {
      server.push(new Uint8Array(4_000_000));
      socketMap.callLater(5, () => { client.delChannel(); far.close(); server.close(); });
    };
    await loop();`,
  ],
  [
    "streams over TLS, and a loop that runs until they have ended",
    `${CERTIFICATES}
    const [near, far] = Socket.pair();
    const server = toDuplex(wrapTls(near, serverOptions));
    server.pipe(server);
    const client = toDuplex(wrapTls(far, clientOptions));
    client.end("hello");
    client.on("data", (data) => console.log(String(data)));
    await loop();`,
  ],
  [
    "fromDuplex, with one end closed",
    `
    const socket = fromDuplex(new PassThrough());
    class Echo extends AsyncChat {
      collectIncomingData(data) { console.log(String(data)); }
      foundTerminator() { this.close(); }
    }
    const chat = new Echo(socket);
    chat.setTerminator(5);
    chat.push("hello");
    await loop();`,
  ],
  [
    "children, an iteration that was left, and events",
    `
    const child = spawn(process.execPath, ["--eval", "console.log(1); setTimeout(() => console.log(2), 10)"]);
    const ended = loop();
    child.stdin.close();
    for await (const chunk of child.stdout) { console.log("chunk", String(chunk).trim()[0]); break; }
    events(child.stdout).on("close", () => console.log("closed"));
    await child.exited;
    child.stdout.close();
    await ended;`,
  ],
  [
    "a child that cannot be started",
    `
    const child = spawn("/nowhere/at/all");
    const ended = loop();
    await child.exited.catch((error) => console.log(error.code));
    for (const channel of [child.stdin, child.stdout]) channel.close();
    await ended;`,
  ],
];

test.each(PROGRAMS)("%s", async (_what, source) => {
  requireBuild("dist/index.js");
  const program = `
    import { PassThrough } from "node:stream";
    import {
      AsyncChat, Dispatcher, events, fromDuplex, loop, Socket, socketMap, spawn, toDuplex, wrapTls,
    } from "wasyncore";
    ${source}
    if (socketMap.size > 0) throw new Error(socketMap.size + " channels are left");
    console.log("the end");`;
  const ending = await start(process.execPath, ["--input-type=module", "--eval", program], ROOT).ended;
  expect(ending).toMatchObject({ code: 0, signal: null, stderr: "" });
  expect(ending.stdout).toMatch(/the end\n$/);
});
