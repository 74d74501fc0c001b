/**
 * Owns what makes the tests of a whole project run in batches: the default backend is one that makes its calls together
 * from the first ready connection on. Set up by vitest.config.ts, before each file.
 */

import { vi } from "vitest";

vi.mock("../../host/node/default.js", async () => {
  const { createNodeBackend } = await import("../../host/node/backend.js");
  const backend = createNodeBackend({ batchMin: 1 });
  return { defaultBackend: () => backend };
});
