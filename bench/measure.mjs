// Owns the measurements of one peer in one workload: a server that stays from round to round and a load for each, or a
// program for each. Knows how neither is built, and no statistics.

import { join } from "node:path";
import { commandFor, warmupMsOf } from "./peers.mjs";
import { freePort, listening } from "./guests.mjs";
import { output } from "./paths.mjs";
import { explain, LOAD_CPU, run, SERVER_CPU, start } from "./processes.mjs";

const START_LIMIT_MS = 20_000;
const PROGRAM_RUNS = 3;
/** CPU time before the measurements of a server that has been measured before: until its connections are open. */
const WARM_AGAIN_MS = 50;
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

/** One peer in one workload, measured once a round. What it has started ends with {@link end}. */
export class Subject {
  #name;
  #peer;
  #workload;
  #settings;
  #running = [];
  #server;
  #isWarm = false;

  /** @param settings `attach`, if given, watches the server of a measurement until the function that it returns is called */
  constructor(name, peer, workload, settings) {
    this.#name = name;
    this.#peer = peer;
    this.#workload = workload;
    this.#settings = settings;
  }

  /** @returns what the load, or the program, prints, as an object */
  async measure() {
    if (this.#workload.role === undefined)
      return measureProgram(this.#name, this.#peer, this.#workload, this.#settings);
    try {
      this.#server ??= await this.#start();
      return await this.#load(this.#server);
    } catch (error) {
      await this.end();
      throw error;
    } finally {
      if (this.#workload.isFresh) await this.end();
    }
  }

  async end() {
    this.#server = undefined;
    this.#isWarm = false;
    await Promise.all(this.#running.splice(0).map(end));
  }

  async #start() {
    const [workload, peer] = [this.#workload, this.#peer];
    const { pin } = this.#settings;
    let targetPort;
    if (workload.target) {
      const target = await startServer("the proxy's target", [join(output, "epoll"), "echo", String(64 * 1024)], {
        cpu: pin ? LOAD_CPU : undefined,
      });
      this.#running.push(target);
      targetPort = target.port;
    }
    const port = peer.choosesNoPort ? await freePort() : undefined;
    const { readSize, collectsGarbage } = workload;
    const command = commandFor(peer, workload, { readSize, targetPort, port, collectsGarbage });
    const server = await startServer(this.#what, command, { cpu: pin ? SERVER_CPU : undefined, port });
    this.#running.push(server);
    return server;
  }

  async #load(server) {
    const { pin, attach, warmupMs } = this.#settings;
    const detach = await attach?.(server.child.pid);
    const command = loadCommand(this.#workload, server.port, server.child.pid, {
      ...this.#settings,
      warmupMs: this.#isWarm ? Math.min(warmupMs, WARM_AGAIN_MS) : warmupMsOf(this.#name, warmupMs),
    });
    const result = await run(command, { cpu: pin ? LOAD_CPU : undefined });
    await detach?.();
    this.#isWarm = true;
    if (result.status === 0) return JSON.parse(result.stdout);
    this.#running.splice(this.#running.indexOf(server), 1);
    result.stderr += (await end(server)).stderr;
    throw explain(`${this.#what}: the load`, result);
  }

  get #what() {
    return `${this.#workload.name}: ${this.#name}`;
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
