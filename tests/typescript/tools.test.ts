/**
 * `wasyncore build --profile typescript` and its tools: what it prints where one is missing, and building again with --watch.
 * A copy of the package is used that finds no tools but those of the test's project.
 */

import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { requireBuild, ROOT, Running } from "../support/processes.js";

/** esbuild looks for changes a few times a second, at some of the files each time. */
const CHANGE_LIMIT_MS = 20_000;
const INSTALL = "npm i -D esbuild@0.28 componentize-qjs@0.4.5";

/** In place of componentize-qjs: a "component" is the script that would be in it. */
const COMPONENTIZER = `
const { existsSync, readFileSync, writeFileSync } = require("node:fs");
const { dirname, join } = require("node:path");
const { setTimeout } = require("node:timers/promises");
exports.componentize = async ({ jsPath }) => {
  const component = readFileSync(join(dirname(jsPath), "script.js"));
  if (component.includes("text refused")) throw new Error("this script is refused");
  // A script that says so is not made before the test has another one written.
  if (component.includes("text held")) {
    writeFileSync("held", "");
    while (existsSync("held")) await setTimeout(10);
  }
  return { component };
};
`;

let main = "";

beforeAll(() => {
  requireBuild("dist/cli/main.js");
  const directory = mkdtempSync(join(realpathSync(tmpdir()), "wasyncore-alone-"));
  cpSync(join(ROOT, "dist"), join(directory, "dist"), { recursive: true });
  cpSync(join(ROOT, "package.json"), join(directory, "package.json"));
  const { dependencies } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { dependencies: object };
  for (const name of Object.keys(dependencies)) {
    mkdirSync(dirname(join(directory, "node_modules", name)), { recursive: true });
    symlinkSync(join(ROOT, "node_modules", name), join(directory, "node_modules", name));
  }
  main = join(directory, "dist/cli/main.js");
  return () => rmSync(directory, { recursive: true });
});

/** A directory with files of these contents; removed when the test ends. */
class Project {
  readonly directory = mkdtempSync(join(realpathSync(tmpdir()), "wasyncore-project-"));

