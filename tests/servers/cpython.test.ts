/**
 * CPython 3.11's own tests of its clients, and of smtpd, against the servers that they bring along, ported from
 * asynchat to AsyncChat.
 */

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { requireBuild, ROOT } from "../support/processes.js";
import { needClients, startPython } from "./support.js";

needClients("CPython's own tests", { curl: false });

interface Expected {
  readonly tests: readonly string[];
}

const EXPECTED = JSON.parse(readFileSync(new URL("expected.json", import.meta.url), "utf8")) as Record<
  string,
  Expected
>;

/** How many of the tests talk to a ported server; the others are about the client alone. */
const SERVED: readonly [module: string, served: number][] = [
  ["test_poplib", 68],
  ["test_ftplib", 85],
  ["test_smtplib", 52],
  ["test_smtpd", 150],
];

beforeAll(() => {
  requireBuild("dist/index.js");
  const tsc = `${ROOT}node_modules/typescript/bin/tsc`;
  const { status, stdout } = spawnSync(process.execPath, [tsc, "-p", "tests/servers/tsconfig.json"], { cwd: ROOT });
  if (status !== 0) throw new Error(`the ported servers do not compile:\n${stdout.toString()}`);
});

describe("the servers of CPython's tests, ported line by line", () => {
  test.for(SERVED)("%s passes against them", { timeout: 60_000 }, async ([module, served]) => {
    const { code, stdout, stderr } = await startPython(
      "run_cpython_test.py",
      module,
      process.execPath,
      "build/servers/serve.js",
    ).ended;
    const result = /^RESULT (.*)$/m.exec(stdout)?.[1];
    if (result === undefined) throw new Error(stderr);
    const counts = JSON.parse(result) as { passed: string[]; served: number };
    console.log(stdout.replace(/^RESULT .*\n/m, ""));
    expect(
      EXPECTED[module]?.tests.filter((name) => !counts.passed.includes(name)),
      stderr,
    ).toEqual([]);
    expect(counts.served).toBe(served);
    expect(code, stderr).toBe(0);
  });
});
