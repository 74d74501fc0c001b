// Owns the soak of the plugin host: requests to one plugin that is replaced and trapped again and again, and to a neighbour
// that is left alone. No request may be lost or refused by a replacement; a trap may cost the connections of its own plugin.
//
//   node bench/plugins/soak.mjs [--run isolated|shared] [--server ours|c] [--requests N] [--replacements N] [--traps N]
//
// Ends with status 1 where a request was lost that may not have been. The figures are JSON on stdout.

import { connect } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import { compilePlugin, PluginHost } from "../../dist/plugin/index.js";
import { buildClient, buildServer, nowMs, runClient } from "./programs.mjs";

const { values } = parseArgs({
  options: {
    run: { type: "string", default: "isolated" },
    server: { type: "string", default: "ours" },
    requests: { type: "string", default: "1000000" },
    replacements: { type: "string", default: "100" },
    traps: { type: "string", default: "100" },
    connections: { type: "string", default: "20" },
    "limit-s": { type: "string", default: "1200" },
    verbose: { type: "boolean", default: false },
  },
});
const { run, server } = values;
const requests = Number(values.requests);
const replacements = Number(values.replacements);
const traps = Number(values.traps);
const connections = Number(values.connections);
const limitMs = 1000 * Number(values["limit-s"]);
/** One connection for each request, and some requests on each; with their shares of the requests, so that both take as long. */
const MODES = { close: { aConnection: 1, share: 0.35 }, "keep-alive": { aConnection: 50, share: 0.65 } };
const modeCount = Object.keys(MODES).length;
/** Of the requests to the plugin that changes: what its neighbour gets beside them. */
const CALM_SHARE = 0.25;
/** What a client takes to see a reset, after the plugin has ended. */
const SEEN_MS = 200;
const SETTLE_MS = 10_000;
/** A change that takes longer than this does not come to an end. */
const STALL_MS = 60_000;

buildClient();
const code = await compilePlugin(buildServer(server, run));
const host = new PluginHost();
const policy = {
  run,
  listen: ["127.0.0.1:0"],
  limits: { maxConnections: 4 * modeCount * connections, maxDescriptors: "unlimited", cpuMsPerTurn: 10_000 },
  restart: { when: "always", minDelayMs: 10, maxDelayMs: 10, maxRestarts: traps + 1 },
  stopTimeoutMs: 60_000,
};
let forced = 0;
/** Monotonic times from a request that traps to the next time that the plugin is up. */
const outages = [];
const endings = new Map();
host.on("exit", ({ plugin, ending }) => {
  const kind = ending.kind === "stopped" ? `stopped${ending.isGraceful ? "" : " by force"}` : ending.kind;
  endings.set(`${plugin} ${kind}`, (endings.get(`${plugin} ${kind}`) ?? 0) + 1);
  if (ending.kind === "stopped" && !ending.isGraceful) forced++;
});
for (const name of ["changing", "calm"]) await host.start(code, { ...policy, name });
const portOf = (name) => host.snapshot(name).listeners[0].address.port;

async function trap() {
  const fromMs = nowMs();
  const up = new Promise((resolve) => {
    const done = () => {
      host.off("up", onUp).off("exit", onExit);
      resolve();
    };
    const onUp = ({ plugin }) => plugin === "changing" && done();
    // The run that was replaced may still accept the connection before it notices: then it is the one that traps.
    const onExit = ({ plugin, ending }) => {
      if (plugin !== "changing" || ending.kind !== "trap") return;
      setImmediate(() => host.snapshot("changing").state === "running" && done());
    };
    host.on("up", onUp).on("exit", onExit);
  });
  const socket = connect(portOf("changing"), "127.0.0.1").on("error", () => undefined);
  socket.end("GET /trap HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await new Promise((resolve) => socket.resume().once("close", resolve));
  await up;
  outages.push({ fromMs, toMs: nowMs() + SEEN_MS });
}

let replaced = 0;
let trapped = 0;
const begunMs = nowMs();
const steps = Math.max(replacements, traps, 1);
/** Monotonic time at which the clients give up. */
const limitAtMs = begunMs + limitMs;

/** The step that is under way: the clients go on until it is over. */
async function change(step) {
  if (step < replacements) {
    await host.replace("changing", code);
    replaced++;
  }
  if (step < traps) {
    await trap();
    trapped++;
  }
  if (values.verbose) console.error(`${nowMs() - begunMs} ms: ${replaced} replaced, ${trapped} trapped`);
}

/** Load without a pause, in rounds, until all has been requested and `isOver`. */
async function load(name, mode, { aConnection, share }, isOver) {
  const wanted = Math.ceil(requests * share * (name === "changing" ? 1 : CALM_SHARE));
  const round = Math.max(connections, Math.ceil(wanted / steps));
  const sum = { begun: 0, answered: 0, opened: 0, failures: [] };
  while ((sum.begun < wanted || !isOver()) && nowMs() < limitAtMs) {
    const figures = await runClient(portOf(name), {
      ...{ connections, aConnection, requests: round, limitMs: Math.max(1, limitAtMs - nowMs()) },
    });
    sum.begun += figures.begun;
    sum.answered += figures.answered;
    sum.opened += figures.connections;
    sum.failures.push(...figures.failures);
  }
  return { name, mode, wanted, ...sum };
}

let areChanged = false;
const loads = Object.entries(MODES).flatMap(([mode, how]) =>
  ["changing", "calm"].map((name) => load(name, mode, how, () => areChanged)),
);
for (let step = 0; step < steps; step++) {
  const isChanged = await Promise.race([change(step).then(() => true), pause(STALL_MS, false, { ref: false })]);
  if (isChanged) continue;
  const [{ state, connections: open, listeners, lastEnding }] = host.snapshot();
  console.error(`stalled at change ${step}:`, {
    replaced,
    trapped,
    state,
    open,
    listeners,
    lastEnding,
    outages: outages.at(-1),
  });
  process.exit(1);
}
areChanged = true;
const results = await Promise.all(loads);
// The plugins see that the clients have closed their connections a moment later.
const deadlineMs = nowMs() + SETTLE_MS;
while (nowMs() < deadlineMs && host.snapshot().some((plugin) => plugin.connections > 0)) await pause(20);
const left = host.snapshot().map(({ name, connections: open, restarts, replacements: count }) => ({
  ...{ name, connections: open, restarts, replacements: count },
}));
await host.close();

let lost = 0;
const figures = results.map(({ failures, ...result }) => {
  const byTraps = failures.filter(
    ({ kind, atMs }) =>
      result.name === "changing" &&
      kind === "reset" &&
      outages.some(({ fromMs, toMs }) => atMs >= fromMs && atMs <= toMs),
  );
  lost += failures.length - byTraps.length;
  return { ...result, byTraps: byTraps.length, lost: failures.filter((each) => !byTraps.includes(each)) };
});
const incomplete = results.some(({ begun, wanted }) => begun < wanted);
console.log(
  JSON.stringify(
    {
      ...{ run, server, seconds: (nowMs() - begunMs) / 1000, replaced, trapped, lost, forced },
      ...{ endings: Object.fromEntries(endings), left, figures },
    },
    undefined,
    1,
  ),
);
if (lost > 0 || replaced < replacements || trapped < traps || incomplete) process.exitCode = 1;
