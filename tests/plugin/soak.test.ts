/** The soak of the plugin host in short: no request is lost by a replacement, and a trap ends no connection but its plugin's. */

import { expect, test } from "vitest";
import { leaveFileOut, missingTools } from "../support/missing.js";
import { requireBuild, start } from "../support/processes.js";
import { WAYS } from "./support.js";

const reason = process.platform === "linux" ? missingTools("cc") : "its client needs Linux";
leaveFileOut("The soak of the plugin host", reason);

const REQUESTS = 1000;
const CHANGES = 2;
const LIMIT_S = 240;

interface Soak {
  readonly replaced: number;
  readonly trapped: number;
  readonly lost: number;
  readonly forced: number;
  readonly left: readonly { readonly connections: number; readonly restarts: number }[];
  readonly figures: readonly { readonly begun: number; readonly answered: number; readonly byTraps: number }[];
}

test.each(WAYS)(
  `a plugin that runs %s is replaced and trapped ${CHANGES} times under load`,
  async (run) => {
    requireBuild("dist/plugin/index.js");
    const options = [
      "--run",
      run,
      "--requests",
      REQUESTS,
      "--replacements",
      CHANGES,
      "--traps",
      CHANGES,
      "--limit-s",
      LIMIT_S,
    ];
    const { code, stdout, stderr } = await start(process.execPath, ["bench/plugins/soak.mjs", ...options.map(String)])
      .ended;
    expect([code, stderr]).toEqual([0, ""]);
    const soak = JSON.parse(stdout) as Soak;
    expect(soak).toMatchObject({ replaced: CHANGES, trapped: CHANGES, lost: 0, forced: 0 });
    expect(soak.left).toMatchObject([{ connections: 0 }, { connections: 0, restarts: 0 }]);
    for (const { begun, answered, byTraps } of soak.figures) expect(answered + byTraps).toBe(begun);
  },
  300_000,
);
