// Owns the measurement of a plugin beside one that takes what it can: requests a second and p99 of the one that serves, alone
// and beside each of the others, in turn.
//
//   node bench/plugins/neighbours.mjs [--run isolated|shared] [--only spin,memory,...] [--ms N] [--rounds N] [--rate N]
//
// Without --rate its clients ask again as soon as they are answered: then the load takes processors as well, and what the
// plugin loses to another's load cannot be told from what it loses to the other. With --rate they ask so often, all together.

import { connect } from "node:net";
import { parseArgs } from "node:util";
import { compilePlugin, PluginHost } from "../../dist/plugin/index.js";
import { buildClient, buildServer, runClient, startBadClients } from "./programs.mjs";

const { values } = parseArgs({
  options: {
    run: { type: "string", default: "isolated" },
    only: { type: "string" },
    ms: { type: "string", default: "2000" },
    rounds: { type: "string", default: "3" },
    connections: { type: "string", default: "10" },
    rate: { type: "string" },
  },
});
const { run } = values;
const limitMs = Number(values.ms);
const MIB = 2 ** 20;

buildClient();
const code = await compilePlugin(buildServer("ours", run));
const restart = { when: "always", minDelayMs: 100, maxDelayMs: 100, maxRestarts: 100_000 };
const common = { run, listen: ["127.0.0.1:0"], restart };
const ask = (port, path) =>
  connect(port, "127.0.0.1")
    .on("error", () => undefined)
    .end(`GET ${path} HTTP/1.1\r\n\r\n`);

/** Each starts what its neighbour suffers from, with the port of the bad plugin, and gives back what ends that. */
const ABUSES = {
  alone: undefined,
  // A plugin that is there and idle: what "alone" is compared with.
  idle: { policy: {}, begin: () => () => undefined },
  spin: {
    policy: { limits: { cpuMsPerTurn: 100 } },
    begin: (port, host) =>
      again(
        () => ask(port, "/spin"),
        (wake) => host.on("up", wake),
      ),
  },
  memory: { policy: { env: { MODE: "leak" }, limits: { maxMemoryBytes: 64 * MIB } }, begin: () => () => undefined },
  connections: {
    policy: { env: { MODE: "leak" }, limits: { maxConnections: 200, maxDescriptors: 300 } },
    begin: (port) => startBadClients(port, "open", 500),
  },
  connects: { policy: {}, load: { connections: 20, aConnection: 1 } },
  requests: { policy: {}, load: { connections: 20, aConnection: 1_000_000 } },
  bytes: { policy: { limits: { maxMemoryBytes: 512 * MIB } }, begin: (port) => startBadClients(port, "read", 4) },
};

/** Does something at once, and whenever it is woken. */
function again(what, onWake) {
  let isOver = false;
  what();
  onWake(() => {
    if (!isOver) what();
  });
  return () => (isOver = true);
}

const portOf = (host, name) => host.snapshot(name).listeners[0].address.port;

async function measure(name) {
  const abuse = ABUSES[name];
  const host = new PluginHost();
  await host.start(code, { ...common, name: "good" });
  let end = () => undefined;
  let load;
  if (abuse !== undefined) {
    await host.start(code, { ...common, ...abuse.policy, name: "bad" });
    const port = portOf(host, "bad");
    if (abuse.load !== undefined) load = runClient(port, { ...abuse.load, limitMs: limitMs + 500 });
    else end = abuse.begin(port, host);
  }
  const load2 = { connections: Number(values.connections), aConnection: 1_000_000 };
  await runClient(portOf(host, "good"), { ...load2, limitMs: 500 });
  const figures = await runClient(portOf(host, "good"), { ...load2, limitMs, rate: values.rate });
  end();
  await load;
  const bad = abuse === undefined ? undefined : host.snapshot("bad");
  await host.close({ timeoutMs: 0 });
  return { ...figures, bad };
}

const names = Object.keys(ABUSES).filter(
  (name) => !values.only || name === "alone" || values.only.split(",").includes(name),
);
const rounds = [];
for (let round = 0; round < Number(values.rounds); round++) {
  const figures = {};
  for (const name of names) figures[name] = await measure(name);
  rounds.push(figures);
}
const median = (list) => list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)];
console.log(`${run}: a plugin beside one that ...; medians of ${rounds.length} rounds`);
for (const name of names) {
  const of = (take) => median(rounds.map((figures) => take(figures[name], figures.alone)));
  console.log(
    [
      name.padEnd(12),
      `${of(({ aSecond }) => aSecond)
        .toFixed(0)
        .padStart(7)} a second`,
      `${of(({ aSecond }, alone) => aSecond / alone.aSecond).toFixed(2)} of alone`,
      `p99 ${of(({ p99Ms }) => p99Ms).toFixed(2)} ms`,
      `${of(({ p99Ms }, alone) => p99Ms / alone.p99Ms).toFixed(2)} of alone`,
      `failed ${of(({ failures }) => failures.length)}`,
      `restarts of the other ${of(({ bad }) => bad?.restarts ?? 0)}`,
    ].join("  "),
  );
}
