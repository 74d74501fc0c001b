// Owns the order of a run: preparing the peers, measuring them in turn, reporting. Knows neither how a process is started
// nor how a figure is made.

import { readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg, release } from "node:os";
import { buildLoad, prepare } from "./build.mjs";
import { writeCharts } from "./charts.mjs";
import { Subject } from "./measure.mjs";
import { readOptions, usage, UsageError } from "./options.mjs";
import { peersFor } from "./peers.mjs";
import { BenchError, checkPinning, endChildren, endChildrenOnExit } from "./processes.mjs";
import { Progress } from "./progress.mjs";
import { details, overview, surroundings } from "./report.mjs";
import { summarize } from "./statistics.mjs";
import { groups, workloads } from "./workloads.mjs";

const INTERRUPTED = 130;
const interrupted = new AbortController();

/** The first Ctrl-C ends the run after what it has; a second one ends it at once. */
function onInterrupt() {
  if (interrupted.signal.aborted) process.exit(INTERRUPTED);
  interrupted.abort();
  endChildren();
}

const usedPeers = ({ workloads: chosenWorkloads, peers, chosen }) => [
  ...new Set(chosenWorkloads.flatMap((workload) => peersFor(workload, peers, chosen))),
];

/** Builds what is needed. @returns why peers cannot run, by name: those that can are not in it */
async function prepareAll(options, progress) {
  const known = new Map();
  const missing = {};
  for (const name of usedPeers(options)) {
    const reason = await prepare(options.peers[name], known);
    if (reason === "") continue;
    if (options.chosen?.includes(name)) throw new BenchError(`${name}: ${reason}.`);
    missing[name] = reason;
    progress.note(`without ${name}: ${reason}`);
  }
  return missing;
}

function list({ peers, missing }) {
  const width = Math.max(...workloads.map(({ name }) => name.length), ...Object.keys(peers).map((name) => name.length));
  const rows = workloads.map(({ name, title, group }) => `  ${name.padEnd(width)}  ${title} (${group})`);
  const peerRows = Object.entries(peers).map(([name, { what }]) => {
    const reason = missing[name];
    return `  ${name.padEnd(width)}  ${what}${reason === undefined ? "" : `; missing: ${reason}`}`;
  });
  return `workloads (group):\n${rows.join("\n")}\n\npeers:\n${peerRows.join("\n")}\n`;
}

/** The peers of a workload that can run. */
const presentPeers = (workload, { peers, chosen }, missing) =>
  peersFor(workload, peers, chosen).filter((name) => missing[name] === undefined);

const roundsOf = ({ roundsMax = Infinity }, { settings }) => Math.min(settings.rounds, roundsMax);

/** Each peer once a round, in turn; another one begins in each round. */
function* steps(names, rounds) {
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < names.length; i++) yield { round, name: names[(i + round) % names.length] };
  }
}

/** @returns by peer the list of rounds; null for what failed */
async function measureOne(workload, options, missing, progress, failures) {
  const names = presentPeers(workload, options, missing);
  const subjects = new Map(
    names.map((name) => [name, new Subject(name, options.peers[name], workload, options.settings)]),
  );
  const measured = {};
  try {
    for (const { round, name } of steps(names, roundsOf(workload, options))) {
      progress.step(`${workload.name}, round ${round + 1}: ${name}`);
      const rounds = (measured[name] ??= []);
      try {
        rounds[round] = await subjects.get(name).measure();
      } catch (error) {
        if (interrupted.signal.aborted) break;
        if (!(error instanceof BenchError)) throw error;
        rounds[round] = null;
        failures.push(error.message);
        progress.note(error.message);
      }
      if (interrupted.signal.aborted) break;
    }
  } finally {
    await Promise.all([...subjects.values()].map((subject) => subject.end()));
  }
  return measured;
}

