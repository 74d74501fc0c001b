/** A plugin that computes for long does so at a lower priority, and gets its own again when its turn is over. */

import { readdirSync } from "node:fs";
import { getPriority } from "node:os";
import { expect, test } from "vitest";
import { mayRaiseAgain, ThreadPriority } from "../../host/plugin/thread-priority.js";
import { threadNumber } from "../../host/plugin/thread-cpu.js";
import { BUILD_TIMEOUT_MS } from "../assembly/programs.js";
import { eventually } from "../support/descriptors.js";
import { leaveFileOut, missingLinux } from "../support/missing.js";
import { buildPlugin, Client, createHost, portOf } from "./support.js";

leaveFileOut("The priority of plugins", missingLinux());

const usual = getPriority();
/** Without the privilege it stays what it is. */
const lowered = mayRaiseAgain() ? Math.min(usual + 15, 19) : usual;

/** How many threads of this process have another priority than it has. */
function loweredThreads(): number {
  return readdirSync("/proc/self/task").filter((thread) => {
    try {
      return getPriority(Number(thread)) !== usual;
    } catch {
      return false;
    }
  }).length;
}

test("a thread's priority is lowered once, and restored", () => {
  const thread = threadNumber();
  const priority = new ThreadPriority(() => thread);
  priority.lower();
  priority.lower();
  expect(getPriority(thread)).toBe(lowered);
  priority.restore();
  expect(getPriority(thread)).toBe(usual);
  priority.restore();
  expect(getPriority(thread)).toBe(usual);
});

test("a thread that is not known, or has ended, is left alone", () => {
  for (const thread of [0, 2 ** 30]) {
    const priority = new ThreadPriority(() => thread);
    priority.lower();
    priority.restore();
  }
  expect(loweredThreads()).toBe(0);
});

test(
  "a plugin has a lower priority in a long turn, and its own in the next",
  async () => {
    const { host } = createHost();
    await host.start(await buildPlugin("first"), {
      name: "busy",
      listen: ["127.0.0.1:0"],
      limits: { cpuMsPerTurn: "unlimited" },
    });
    const client = await Client.connect(portOf(host, "busy"));
    const answer = client.ask("compute");
    await eventually(loweredThreads, lowered === usual ? 0 : 1);
    expect(await answer).toMatch(/^\d+$/);
    await eventually(loweredThreads, 0);
    expect(await client.ask("hello")).toBe("hello");
  },
  BUILD_TIMEOUT_MS,
);
