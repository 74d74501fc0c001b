// Owns one measurement: a fresh server and one load, or one program, all ended before it returns. Knows how neither is
// built, and no statistics.

import { join } from "node:path";
import { commandFor, warmupMsOf } from "./peers.mjs";
import { freePort, listening } from "./guests.mjs";
import { output } from "./paths.mjs";
import { explain, LOAD_CPU, run, SERVER_CPU, start } from "./processes.mjs";

const START_LIMIT_MS = 20_000;
const PROGRAM_RUNS = 3;
const PORT_LINE = /^listening on 127\.0\.0\.1:(\d+)$/m;

/** Starts a server and waits until it listens: a line names the port, or, of a guest, a connection succeeds. */
async function startServer(what, command, { cpu, port }) {
  let onPort;
  const named = new Promise((resolve) => (onPort = resolve));
  const server = start(command, {
    cpu,
    onStdout(stdout) {
      const match = PORT_LINE.exec(stdout);
      if (match !== null) onPort(Number(match[1]));
    },
  });
  const over = new AbortController();
  const ready = port === undefined ? named : listening(port, over.signal).then(() => port);
  let timer;
  const late = new Promise((resolve) => (timer = setTimeout(resolve, START_LIMIT_MS, "late")));
  const first = await Promise.race([ready, server.ended, late]);
  clearTimeout(timer);
  over.abort();
  if (typeof first === "number") return { ...server, port: first };
  server.child.kill("SIGKILL");
  const result = await server.ended;
  throw explain(first === "late" ? `${what}: does not listen within ${START_LIMIT_MS} ms; it` : what, result);
}

async function end({ child, ended }) {
  child.kill("SIGKILL");
  return ended;
}

function loadCommand(workload, port, pid, { warmupMs, measureMs, limitS }) {
  const numbers = {
    port,
    "server-pid": pid,
    connections: workload.connections,
    idle: workload.idle,
    size: workload.size,
    "warmup-ms": warmupMs,
    "measure-ms": workload.measureMs ?? measureMs,
    "limit-s": limitS,
    ...(workload.unitsMax === undefined ? {} : { "units-max": workload.unitsMax }),
  };
  const flags = Object.entries(numbers).flatMap(([flag, value]) => [`--${flag}`, String(value)]);
  return [join(output, "load"), workload.mode, ...flags];
}

/** A server in its role, and the load on it. `settings.attach` may watch the server meanwhile. */
async function measureServer(name, peer, workload, settings) {
  const { pin } = settings;
  const what = `${workload.name}: ${name}`;
  const running = [];
  try {
    let targetPort;
    if (workload.target) {
      const target = await startServer("the proxy's target", [join(output, "epoll"), "echo", String(64 * 1024)], {
        cpu: pin ? LOAD_CPU : undefined,
      });
      running.push(target);
      targetPort = target.port;
    }
    const port = peer.choosesNoPort ? await freePort() : undefined;
    const { readSize, collectsGarbage } = workload;
    const command = commandFor(peer, workload, { readSize, targetPort, port, collectsGarbage });
    const server = await startServer(what, command, { cpu: pin ? SERVER_CPU : undefined, port });
    running.push(server);
    const detach = await settings.attach?.(server.child.pid);
    const warmupMs = warmupMsOf(name, settings.warmupMs);
    const load = loadCommand(workload, server.port, server.child.pid, { ...settings, warmupMs });
    const result = await run(load, { cpu: pin ? LOAD_CPU : undefined });
    await detach?.();
    if (result.status === 0) return JSON.parse(result.stdout);
    running.pop();
    result.stderr += (await end(server)).stderr;
    throw explain(`${what}: the load`, result);
  } finally {
    await Promise.all(running.map(end));
  }
}

/** A program that measures itself: the run with the least of what counts, of a few. */
async function measureProgram(name, peer, workload, { pin }) {
  const results = [];
  for (let i = 0; i < PROGRAM_RUNS; i++) {
    const result = await run(commandFor(peer, workload, {}), { cpu: pin ? SERVER_CPU : undefined });
    if (result.status !== 0) throw explain(`${workload.name}: ${name}`, result);
    results.push(JSON.parse(result.stdout));
  }
  return results.toSorted((a, b) => a[workload.figure] - b[workload.figure])[0];
}

/** @returns what the load, or the program, prints, as an object */
export function measure(name, peer, workload, settings) {
  const how = workload.role === undefined ? measureProgram : measureServer;
  return how(name, peer, workload, settings);
}
