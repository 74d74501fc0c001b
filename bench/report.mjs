// Owns the tables on stdout. Knows the results (statistics.mjs), and nothing of how they came about.

const decimals = (value) => (Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2);

/** A load average from which on other programs disturb the figures. */
const BUSY = 0.5;

/** A figure with as many digits as say something. */
export const figure = (value) => value.toFixed(decimals(value));

const range = ({ min, max }, format, between = "-") => `${format(min)}${between}${format(max)}`;
const quotient = (value) => value.toFixed(2);
const signed = (value) => `${value < 0 ? "" : "+"}${figure(value)}`;

/** How a peer stands to the baseline, in short: for a cell of the overview, and for a chart. */
export function standing(workload, { value, compared }) {
  if (compared === undefined) return `${figure(value.median)} ${workload.unitOfFigure}`;
  if (workload.against === "difference") return `${signed(compared.median)} ${workload.unitOfFigure}`;
  return quotient(compared.median);
}

function comparedCells(workload, { compared }) {
  if (compared === undefined) return ["", ""];
  if (workload.against === "difference") return [signed(compared.median), range(compared, signed, " to ")];
  return [quotient(compared.median), range(compared, quotient)];
}

const percent = (share) => (share === undefined ? "" : `${(share * 100).toFixed(0)} %`);
const optional = (value) => (value === undefined ? "" : figure(value));

/** Columns: a title, and what a peer has in it. A column in which no peer has anything is left out. */
const columns = (workload) => [
  [`${workload.label} ${workload.unitOfFigure}`, ({ value }) => figure(value.median)],
  ["min-max", ({ value }) => range(value, figure)],
  [
    workload.against === "difference" ? `over ${workload.baseline}` : `to ${workload.baseline}`,
    (peer) => comparedCells(workload, peer)[0],
  ],
  ["min-max", (peer) => comparedCells(workload, peer)[1]],
  ["a CPU second", ({ value }) => (workload.unitOfFigure === "ns" ? (1e9 / value.median).toFixed(0) : "")],
  ["a second", ({ unitsPerSecond }) => optional(unitsPerSecond)],
  ["p50 us", ({ latencyP50Us }) => optional(latencyP50Us)],
  ["p99 us", ({ latencyP99Us }) => optional(latencyP99Us)],
  ["CPU busy", ({ cpuShare }) => percent(cpuShare)],
  ["in system calls", ({ systemShare }) => percent(systemShare)],
];

/** Rows of cells as lines: the first column flush left, the others flush right. */
function layOut(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const line = (row) => row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])));
  return rows.map((row) => line(row).join("  ").trimEnd()).join("\n");
}

/** One workload, a line for each peer. */
export function details(workload) {
  const peers = Object.entries(workload.peers);
  const filled = columns(workload)
    .map(([title, cell]) => [title, ...peers.map(([, peer]) => cell(peer))])
    .filter(([, ...cells]) => cells.some((cell) => cell !== ""));
  const names = ["", ...peers.map(([name]) => name)];
  return `${workload.title}; a unit: ${workload.unit}\n${layOut(names.map((name, i) => [name, ...filled.map((column) => column[i])]))}`;
}

/** All workloads, a column for each peer: medians of the ratios to the baseline. */
export function overview(workloads) {
  const names = [...new Set(workloads.flatMap(({ peers }) => Object.keys(peers)))].filter(
    (name) => !name.startsWith("guest-"),
  );
  const cell = (workload, name) => {
    const peer = workload.peers[name];
    return peer === undefined ? "-" : standing(workload, peer);
  };
  const rows = workloads.map((workload) => [workload.title, ...names.map((name) => cell(workload, name))]);
  return layOut([["", ...names], ...rows]);
}

/** Where and how it was measured. */
export function surroundings({ host, placement, settings, interrupted }) {
  const on = `the server ran on CPU ${placement.serverCpus.join(",")}, the load on CPU ${placement.loadCpus.join(",")}`;
  const where = placement.pinned ? on : `unpinned: ${on}, as the scheduler chose`;
  return [
    `Node ${host.node}, ${host.kernel}, ${host.cpus} CPUs (${host.model})`,
    ...(host.loadAverage > BUSY ? [`the machine was busy before: load average ${host.loadAverage.toFixed(1)}`] : []),
    where,
    `${settings.rounds} rounds; ${settings.measureMs} ms of the server's CPU time each; medians, and the least and the greatest`,
    ...(interrupted ? ["interrupted: not all rounds were measured"] : []),
  ].join("\n");
}
