// Owns what the figures become: medians, spreads, and quotients taken round by round. Knows no process and no output.

const median = (values) => {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};

const spread = (values) => ({ median: median(values), min: Math.min(...values), max: Math.max(...values) });

const COMPARE = { ratio: (value, base) => value / base, difference: (value, base) => value - base };

const FIELDS = ["unitsPerSecond", "latencyP50Us", "latencyP99Us", "cpuShare", "systemShare", "cpuMs"];

/**
 * Round by round: what disturbs the machine for a while disturbs both sides of a quotient. A round that one of the two
 * lacks, because a measurement failed, is left out.
 */
function compare(workload, rounds, base) {
  const how = COMPARE[workload.against];
  if (how === undefined || base === undefined) return undefined;
  const { figure } = workload;
  const values = rounds.flatMap((round, i) =>
    round === null || !base[i] ? [] : [how(round[figure], base[i][figure])],
  );
  return values.length === 0 ? undefined : spread(values);
}

/** What the rounds of one peer come to. */
function summarizePeer(workload, rounds, base) {
  const present = rounds.filter((round) => round !== null);
  if (present.length === 0) return undefined;
  // A short round may lack some: shares, where no tick of the clock of CPU time fell into it.
  const medians = Object.fromEntries(
    FIELDS.flatMap((field) => {
      const values = present.map((round) => round[field]).filter((value) => value !== undefined);
      return values.length === 0 ? [] : [[field, median(values)]];
    }),
  );
  return {
    value: spread(present.map((round) => round[workload.figure])),
    compared: compare(workload, rounds, base),
    ...medians,
  };
}

/**
 * @param workload a row of the table of workloads
 * @param measured by peer: what each round measured, null where it failed
 * @returns what is known of the workload, and by peer its figures: `value`, `compared` to the baseline, and others
 */
export function summarize(workload, measured) {
  const { name, title, group, unit, baseline, figure, label, unitOfFigure, against } = workload;
  const base = measured[baseline];
  const peers = Object.fromEntries(
    Object.entries(measured).flatMap(([peer, rounds]) => {
      const summary = summarizePeer(workload, rounds, peer === baseline ? undefined : base);
      return summary === undefined ? [] : [[peer, { ...summary, rounds }]];
    }),
  );
  return { name, title, group, unit, baseline, figure, label, unitOfFigure, against, peers };
}
