/** Files that the commands make, where a write fails half way, as on a full disk: there is no part of one, and an earlier one stays. */

import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { writeWhole } from "../../host/cli/write-file.js";
import { wat } from "../guest/modules.js";
import { requireBuild, ROOT } from "../support/processes.js";
import { recordedRun } from "../view/support.js";

const MAIN = join(ROOT, "dist/cli/main.js");
const TOO_LARGE = "the file may not become so large (EFBIG)";
const COMPILER_LIMIT_MS = 60_000;

beforeAll(() => {
  for (const path of ["dist/cli/main.js", "dist/index.js", "build/engine.wasm"]) requireBuild(path);
});

function directory(): string {
  const made = mkdtempSync(join(tmpdir(), "half-written-"));
  onTestFinished(() => rmSync(made, { recursive: true }));
  return made;
}

/** Runs a command whose files may have `blocks` of 512 bytes: the write beyond that fails, after a part of it. */
function limited(cwd: string, blocks: number, parameters: readonly string[], env = process.env) {
  const script = `ulimit -f ${blocks} && exec "$0" "$@"`;
  const { status, stderr } = spawnSync("sh", ["-c", script, process.execPath, ...parameters], {
    cwd,
    encoding: "utf8",
    env,
  });
  return { status, stderr };
}

test("build says that it has no room for what a component is made of", () => {
  const cwd = directory();
  writeFileSync(join(cwd, "app.ts"), "console.log(1);\n");
  const { status, stderr } = limited(cwd, 1, [MAIN, "build", "app.ts", "--profile", "typescript"]);
  expect({ status, stderr }).toEqual({
    status: 1,
    stderr: `wasyncore build: cannot write into ${tmpdir()} (TMPDIR): ${TOO_LARGE}\n`,
  });
  expect(readdirSync(cwd)).toEqual(["app.ts"]);
});

describe("build", { timeout: COMPILER_LIMIT_MS }, () => {
  test("leaves no part of a module, and says so", () => {
    const cwd = directory();
    writeFileSync(join(cwd, "app.ts"), `import { loop } from "wasyncore";\nloop();\n`);
    const failed = { status: 1, stderr: `wasyncore build: cannot write app.wasm: ${TOO_LARGE}\n` };
    expect(limited(cwd, 1, [MAIN, "build", "app.ts"])).toEqual(failed);
    expect(readdirSync(cwd).toSorted()).toEqual(["app.ts"]);
  });

  test("leaves the module of an earlier build", () => {
    const cwd = directory();
    writeFileSync(join(cwd, "app.ts"), `import { loop } from "wasyncore";\nloop();\n`);
    writeFileSync(join(cwd, "app.wasm"), "earlier");
    expect(limited(cwd, 1, [MAIN, "build", "app.ts"]).status).toBe(1);
    expect(readdirSync(cwd).toSorted()).toEqual(["app.ts", "app.wasm"]);
    expect(readFileSync(join(cwd, "app.wasm"), "utf8")).toBe("earlier");
  });
});

test("view leaves no part of a page", async () => {
  const cwd = directory();
  writeFileSync(join(cwd, "run.wrec"), await recordedRun("hello", 2));
  const failed = { status: 1, stderr: `wasyncore view: cannot write run.html: ${TOO_LARGE}\n` };
  expect(limited(cwd, 1, [MAIN, "view", "run.wrec"])).toEqual(failed);
  expect(readdirSync(cwd)).toEqual(["run.wrec"]);
});

test("new leaves none of its files, and no directory that it has made", () => {
  const cwd = directory();
  const failed = { status: 1, stderr: `wasyncore new: cannot make parent/project: ${TOO_LARGE}\n` };
  expect(limited(cwd, 1, [MAIN, "new", "parent/project"])).toEqual(failed);
  expect(readdirSync(cwd)).toEqual([]);
  mkdirSync(join(cwd, "empty"));
  expect(limited(cwd, 1, [MAIN, "new", "empty"]).status).toBe(1);
  expect(readdirSync(join(cwd, "empty"))).toEqual([]);
});

describe("a recording of which nothing could be written is not left as an empty file", () => {
  test("of a guest", () => {
    const cwd = directory();
    writeFileSync(join(cwd, "a.wasm"), wat(`(memory (export "memory") 1) (func (export "_start"))`));
    const { status, stderr } = limited(cwd, 0, [MAIN, "run", "a.wasm", "--record", "run.wrec"]);
    expect(status).toBe(0);
    expect(stderr).toMatch(/the recording run\.wrec could not be written to its end: EFBIG/);
    expect(existsSync(join(cwd, "run.wrec"))).toBe(false);
  });

  test("of a program, which goes to another directory meanwhile", () => {
    const cwd = directory();
    const program = `
      import { socketMap, loop } from ${JSON.stringify(`${ROOT}dist/index.js`)};
      process.chdir("/");
      socketMap.callLater(0, () => console.error("it runs"));
      await loop();`;
    writeFileSync(join(cwd, "program.mjs"), program);
    const env = { ...process.env, WASYNCORE_RECORD: "run.wrec" };
    const { status, stderr } = limited(cwd, 0, ["program.mjs"], env);
    expect(status).toBe(0);
    expect(stderr).toContain("it runs\n");
    expect(stderr).toMatch(/EFBIG/);
    expect(readdirSync(cwd)).toEqual(["program.mjs"]);
  });
});

test("a file that is replaced keeps its mode and the link to it", () => {
  const cwd = directory();
  const [file, link] = [join(cwd, "file"), join(cwd, "link")];
  writeFileSync(file, "earlier", { mode: 0o640 });
  spawnSync("ln", ["-s", "file", link]);
  writeWhole(link, "later");
  expect(readdirSync(cwd).toSorted()).toEqual(["file", "link"]);
  expect([readFileSync(file, "utf8"), statSync(file).mode & 0o777]).toEqual(["later", 0o640]);
});
