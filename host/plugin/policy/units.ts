/** Owns numbers with a unit as text, on a command line and in a policy: sizes, counts, times. Knows no field. */

export type Unit = "size" | "count" | "time";

const FACTORS: Readonly<Record<Unit, Readonly<Record<string, number>>>> = {
  size: { "": 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 },
  count: { "": 1 },
  time: { "": 1, ms: 1, s: 1000, m: 60_000, h: 3_600_000 },
};

/** Of "64M" the bytes, of "1.5s" the milliseconds; undefined for what is neither a number nor one with a unit. */
export function amountOf(text: string, unit: Unit): number | undefined {
  const [, digits, suffix = ""] = /^(\d+(?:\.\d+)?)([a-z]*)$/i.exec(text) ?? [];
  const factors = FACTORS[unit];
  const factor = Object.hasOwn(factors, suffix.toLowerCase()) ? factors[suffix.toLowerCase()] : undefined;
  return digits === undefined || factor === undefined ? undefined : Number(digits) * factor;
}
