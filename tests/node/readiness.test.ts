/** How long the operating system is asked to wait. */

import { describe, expect, test } from "vitest";
import { timeoutOf } from "../../host/node/readiness.js";

describe("a timeout", () => {
  test.each([
    [0, 0],
    [-5, 0],
    [0.0009, 0],
    [0.001, 1],
    [1, 1],
    [1.0001, 2],
    [2 ** 31 - 1, 2 ** 31 - 1],
    [2 ** 40, 2 ** 31 - 1],
    [Infinity, -1],
  ])("of %d ms is %d to the operating system", (timeoutMs, given) => {
    expect(timeoutOf(timeoutMs)).toBe(given);
  });
});
