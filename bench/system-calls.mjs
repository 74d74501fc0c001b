// Owns the count of system calls that a unit costs a server, by strace(1). Knows the tables of workloads and peers.
//
// strace makes every call slower, so that more connections are ready at a time than otherwise: it tells how many calls there
// are, not what they cost. The opening of the connections is among them.

import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { buildLoad, prepare } from "./build.mjs";
import { Subject } from "./measure.mjs";
import { output } from "./paths.mjs";
import { peersFor, peersOf } from "./peers.mjs";
import { BenchError, checkPinning, endChildrenOnExit, start } from "./processes.mjs";
import { workloads } from "./workloads.mjs";

const usage = `usage: node bench/system-calls.mjs WORKLOAD PEER [PEER...]

Prints how many system calls of each kind a unit of the workload costs each peer. It needs strace.
`;
const SETTINGS = { warmupMs: 0, measureMs: 500, limitS: 60, pin: true };
/** Calls that are rarer than this a unit are not listed. */
const RARE = 0.02;
const ATTACHED = /attached/;

/** Lines of strace -c: share, seconds, microseconds a call, calls, errors where there are any, name. */
function callsIn(summary) {
  return summary
    .split("\n")
    .map((line) => /^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$/.exec(line))
    .filter((match) => match !== null && match[2] !== "total")
    .map(([, calls, name]) => [name, Number(calls)]);
}

/** Counts the calls of a process until the function that it gives is called. */
async function attach(pid, file) {
  const strace = start(["strace", "-f", "-c", "-o", file, "-p", String(pid)]);
  const attached = new Promise((resolve) => strace.child.stderr.on("data", (text) => ATTACHED.test(text) && resolve()));
  const first = await Promise.race([attached, strace.ended]);
  if (first !== undefined) throw new BenchError(`strace failed: ${first.failure?.message ?? first.stderr.trim()}`);
  return async () => {
    strace.child.kill("SIGINT");
    await strace.ended;
  };
}

async function count(name, peer, workload) {
  const file = join(output, "system-calls.txt");
  const settings = { ...SETTINGS, attach: (pid) => attach(pid, file) };
  const subject = new Subject(name, peer, workload, settings);
  const { units } = await subject.measure().finally(() => subject.end());
  const calls = callsIn(readFileSync(file, "utf8")).map(([call, times]) => [call, times / units]);
  rmSync(file);
  const common = calls.filter(([, times]) => times >= RARE).toSorted((a, b) => b[1] - a[1]);
  const total = calls.reduce((sum, [, times]) => sum + times, 0);
  console.log(`${name}: ${total.toFixed(2)} a ${workload.unit}`);
  for (const [call, times] of common) console.log(`  ${times.toFixed(2).padStart(6)}  ${call}`);
}

async function main([workloadName, ...names]) {
  const peers = peersOf(undefined);
  const workload = workloads.find(({ name, mode }) => name === workloadName && mode !== undefined && mode !== "hold");
  const unknown = names.find((name) => !Object.hasOwn(peers, name));
  if (workload === undefined || names.length === 0 || unknown !== undefined) {
    process.stderr.write(usage);
    process.exitCode = 2;
    return;
  }
  endChildrenOnExit();
  await buildLoad();
  await checkPinning();
  console.log(workload.title);
  for (const name of peersFor(workload, peers, names)) {
    const reason = await prepare(peers[name], new Map());
    if (reason === "") await count(name, peers[name], workload);
    else console.log(`${name}: ${reason}`);
  }
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof BenchError)) throw error;
  process.stderr.write(`system-calls: ${error.message}\n`);
  process.exitCode = 1;
}
