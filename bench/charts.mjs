// Owns the SVG bar charts for the docs, one for each group of workloads. Knows the results, and nothing of how they came
// about. The files follow the reader's preference for light or dark.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { standing } from "./report.mjs";

const WIDTH = 760;
const LABEL_WIDTH = 110;
const VALUE_WIDTH = 90;
/** From the middle of a line of text down to its base line. */
const TEXT_DROP = 4;
const BAR = 14;
const GAP = 4;
const HEADING = 26;
const MARGIN = 16;
const TITLE = 30;
const LEGEND = 22;

/** Ours stand out; the others are alike. */
const OURS = /^(loop|loopSync|recvInto|lean|alone|against|againstSync|guest-(node|wasmtime|speed|component))$/;

const STYLE = `
  text { font: 12px system-ui, sans-serif; fill: #24292f; }
  .title { font-size: 15px; font-weight: 600; }
  .workload { font-weight: 600; }
  .note { fill: #57606a; }
  .value { paint-order: stroke; stroke: #ffffff; stroke-width: 3px; stroke-linejoin: round; }
  .label { text-anchor: end; }
  .other { fill: #afb8c1; }
  .ours { fill: #2f81c7; }
  .base, .spread { stroke: #57606a; stroke-width: 1; }
  .base { stroke-dasharray: 3 3; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .note { fill: #9198a1; }
    .value { stroke: #0d1117; }
    .other { fill: #57606a; }
    .ours { fill: #4aa3e8; }
    .base, .spread { stroke: #9198a1; }
  }`;

const escape = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
const round = (value) => Math.round(value * 10) / 10;

const text = (x, y, kind, content) => `<text x="${round(x)}" y="${round(y)}" class="${kind}">${escape(content)}</text>`;
const line = (x1, y1, x2, y2, kind) =>
  `<line x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}" class="${kind}"/>`;

/** What is drawn for a peer: the ratio, where there is one; the baseline's is 1. */
function drawn(workload, name, peer) {
  if (workload.against !== "ratio") return peer.value;
  if (name === workload.baseline) return { median: 1, min: 1, max: 1 };
  return peer.compared;
}

const isRatio = ({ against }) => against === "ratio";

/** The bars of one workload, from `top` down. */
function bars(workload, top) {
  const peers = Object.entries(workload.peers)
    .map(([name, peer]) => ({ name, peer, span: drawn(workload, name, peer) }))
    .filter(({ span }) => span !== undefined);
  const room = WIDTH - 2 * MARGIN - LABEL_WIDTH - VALUE_WIDTH;
  const left = MARGIN + LABEL_WIDTH;
  // A peer that is many times slower than the rest would leave no room for their differences: its bar is cut off.
  const medians = peers.map(({ span }) => span.median).toSorted((a, b) => a - b);
  const scale = Math.min(medians.at(-1), (medians[medians.length >> 1] ?? 1) * 4) * 1.05;
  const x = (value) => left + (Math.min(Math.max(value, 0), scale) / scale) * room;
  const bottom = top + HEADING + peers.length * (BAR + GAP);
  const elements = [text(MARGIN, top + 16, "workload", workload.title)];
  const values = [];
  let y = top + HEADING;
  for (const { name, peer, span } of peers) {
    const middle = y + BAR / 2;
    const kind = OURS.test(name) ? "ours" : "other";
    const value = isRatio(workload) && name === workload.baseline ? "1" : standing(workload, peer);
    elements.push(
      text(left - 6, middle + TEXT_DROP, "label", name),
      `<rect x="${left}" y="${y}" width="${round(x(span.median) - left)}" height="${BAR}" rx="2" class="${kind}"/>`,
      ...(span.max > span.min ? [line(x(span.min), middle, x(span.max), middle, "spread")] : []),
    );
    const isCutOff = span.median > scale;
    values.push(text(x(span.max) + 6, middle + TEXT_DROP, "value", isCutOff ? `${value} \u2192` : value));
    y += BAR + GAP;
  }
  if (isRatio(workload)) elements.push(line(x(1), top + HEADING - 3, x(1), bottom - GAP + 3, "base"));
  // Last, so that no line crosses them.
  elements.push(...values);
  return { elements, bottom: bottom + GAP };
}

/** One chart, as the text of an SVG file. */
export function chart(title, workloads) {
  let top = MARGIN + TITLE + LEGEND;
  const elements = [
    text(MARGIN, MARGIN + 14, "title", title),
    text(MARGIN, MARGIN + TITLE + 8, "note", noteOf(workloads)),
  ];
  for (const workload of workloads) {
    const drawnBars = bars(workload, top);
    elements.push(...drawnBars.elements);
    top = drawnBars.bottom;
  }
  const height = top + MARGIN;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="${escape(title)}">
<style>${STYLE}
</style>
${elements.join("\n")}
</svg>
`;
}

function noteOf(workloads) {
  const [first] = workloads;
  const spread = "thin line: least to greatest round; arrow: cut off";
  if (!isRatio(first)) return `Medians, less is better. ${spread}`;
  const base = first.baseline === "c" ? "the C server on epoll" : first.baseline;
  return `Medians, less is better. Ratio to ${base} (dashed: 1); ${spread}`;
}

/** Writes a chart for each group that has figures. @returns the files' paths */
export function writeCharts(directory, workloads, titles) {
  mkdirSync(directory, { recursive: true });
  return Object.entries(titles).flatMap(([group, title]) => {
    const members = workloads.filter((workload) => workload.group === group && Object.keys(workload.peers).length > 0);
    if (members.length === 0) return [];
    const path = join(directory, `${group}.svg`);
    writeFileSync(path, chart(title, members));
    return [path];
  });
}
