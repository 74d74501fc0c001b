/** The portable servers on Node: `node build/examples/portable/node.js echo`. */

import { parseArgs } from "node:util";
import { type Dispatcher, loop, OSError } from "wasyncore";
import { ChatRoom } from "./chat-room.js";
import { EchoServer } from "./echo.js";
import { HttpServer } from "./http-hello.js";

const USAGE = "usage: node.js echo|chat-room|http-hello [--host HOST] [--port PORT]     default: 127.0.0.1, 7007";
const SERVERS: ReadonlyMap<string, () => Dispatcher> = new Map([
  ["echo", () => new EchoServer()],
  ["chat-room", () => new ChatRoom()],
  ["http-hello", () => new HttpServer()],
]);

try {
  const options = { host: { type: "string" }, port: { type: "string" } } as const;
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  const { host = "127.0.0.1", port = "7007" } = values;
  const make = SERVERS.get(positionals[0] ?? "");
  if (make === undefined || !/^\d+$/.test(port)) throw new Error(USAGE);
  const server = make();
  server.createSocket();
  server.setReuseAddr();
  server.bind({ host, port: Number(port) });
  server.listen(128);
  const { host: at, port: on } = server.socket.localAddress();
  console.log(`listening on ${at}:${on}`);
  await loop();
} catch (error) {
  const inUse = error instanceof OSError && error.code === "EADDRINUSE";
  process.stderr.write(`${inUse ? "the address is in use already" : (error as Error).message}\n`);
  process.exitCode = 1;
}
