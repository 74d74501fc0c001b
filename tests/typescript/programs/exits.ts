/**
 * A program that sends until its host takes no more, and then ends by process.exit, in a handler of what nobody else handles.
 * Parameters: the port of a peer.
 */

import { defaultBackend, Ready } from "wasyncore";

const QUIET_MS = 200;
const backend = defaultBackend();
const socket = backend.socket("IPv4", "stream");
backend.connect(socket, { host: "127.0.0.1", port: Number(process.argv[2]) });
const set = backend.createPollSet();
set.update(socket, Ready.WRITE);
set.wait(Infinity);

const data = new Uint8Array(1 << 20);
let sent = 0;
do {
  for (let count = 0; count >= 0; count = backend.send(socket, data)) sent += count;
} while (set.wait(QUIET_MS) > 0);

process.on("uncaughtException", (error: Error) => {
  console.log(error.message);
  process.exit(0);
});
process.on("exit", (code) => console.log(`sent ${sent}, exit ${code}`));
setTimeout(() => {
  throw new Error("nobody else handles this");
});
