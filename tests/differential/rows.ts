/** Owns the tests that every table of differences passes. Knows tables and scenarios; plays nothing. */

import { describe, expect, test } from "vitest";
import { type Difference, isOf, type NotPlayed } from "./differences.js";
import type { Poller, Scenario } from "./scenario.js";

/** @param page where the table is */
export function testRows(
  page: string,
  { rows, notPlayed }: { readonly rows: readonly Difference[]; readonly notPlayed: readonly NotPlayed[] },
  scenarios: readonly Scenario[],
  isPlayed: (scenario: Scenario, poller: Poller) => boolean,
): void {
  describe(`a row of ${page}`, () => {
    test("is of a scenario that is played", () => {
      const isOfPlayed = ({ id, poller }: Difference): boolean =>
        scenarios.some((scenario) => scenario.id === id && isPlayed(scenario, poller));
      expect(rows.filter((row) => !isOfPlayed(row))).toEqual([]);
    });

    test("that says what is not played names a scenario", () => {
      expect(notPlayed.filter((row) => !scenarios.some(({ id }) => isOf(id, row.id)))).toEqual([]);
    });

    test("has a reason", () => {
      expect([...rows, ...notPlayed].filter(({ reason }) => reason.trim() === "")).toEqual([]);
    });

    test("is the only one of its step", () => {
      const steps = rows.map(({ id, poller, index }) => `${id} ${poller} ${index + 1}`);
      expect(steps.filter((step, index) => steps.indexOf(step) !== index)).toEqual([]);
    });
  });
}
