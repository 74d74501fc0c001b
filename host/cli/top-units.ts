/** Owns how `wasyncore top` shows sizes, rates and times. */

const UNITS = ["B", "kB", "MB", "GB", "TB"] as const;

/** "1.5 MB" */
export function bytes(value: number): string {
  let unit = 0;
  let left = value;
  while (left >= 999.5 && unit < UNITS.length - 1) {
    left /= 1000;
    unit += 1;
  }
  return `${unit === 0 || left >= 99.95 ? left.toFixed(0) : left.toFixed(1)} ${UNITS[unit]}`;
}

export function count(value: number): string {
  return value >= 10 || Number.isInteger(value) ? value.toFixed(0) : value.toFixed(1);
}

/** "1d 2h", "3h 4m", "5m 6s" */
export function time(ms: number): string {
  const s = Math.floor(ms / 1000);
  if (s >= 86_400) return `${Math.floor(s / 86_400)}d ${Math.floor((s % 86_400) / 3600)}h`;
  if (s >= 3600) return `${Math.floor(s / 3600)}h ${Math.floor((s % 3600) / 60)}m`;
  return `${Math.floor(s / 60)}m ${s % 60}s`;
}
