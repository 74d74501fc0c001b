// Owns the benchmark's command line, its scenarios and the order of its measurements. Knows neither how a process is
// started (processes.mjs) nor how a figure is made (report.mjs).

import { availableParallelism, release } from "node:os";
import { parseArgs } from "node:util";
import {
  BenchError,
  checkBuilt,
  checkPinning,
  compile,
  endChildrenOnExit,
  measure,
  serverNames,
} from "./processes.mjs";
import { summarize, table } from "./report.mjs";

const usage = `usage: node bench/run.mjs [options] [echo] [idle]

Measures the CPU time a message that echo servers cost, side by side. Without a scenario both are run.

  echo   busy connections, each with one message outstanding
  idle   10 busy connections, without and with many silent ones beside them

  --servers LIST      of ${serverNames.join(", ")}
                      (c,net,wasyncore,wasyncore-sync)
  --rounds N          each server is measured once a round (5)
  --connections LIST  busy connections of echo (50,500)
  --idle N            silent connections of idle (10000)
  --messages N        messages counted in a measurement (200000)
  --warmup N          messages before those, not counted (a tenth of --messages)
  --size N            bytes a message, 1 to 8192 (64)
  --limit-s N         a measurement that takes longer fails (60)
  --unpinned          leave it to the scheduler where server and load run; else on CPU 0 and CPU 1
  --json              every figure as JSON on stdout, instead of tables
  --help
`;

const BUSY_BESIDE_IDLE = 10;

function integer(name, text, min, max) {
  const value = /^\d+$/.test(text) ? Number(text) : NaN;
  if (!(value >= min && value <= max)) {
    throw new BenchError(`${name} must be a whole number from ${min} to ${max}, got "${text}".`);
  }
  return value;
}

function oneOf(name, values, allowed) {
  const unknown = values.find((value) => !allowed.includes(value));
  if (unknown !== undefined) throw new BenchError(`${name}: "${unknown}" is none of ${allowed.join(", ")}.`);
  return [...new Set(values)];
}

/** The command line as numbers, checked; undefined when help was asked for. */
function readOptions() {
  const text = (value) => ({ type: "string", default: value });
  const flag = { type: "boolean", default: false };
  const { values, positionals } = parseArgs({
    options: {
      servers: text("c,net,wasyncore,wasyncore-sync"),
      rounds: text("5"),
      connections: text("50,500"),
      idle: text("10000"),
      messages: text("200000"),
      warmup: { type: "string" },
      size: text("64"),
      "limit-s": text("60"),
      unpinned: flag,
      json: flag,
      help: flag,
    },
    allowPositionals: true,
  });
  if (values.help) return undefined;
  const messages = integer("--messages", values.messages, 1000, 10_000_000);
  return {
    scenarios: oneOf("scenario", positionals.length > 0 ? positionals : ["echo", "idle"], ["echo", "idle"]),
    servers: oneOf("--servers", values.servers.split(","), serverNames),
    rounds: integer("--rounds", values.rounds, 1, 100),
    connections: [...new Set(values.connections.split(",").map((each) => integer("--connections", each, 1, 60_000)))],
    idle: integer("--idle", values.idle, 1, 60_000),
    messages,
    warmup: values.warmup === undefined ? Math.ceil(messages / 10) : integer("--warmup", values.warmup, 0, 10_000_000),
    size: integer("--size", values.size, 1, 8192),
    limitS: integer("--limit-s", values["limit-s"], 1, 3600),
    pin: !values.unpinned,
    json: values.json,
  };
}

/** What a scenario measures: each case on every server. `baseline` is the case that it is held against. */
function casesOf(scenario, options) {
  if (scenario === "echo") {
    return options.connections.map((connections) => ({ label: `${connections} busy`, connections, idle: 0 }));
  }
  const alone = { label: `${BUSY_BESIDE_IDLE} busy`, connections: BUSY_BESIDE_IDLE, idle: 0 };
  return [
    alone,
    { ...alone, label: `${alone.label}, ${options.idle} idle`, idle: options.idle, baseline: alone.label },
  ];
}

/** Round by round, and in a round server by server, so that a slow minute of the machine falls on all of them. */
async function runScenario(scenario, options) {
  const cases = casesOf(scenario, options);
  const measured = Object.fromEntries(
    cases.map(({ label }) => [label, Object.fromEntries(options.servers.map((server) => [server, []]))]),
  );
  for (let round = 1; round <= options.rounds; round++) {
    for (const { label, connections, idle } of cases) {
      for (const server of options.servers) {
        const result = await measure(server, { ...options, connections, idle });
        measured[label][server].push(result);
        console.error(
          `${scenario} ${round}/${options.rounds}  ${label}  ${server}: ${result.cpuNsPerMessage.toFixed(0)} CPU ns/message`,
        );
      }
    }
  }
  return { rows: summarize(options.servers, cases, measured), measured };
}

async function main() {
  const options = readOptions();
  if (options === undefined) return void process.stdout.write(usage);
  endChildrenOnExit();
  checkBuilt(options.servers);
  if (options.pin) await checkPinning();
  await compile(options.servers);

  const host = `Node ${process.version}, ${process.platform} ${release()} ${process.arch}, ${availableParallelism()} CPUs`;
  const results = {};
  for (const scenario of options.scenarios) {
    results[scenario] = await runScenario(scenario, options);
    if (!options.json) console.log(`\n${scenario}\n${table(results[scenario].rows)}`);
  }
  if (options.json) console.log(JSON.stringify({ host, options, results }, null, 2));
  else
    console.log(`\n${host}; ${options.size} bytes a message, ${options.messages} messages, ${options.rounds} rounds`);
}

try {
  await main();
} catch (error) {
  const expected = error instanceof BenchError || error.code?.startsWith("ERR_PARSE_ARGS");
  console.error(expected ? `bench: ${error.message}` : error);
  process.exitCode = 1;
}
