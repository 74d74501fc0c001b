/** `wasyncore new` and `wasyncore build` as a user has them: the package, packed and installed into an empty project. */

import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RunCommand } from "../guest/command.js";
import { BUILD_TIMEOUT_MS } from "../assembly/programs.js";
import { importsOf } from "../assembly/scripted-host.js";
import { leaveOut, missingLinux } from "../support/missing.js";
import { Peer } from "../support/peers.js";
import { requireBuild, ROOT, start } from "../support/processes.js";

const notLinux = leaveOut("What the command says of a full disk and of /proc", missingLinux());
const command = promisify(execFile);
const MAIN = join(ROOT, "dist/cli/main.js");

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

let directory = "";

/** Runs a command in a directory. */
async function run(cwd: string, file: string, ...parameters: string[]): Promise<Ended> {
  try {
    return { code: 0, ...(await command(file, parameters, { cwd })) };
  } catch (error) {
    const { code, stdout, stderr } = error as Ended;
    return { code, stdout, stderr };
  }
}

function wasyncore(...parameters: string[]): Promise<Ended> {
  return run(directory, process.execPath, MAIN, ...parameters);
}

function write(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

beforeAll(() => {
  requireBuild("dist/cli/main.js");
  requireBuild("dist/index.js");
  requireBuild("build/engine.wasm");
  directory = mkdtempSync(join(tmpdir(), "wasyncore-command-"));
});

afterAll(() => {
  rmSync(directory, { recursive: true, force: true });
});

/** A package that this one is built with, in the same version. */
function own(name: string): string {
  const { version } = JSON.parse(readFileSync(join(ROOT, "node_modules", name, "package.json"), "utf8")) as {
    version: string;
  };
  return `${name}@${version}`;
}

test(
  "a new project builds, passes tsc, and serves: as a module, and on Node",
  async () => {
    const made = await wasyncore("new", "my server");
    expect(made).toMatchObject({ code: 0, stderr: "" });
    const project = join(directory, "my server");
    const pack = await run(ROOT, "npm", "pack", "--ignore-scripts", "--json", "--pack-destination", directory);
    const [packed] = JSON.parse(pack.stdout) as { filename: string }[];
    const packages = [
      join(directory, packed?.filename ?? ""),
      ...["assemblyscript", "typescript", "@types/node"].map(own),
    ];
    await command("npm", ["install", "--prefer-offline", "--no-audit", "--no-fund", ...packages], { cwd: project });
    await command("npm", ["run", "build"], { cwd: project });
    expect(existsSync(join(project, "server.wasm"))).toBe(true);
    const server = new RunCommand(["server.wasm", "--listen", "127.0.0.1:0"], project);
    await expectEcho(await server.port());

    expect(await run(project, "npm", "run", "--silent", "check")).toEqual({ code: 0, stdout: "", stderr: "" });
    expect(await run(project, "npx", "tsc")).toMatchObject({ code: 0, stdout: "" });
    const onNode = start("sh", ["-c", 'LISTEN=127.0.0.1:0 exec "$0" build/server.js 2>&1', process.execPath], project);
    const [, port] = await onNode.line(/^listening on 127\.0\.0\.1:(\d+)$/);
    await expectEcho(Number(port));

    write(
      "my server/server.ts",
      `${readFileSync(join(project, "server.ts"), "utf8")}const whole: i32 = "1";\ntakeListener(1);\nnothingOfThatName();\n`,
    );
    const checked = await run(project, "npm", "run", "--silent", "check");
    expect(checked.code).not.toBe(0);
    expect(checked.stdout.match(/error TS\d+/g)).toEqual(["error TS2322", "error TS2345", "error TS2304"]);
  },
  2 * BUILD_TIMEOUT_MS,
);

async function expectEcho(port: number): Promise<void> {
  const peer = await Peer.connect(port);
  peer.write("hello");
  expect(String(await peer.atLeast(5))).toBe("hello");
}

describe("new", () => {
  test("refuses a directory that is not empty, and leaves it alone", async () => {
    mkdirSync(join(directory, "full"));
    write("full/mine", "mine");
    expect(await wasyncore("new", "full")).toEqual({
      code: 1,
      stdout: "",
      stderr: "wasyncore new: full is not empty\n",
    });
    expect(readFileSync(join(directory, "full/mine"), "utf8")).toBe("mine");
    expect(existsSync(join(directory, "full/package.json"))).toBe(false);
  });

  test.each([[], [""], ["a", "b"]])("takes one directory, and not %j, %j", async (...names) => {
    expect(await wasyncore("new", ...names)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("it takes one directory"),
    });
  });

  test("makes the directories that it is in, and says where it cannot make one", async () => {
    expect(await wasyncore("new", "one/two/three")).toMatchObject({ code: 0, stderr: "" });
    expect(existsSync(join(directory, "one/two/three/server.ts"))).toBe(true);
    const file = write("a-file", "");
    for (const name of ["a-file", "a-file/project"]) {
      expect(await wasyncore("new", name)).toEqual({
        code: 1,
        stdout: "",
        stderr: `wasyncore new: ${file} is a file\n`,
      });
    }
  });

  test.skipIf(notLinux !== "")("ends where the file system takes no directory", async () => {
    expect(await wasyncore("new", "/proc/project")).toMatchObject({
      code: 1,
      stderr: "wasyncore new: cannot make /proc/project: there is no such directory\n",
    });
  });
});

