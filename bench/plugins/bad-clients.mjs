// Owns clients that a plugin suffers from, in a process of their own: their work is not the host's. Ends when its standard input
// does.
//
//   node bad-clients.mjs PORT read|open COUNT
//
// read: each asks for 8 MiB again and again, and reads them. open: each connects, and does nothing.

import { connect } from "node:net";
import process from "node:process";

const SIZE = 8 * 2 ** 20;

const [port, what, count] = process.argv.slice(2);
for (let i = 0; i < Number(count); i++) {
  const socket = connect(Number(port), "127.0.0.1").on("error", () => undefined);
  if (what !== "read") continue;
  const ask = () => socket.write("GET /big HTTP/1.1\r\n\r\n");
  let received = 0;
  socket.on("data", ({ length }) => {
    received += length;
    if (received < SIZE) return;
    received -= SIZE;
    ask();
  });
  ask();
}
process.stdin.on("end", () => process.exit()).resume();
