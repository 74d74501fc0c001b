// Owns the measurement of a guest's memory over very many short connections, on the Node host or under wasmtime 36: what
// the process has resident, as it goes. Knows the runtimes by their commands.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { parseArgs } from "node:util";
import { freePort, guestBuilds, listening, onNode, onWasmtime } from "./guests.mjs";
import { root } from "./paths.mjs";

const usage = `usage: node bench/guest-memory.mjs [--on node|wasmtime] [--connections N]

Opens N short connections (100000), 50 at a time, against the echo guest, and prints how much memory its process has
resident after each tenth of them.
`;
const AT_ONCE = 50;

const { values } = parseArgs({
  options: {
    on: { type: "string", default: "node" },
    connections: { type: "string", default: "100000" },
    help: { type: "boolean" },
  },
});
const connections = Number(values.connections);
if (values.help || !["node", "wasmtime"].includes(values.on) || !(connections >= 10 * AT_ONCE)) {
  process.stderr.write(usage);
  process.exit(values.help ? 0 : 2);
}

/** Runs a command to its end; its output is the terminal's. */
async function run([command, ...args]) {
  const [code] = await once(spawn(command, args, { cwd: root, stdio: "inherit" }), "close");
  if (code !== 0) throw new Error(`${command} failed (${code})`);
}

/** One connection: sends, ends its half, reads to the end, and checks the echo. */
function exchange(port) {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    let text = "";
    socket.setEncoding("latin1").on("data", (chunk) => (text += chunk));
    socket.on("error", reject);
    socket.on("end", () => {
      // A reset instead of a farewell: a port in TIME_WAIT could not be had again for a minute.
      socket.resetAndDestroy();
      if (text === "here and gone") resolve();
      else reject(new Error(`the echo is ${JSON.stringify(text)}`));
    });
    socket.end("here and gone");
  });
}

function residentKiB(pid) {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
}

await run(guestBuilds.guest);
const port = await freePort();
const [command, ...args] = (values.on === "node" ? onNode : onWasmtime)("guest", port);
const server = spawn(command, args, { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
process.on("exit", () => server.kill("SIGKILL"));
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => process.exit(1));
server.on("exit", () => {
  console.error("the server has ended");
  process.exit(1);
});
await listening(port, AbortSignal.timeout(10_000));

const step = Math.floor(connections / 10);
let printed = 0;
for (let done = 0; done < connections;) {
  await Promise.all(Array.from({ length: AT_ONCE }, () => exchange(port)));
  done += AT_ONCE;
  if (done < printed + step && done < connections) continue;
  printed = done;
  console.log(`${done} connections: ${residentKiB(server.pid)} KiB resident`);
}
process.exit(0);
