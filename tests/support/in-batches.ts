/**
 * Owns what makes the tests of a whole project run in batches: the default backend batches from the first ready
 * connection and its first read on. Set up by vitest.config.ts, before each file; each file has to batch, or does not
 * belong into the project.
 */

import { afterAll, expect, vi } from "vitest";
import { batchedCalls } from "../../host/node/backend.js";

vi.mock("../../host/node/default.js", async () => {
  const { createNodeBackend } = await import("../../host/node/backend.js");
  const backend = createNodeBackend({ batchMin: 1, batchAfterReads: 0 });
  return { defaultBackend: () => backend };
});

afterAll(() => {
  expect(batchedCalls(), "this file makes no call in a batch: it does not belong into the project").toBeGreaterThan(0);
});