describe("build", () => {
  test(
    "the echo guest has less than 20,000 bytes, imports standard calls alone, and exports what hosts look for",
    async () => {
      const out = join(directory, "echo.wasm");
      expect((await wasyncore("build", join(ROOT, "examples/portable/echo-guest.ts"), "-o", out)).stderr).toBe("");
      expect(statSync(out).size).toBeLessThan(20_000);
      for (const name of importsOf(readFileSync(out)))
        expect(name).toMatch(/^wasi_snapshot_preview1\.(?!sock_(open|bind|listen|connect))/);
      expect(exportsOf(readFileSync(out))).toEqual(["_start", "memory", "pending", "turn"]);
    },
    BUILD_TIMEOUT_MS,
  );

  test(
    "shows the compiler's errors with file, line and column, and status 1",
    async () => {
      write("wrong.ts", `import { Dispatcher } from "wasyncore";\nnew Dispatcher().recv("8192");\n`);
      const { code, stdout, stderr } = await wasyncore("build", "wrong.ts");
      expect([code, stdout]).toEqual([1, ""]);
      expect(stderr).toMatch(/wrong\.ts\(2,23\)[\s\S]*\nwrong\.ts was not built\n$/);
      expect(existsSync(join(directory, "wrong.wasm"))).toBe(false);
    },
    BUILD_TIMEOUT_MS,
  );

  test(
    "takes type imports and paths that end with .js, and errors keep their columns",
    async () => {
      write("part.ts", "export class Part { size: i32 = 3; }\nexport class Other {}\n");
      write(
        "whole.ts",
        `import type { Other } from "./part.js";\nimport { type Part, Part as P } from "./part.js"; new P().tall;\n`,
      );
      const { stderr } = await wasyncore("build", "whole.ts");
      expect(stderr).toContain("whole.ts(2,59)");
    },
    BUILD_TIMEOUT_MS,
  );

  test("says what is wrong with its command line, and status 2", async () => {
    expect(await wasyncore("build")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("which program is to be built?"),
    });
    expect(await wasyncore("build", "a.js")).toMatchObject({ code: 2, stderr: expect.stringContaining("a.js") });
    expect(await wasyncore("build", "a.ts", "b.ts")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("b.ts"),
    });
    expect(await wasyncore("build", "a.ts", "--profile", "x")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("preview1+sockets"),
    });
    expect(await wasyncore("build", "a.ts", "--nonsense")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("--nonsense"),
    });
    expect(await wasyncore("build", "a.ts", "-o", "")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("--out: which file?"),
    });
  });

  test("a program that is not there, or a module that cannot be written, is an error with status 1", async () => {
    expect(await wasyncore("build", "none.ts")).toMatchObject({ code: 1, stderr: expect.stringContaining("none.ts") });
  });
});

describe("the command", () => {
  test.skipIf(notLinux !== "")("says what it could not write, with status 1", async () => {
    for (const parameters of [["--version"], ["run", "--help"]]) {
      const script = '"$0" "$@" >/dev/full';
      expect(await run(directory, "sh", "-c", script, process.execPath, MAIN, ...parameters)).toEqual({
        code: 1,
        stdout: "",
        stderr: "wasyncore: cannot write to the standard output: no space is left (ENOSPC)\n",
      });
    }
  });

  test("prints its help and its version, and refuses what it does not know", async () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { version: string };
    expect(await wasyncore("--version")).toEqual({ code: 0, stdout: `${version}\n`, stderr: "" });
    expect(await wasyncore("--help")).toMatchObject({ code: 0, stdout: expect.stringContaining("build APP.TS") });
    for (const name of ["new", "build", "run"]) {
      expect(await wasyncore(name, "--help")).toMatchObject({
        code: 0,
        stdout: expect.stringContaining(`wasyncore ${name}`),
        stderr: "",
      });
    }
    expect(await wasyncore("nonsense")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("nonsense: no such command; there are new, build,"),
    });
    expect(await wasyncore("record", "a.wasm")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(
        'WASYNCORE_RECORD=RUN.WREC records a program, and "wasyncore run --record RUN.WREC"',
      ),
    });
    expect(await wasyncore()).toMatchObject({ code: 2, stderr: expect.stringContaining("which command?") });
  });

  test.each(["new", "build", "run", "serve", "ctl", "view", "replay", "top"])(
    "%s says what option it does not know, and does not advise to write it after --",
    async (name) => {
      const { code, stderr } = await wasyncore(name, "--nothing");
      expect(code).toBe(2);
      expect(stderr).toMatch(/^wasyncore.*: Unknown option '--nothing'\n.*Try "wasyncore .*--help"\.\n$/);
    },
  );

  test("build names the profile that has an option", async () => {
    for (const option of ["--watch", "--minify"]) {
      expect(await wasyncore("build", "a.ts", "--profile", "component", option)).toMatchObject({
        code: 2,
        stderr: expect.stringContaining(`${option} is for --profile typescript\n`),
      });
    }
  });
});

/** The part of the global that is used here: TypeScript declares it only together with the DOM. */
declare const WebAssembly: { Module: { new (bytes: Uint8Array): object; exports(module: object): { name: string }[] } };

function exportsOf(module: Uint8Array): string[] {
  return WebAssembly.Module.exports(new WebAssembly.Module(module))
    .map(({ name }) => name)
    .toSorted();
}
