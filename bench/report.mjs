// Owns what the figures become: medians, per-round ratios, the tables. Knows no process.

const median = (values) => {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};

const spread = (values) => ({ median: median(values), min: Math.min(...values), max: Math.max(...values) });

/** Quotients round by round: what disturbs the machine for a while disturbs both sides of a quotient. */
function ratio(rounds, base) {
  return spread(rounds.map((round, i) => round.cpuNsPerMessage / base[i].cpuNsPerMessage));
}

/** One row a server and case: medians of the rounds. */
function row(server, label, rounds) {
  const medianOf = (field) => median(rounds.map((round) => round[field]));
  return {
    server,
    case: label,
    cpuNsPerMessage: spread(rounds.map((round) => round.cpuNsPerMessage)),
    messagesPerSecond: medianOf("messagesPerSecond"),
    latencyP50Us: medianOf("latencyP50Us"),
    latencyP99Us: medianOf("latencyP99Us"),
  };
}

/**
 * @param names the servers measured
 * @param cases `{ label }` each; a case may name another as its `baseline`
 * @param measured `measured[label][server]` is the list of rounds
 * @returns rows, each with `ratios`: to the servers c, net and guest-c where they were measured, and to its case's baseline
 */
export function summarize(names, cases, measured) {
  return cases.flatMap(({ label, baseline }) =>
    names.map((server) => {
      const rounds = measured[label][server];
      const ratios = {};
      for (const base of ["c", "net", "guest-c"]) {
        if (names.includes(base) && base !== server) ratios[`to ${base}`] = ratio(rounds, measured[label][base]);
      }
      if (baseline !== undefined) ratios[`to ${baseline}`] = ratio(rounds, measured[baseline][server]);
      return { ...row(server, label, rounds), ratios };
    }),
  );
}

const whole = (value) => value.toFixed(0);
const quotient = (value) =>
  value === undefined ? "-" : `${value.median.toFixed(2)} (${value.min.toFixed(2)}-${value.max.toFixed(2)})`;

/** The rows of {@link summarize} as lines of text: the first column flush left, the others flush right. */
export function table(rows) {
  const ratioNames = [...new Set(rows.flatMap((each) => Object.keys(each.ratios)))].toSorted();
  const lines = [
    ["case", "server", "CPU ns/message", "(min-max)", "messages/s", "p50 us", "p99 us", ...ratioNames],
    ...rows.map((each) => [
      each.case,
      each.server,
      whole(each.cpuNsPerMessage.median),
      `(${whole(each.cpuNsPerMessage.min)}-${whole(each.cpuNsPerMessage.max)})`,
      whole(each.messagesPerSecond),
      whole(each.latencyP50Us),
      whole(each.latencyP99Us),
      ...ratioNames.map((name) => quotient(each.ratios[name])),
    ]),
  ];
  const widths = lines[0].map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  return lines
    .map((line) =>
      line
        .map((cell, i) => (i < 2 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
