/**
 * Owns what makes the tests of a whole project run in a simulated world: the default backend is that of a host in one.
 * The world runs by itself while a loop waits in it. Set up by vitest.config.ts, before each file; each file has to take
 * turns in the world, or does not belong into the project. Files that share a process share its world.
 */

import { afterAll, expect, vi } from "vitest";
import type { SimWorld } from "../../host/sim/index.js";

// This module is loaded for each file anew, the one that is mocked once.
const { world } = vi.hoisted(() => {
  const process = globalThis as { wasyncoreTestWorld?: { made?: SimWorld } };
  return { world: (process.wasyncoreTestWorld ??= {}) };
});
const startMs = world.made?.nowMs ?? 0;

vi.mock("../../host/node/default.js", async () => {
  const { SimWorld } = await import("../../host/sim/index.js");
  const made = new SimWorld();
  world.made = made;
  const { backend } = made.host("10.0.0.1");
  const { turnTaker, ...clock } = backend.clock;
  if (turnTaker === undefined) throw new Error("a simulated host takes turns by itself");
  let isRunning = false;

  /** Runs the world while a loop waits; the rest of the process goes on between its turns. */
  async function run(): Promise<void> {
    if (isRunning) return;
    isRunning = true;
    try {
      while (made.loops > 0) {
        await new Promise((resolve) => setImmediate(resolve));
        await made.run({ turns: 1, until: () => made.loops === 0 });
      }
    } finally {
      isRunning = false;
    }
  }

  const taking: typeof turnTaker = {
    take(turns, signal) {
      const taken = turnTaker.take(turns, signal);
      void run();
      return taken;
    },
  };
  const simulated = { ...backend, clock: { ...clock, turnTaker: taking } };
  return { defaultBackend: () => simulated };
});

afterAll(() => {
  expect(
    (world.made?.nowMs ?? 0) - startMs,
    "no time passes in the world: this file does not belong into the project",
  ).toBeGreaterThan(0);
});