/** @returns by workload what {@link measureOne} returns */
async function measureAll(options, missing, progress, failures) {
  const measured = new Map();
  for (const workload of options.workloads) {
    if (interrupted.signal.aborted) break;
    measured.set(workload, await measureOne(workload, options, missing, progress, failures));
  }
  return measured;
}

/** In the order of the table, whatever was measured first. */
function inOrder(workload, measured, options) {
  const names = peersFor(workload, options.peers, options.chosen).filter((name) => (measured[name] ?? []).length > 0);
  return Object.fromEntries(names.map((name) => [name, Array.from(measured[name], (round) => round ?? null)]));
}

function placementOf(results, pinned) {
  const rounds = results.flatMap(({ peers }) => Object.values(peers).flatMap((peer) => peer.rounds)).filter(Boolean);
  const all = (field) =>
    [...new Set(rounds.map((round) => round[field]).filter((cpu) => cpu !== undefined))].toSorted();
  return { pinned, serverCpus: all("serverCpu"), loadCpus: all("loadCpu") };
}

async function measureNow(options) {
  const progress = new Progress(0);
  process.on("SIGINT", onInterrupt);
  process.on("SIGTERM", onInterrupt);
  endChildrenOnExit();
  const [loadAverage] = loadavg();
  await buildLoad();
  if (options.settings.pin) await checkPinning();
  const missing = await prepareAll(options, progress);
  const failures = [];
  const counted = new Progress(
    options.workloads
      .map((workload) => presentPeers(workload, options, missing).length * roundsOf(workload, options))
      .reduce((sum, count) => sum + count, 0),
  );
  const measured = await measureAll(options, missing, counted, failures);
  counted.clear();
  const results = options.workloads
    .map((workload) => summarize(workload, inOrder(workload, measured.get(workload) ?? {}, options)))
    .filter(({ peers }) => Object.keys(peers).length > 0);
  const { pin: pinned, ...settings } = options.settings;
  return {
    date: new Date().toISOString(),
    host: {
      node: process.version,
      kernel: `${process.platform} ${release()} ${process.arch}`,
      cpus: availableParallelism(),
      model: cpus()[0]?.model ?? "unknown",
      loadAverage,
    },
    placement: placementOf(results, pinned),
    settings,
    peers: Object.fromEntries(usedPeers(options).map((name) => [name, options.peers[name].what])),
    missing,
    failures,
    interrupted: interrupted.signal.aborted,
    workloads: results,
  };
}

/** What --json wrote. */
function readReport(path) {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw new BenchError(`--from ${path}: ${error.message}`);
  }
}

function print(report) {
  const { workloads: results } = report;
  if (results.length === 0) return;
  const parts = [...results.map(details), ...(results.length > 1 ? [overview(results)] : []), surroundings(report)];
  process.stdout.write(`${parts.join("\n\n")}\n`);
}

async function main() {
  const options = readOptions(process.argv.slice(2));
  if (options.help) return void process.stdout.write(usage);
  if (options.list) {
    await buildLoad();
    const missing = await prepareAll({ ...options, chosen: undefined }, { note() {} });
    return void process.stdout.write(list({ ...options, missing }));
  }
  const report = options.from === undefined ? await measureNow(options) : readReport(options.from);
  if (options.json === "-") process.stdout.write(`${JSON.stringify(report, null, 1)}\n`);
  else if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(report, null, 1)}\n`);
  if (options.json !== "-") print(report);
  if (options.charts !== undefined) {
    for (const path of writeCharts(options.charts, report.workloads, groups)) process.stderr.write(`${path}\n`);
  }
  for (const failure of report.failures) process.stderr.write(`bench: ${failure}\n`);
  if (report.failures.length > 0) process.exitCode = 1;
  if (interrupted.signal.aborted) process.exitCode = INTERRUPTED;
}

try {
  await main();
} catch (error) {
  if (interrupted.signal.aborted) process.exit(INTERRUPTED);
  process.stderr.write(`bench: ${error instanceof BenchError ? error.message : error.stack}\n`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
