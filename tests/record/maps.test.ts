/** A map that is recorded by its option, and loops, which have none. */

import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, expect, onTestFinished, test } from "vitest";
import { ChannelMap, loop, loopSync, poll } from "../../host/index.js";
import { RecordingReader, sourceOf } from "../../host/record/reader.js";
import { requireBuild, ROOT } from "../support/processes.js";

const CLI = `${ROOT}dist/cli/main.js`;

beforeAll(() => requireBuild("dist/record/index.js"));

/** Runs Node with a deadline. */
function run(cwd: string, ...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, args, { cwd, timeout: 60_000 }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr }),
    );
  });
}

/** A program that talks to itself in a map that is recorded. */
function program(shout: boolean, before = ""): string {
  return `
import { ChannelMap, DispatcherWithSend, loop, Socket } from ${JSON.stringify(`${ROOT}dist/index.js`)};
const map = new ChannelMap({ record: "run.wrec" });
${before}
const [near, far] = Socket.pair("stream", (map.now(), map.recorder?.backend));
class Echo extends DispatcherWithSend {
  handleRead() { const data = this.recv(100); if (data.length > 0) this.send(data); }
  handleClose() { this.close(); }
}
class Client extends DispatcherWithSend {
  handleRead() { console.log(String(Buffer.from(this.recv(100)))); this.close(); }
}
new Echo(far, map);
new Client(near, map).send(Buffer.from(${JSON.stringify(shout ? "HELLO" : "hello")}));
await loop({ map });
console.log(map.recorder?.failure, map.recorder === undefined);
`;
}

function directory(source: string): string {
  const made = mkdtempSync(join(tmpdir(), "recorded-map-"));
  onTestFinished(() => rmSync(made, { recursive: true }));
  writeFileSync(join(made, "program.mjs"), source);
  return made;
}

test("a map is recorded from its first use on, and replayed by the same program, which does not change the file", async () => {
  const cwd = directory(program(false));
  expect(await run(cwd, "program.mjs")).toEqual({ code: 0, stdout: "hello\nundefined false\n", stderr: "" });
  const recording = readFileSync(join(cwd, "run.wrec"));
  const reader = new RecordingReader(sourceOf(recording));
  let records = 0;
  while (reader.next()) records += 1;
  expect(reader.ending).toBe("whole");
  expect(records).toBeGreaterThan(10);

  const replay = [CLI, "replay", "run.wrec", "--", process.execPath, "program.mjs"];
  const same = await run(cwd, ...replay);
  expect(same).toMatchObject({ code: 0, stdout: "hello\nundefined true\n" });
  expect(same.stderr).toMatch(/no difference\n$/);
  expect(readFileSync(join(cwd, "run.wrec")).equals(recording)).toBe(true);

  writeFileSync(join(cwd, "program.mjs"), program(true));
  const changed = await run(cwd, ...replay);
  expect(changed.code).toBe(1);
  expect(changed.stderr).toContain('"HELLO"');
  expect(readFileSync(join(cwd, "run.wrec")).equals(recording)).toBe(true);
});

test("a map that is not used makes no file, and one whose file cannot be made says so at its first use", async () => {
  const cwd = directory(program(false, "process.exit(0);"));
  expect((await run(cwd, "program.mjs")).code).toBe(0);
  expect(() => readFileSync(join(cwd, "run.wrec"))).toThrow("ENOENT");
  const map = new ChannelMap({ record: join(cwd, "missing", "run.wrec") });
  expect(map.recorder).toBeUndefined();
  expect(() => map.now()).toThrow("ENOENT");
  expect(() => new ChannelMap({ record: 7 as unknown as string })).toThrow(TypeError);
});

test("loops refuse the option, and name what has it", async () => {
  const options = { record: "run.wrec" } as object;
  const refused = expect.objectContaining({
    code: "ERR_UNKNOWN_OPTION",
    message: expect.stringContaining("new ChannelMap({ record: path })") as string,
  }) as Error;
  expect(() => loopSync(options)).toThrow(refused);
  expect(() => poll(options)).toThrow(refused);
  await expect(loop(options)).rejects.toEqual(refused);
});
