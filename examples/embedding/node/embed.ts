/**
 * Embeds a guest in Node: `node embed.js run GUEST.WASM HOST:PORT` runs a command to its end. With `drive`, a guest that
 * was built with --reactor takes turns on Node's own event loop, beside a timer and standard input: a line on it asks how
 * often the timer has fired, its end ends the program.
 */

import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { driveGuest, runGuest, Socket } from "wasyncore";

function listen(host: string, port: number): Socket {
  const listener = Socket.create();
  listener.bind({ host, port });
  listener.listen(128);
  const address = listener.localAddress();
  console.log(`listening on ${address.host}:${address.port}`);
  return listener;
}

async function drive(guest: Uint8Array, listener: Socket): Promise<number> {
  let ticks = 0;
  const timer = setInterval(() => (ticks += 1), 100);
  const end = new AbortController();
  const input = createInterface(process.stdin);
  input.on("line", () => console.log(`ticks: ${ticks}`));
  input.on("close", () => end.abort());
  try {
    return await driveGuest(guest, { listeners: [listener], stdio: "inherit", signal: end.signal });
  } finally {
    clearInterval(timer);
    input.close();
  }
}

const [mode, path = "", address = ""] = process.argv.slice(2);
const [, host = "", port = ""] = /^(.+):(\d+)$/.exec(address) ?? [];
if ((mode === "run" || mode === "drive") && port !== "") {
  const guest = await readFile(path);
  const listener = listen(host, Number(port));
  process.exitCode =
    mode === "run" ? runGuest(guest, { listeners: [listener], stdio: "inherit" }) : await drive(guest, listener);
} else {
  process.stderr.write("usage: embed.js run|drive GUEST.WASM HOST:PORT\n");
  process.exitCode = 2;
}