  constructor(files: Readonly<Record<string, string>>) {
    onTestFinished(() => rmSync(this.directory, { recursive: true }));
    for (const [name, text] of Object.entries(files)) this.write(name, text);
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  write(name: string, text: string): void {
    mkdirSync(dirname(this.path(name)), { recursive: true });
    writeFileSync(this.path(name), text);
  }

  /** Installs the real esbuild. */
  withEsbuild(): this {
    mkdirSync(this.path("node_modules"), { recursive: true });
    symlinkSync(join(ROOT, "node_modules/esbuild"), this.path("node_modules/esbuild"));
    return this;
  }

  /** What is built; "" before that. */
  get built(): string {
    try {
      return readFileSync(this.path("app.wasm"), "latin1");
    } catch {
      return "";
    }
  }

  /** Starts the build, with standard error where standard output is. */
  build(...parameters: readonly string[]): Running {
    const command = [process.execPath, main, "build", "app.ts", "--profile", "typescript", ...parameters];
    const env = { ...process.env, TMPDIR: this.path("temporary") };
    mkdirSync(env.TMPDIR, { recursive: true });
    const building = new Running("sh", ["-c", 'exec "$@" 2>&1', "sh", ...command], this.directory, { env });
    // A signal that it cannot catch would leave esbuild behind, with the pipe that is read here.
    onTestFinished(async () => {
      building.child.kill("SIGTERM");
      await building.ended;
    });
    return building;
  }
}

const APP = { "app.ts": 'console.log("first");\n' };
const installed = (name: string, code: string): Readonly<Record<string, string>> => ({
  [`node_modules/${name}/package.json`]: JSON.stringify({ name, version: "1.0.0", main: "index.js" }),
  [`node_modules/${name}/index.js`]: code,
});

describe("where a tool is missing, one line says what to install, and nothing is built", () => {
  test("esbuild", async () => {
    const project = new Project({ ...APP, ...installed("componentize-qjs", COMPONENTIZER) });
    const { stdout, code } = await project.build().ended;
    expect(stdout).toBe(`wasyncore build: the profile typescript needs esbuild, which is not installed: ${INSTALL}\n`);
    expect([code, project.built]).toEqual([1, ""]);
  });

  test("componentize-qjs, also with --watch", async () => {
    const project = new Project(APP).withEsbuild();
    for (const parameters of [[], ["--watch"]]) {
      const { stdout, code } = await project.build(...parameters).ended;
      expect(stdout).toBe(
        `wasyncore build: the profile typescript needs componentize-qjs, which is not installed: ${INSTALL}\n`,
      );
      expect([code, project.built]).toEqual([1, ""]);
    }
  });

  test("a part of one that belongs to another system", async () => {
    const broken = 'throw new Error("Cannot find native binding.\\nnpm has a bug.");\n';
    const project = new Project({ ...APP, ...installed("componentize-qjs", broken) }).withEsbuild();
    const { stdout, code } = await project.build().ended;
    expect(stdout).toBe(
      `wasyncore build: componentize-qjs is installed and cannot be loaded (Cannot find native binding.): ${INSTALL}\n`,
    );
    expect([code, project.built]).toEqual([1, ""]);
  });
});

describe("with --watch", { timeout: 3 * CHANGE_LIMIT_MS }, () => {
  const files = {
    "app.ts": 'import { text } from "./text.js";\nconsole.log(text, import.meta.url);\n',
    "text.ts": 'export const text = "text first";\n',
    ...installed("componentize-qjs", COMPONENTIZER),
  };
  const builtWith = (project: Project, text: string): Promise<void> =>
    expect.poll(() => project.built, { timeout: CHANGE_LIMIT_MS }).toContain(text);

  test("a change of a file of the program is built, and so is one of a file that is imported", async () => {
    const project = new Project(files).withEsbuild();
    const building = project.build("--watch");
    await building.line(/^wasyncore build: app\.wasm is built; waiting for changes$/);
    expect(project.built).toContain("text first");
    project.write("text.ts", 'export const text = "text second";\n');
    await builtWith(project, "text second");
    project.write("app.ts", 'import { text } from "./text.js";\nconsole.log(text, import.meta.url, "text third");\n');
    await builtWith(project, "text third");
    expect(building.child.exitCode).toBeNull();
  });

  test.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)("%s ends it, and nothing of it is left", async (signal) => {
    const project = new Project(files).withEsbuild();
    const building = project.build("--watch");
    await builtWith(project, "text first");
    expect(readdirSync(project.path("temporary"))).not.toEqual([]);
    building.child.kill(signal);
    // Also esbuild, which has the same standard error.
    expect(await building.ended).toMatchObject({ code: null, signal });
    expect(readdirSync(project.path("temporary"))).toEqual([]);
  });

  test("errors of the program and of the tools are printed, what was built is kept, and the next change is built", async () => {
    const project = new Project(files).withEsbuild();
    const building = project.build("--watch");
    await builtWith(project, "text first");
    project.write("text.ts", "export const text = ;\n");
    await building.line(/Unexpected ";"/);
    await building.line(/text\.ts:1:20/);
    await building.line(/^app\.ts was not built$/);
    project.write("text.ts", 'export const text = "text refused";\n');
    await building.line(/^wasyncore build: no component can be made of the program: this script is refused$/);
    expect(project.built).toContain("text first");
    project.write("text.ts", 'export const text = "text mended";\n');
    await builtWith(project, "text mended");
  });

  test("a program that is not there yet is built when it comes", async () => {
    const project = new Project(files).withEsbuild();
    rmSync(project.path("app.ts"));
    const building = project.build("--watch");
    await building.line(/^app\.ts was not built$/);
    expect(project.built).toBe("");
    project.write("app.ts", files["app.ts"]);
    await builtWith(project, "text first");
  });

  test("a change that comes while a component is made is built after it", async () => {
    const project = new Project({ ...files, "text.ts": 'export const text = "text held";\n' }).withEsbuild();
    project.build("--watch");
    await expect.poll(() => existsSync(project.path("held")), { timeout: CHANGE_LIMIT_MS }).toBe(true);
    project.write("text.ts", 'export const text = "text second";\n');
    rmSync(project.path("held"));
    await builtWith(project, "text second");
  });
});
