/** What "wasyncore/guest" is on Node, apart from listening sockets: the names that guests have, and what they mean here. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { closeAll, Dispatcher, ExitNow, loop, loopSync, socketMap } from "wasyncore";
import * as program from "../../host/portable/index.js";
import { ROOT } from "../support/processes.js";
import { bytes, connectedPair } from "../support/sockets.js";

afterEach(() => {
  vi.unstubAllEnvs();
  closeAll();
});

test("has the names that a guest imports, no more and no fewer", () => {
  const source = readFileSync(join(ROOT, "assembly/guest/index.ts"), "utf8");
  const names = [...source.matchAll(/^export \{ (.*) \}/gm)].flatMap(([, list = ""]) => list.split(", "));
  // Those that the build puts in place of `abort`, `console` and the like are no program's to import.
  const imported = names.filter((name) => !name.startsWith("guest"));
  expect(Object.keys(program).toSorted()).toEqual(imported.toSorted());
});

test("environmentVariable gives the value, or null", () => {
  vi.stubEnv("WASYNCORE_TEST", "value");
  expect(program.environmentVariable("WASYNCORE_TEST")).toBe("value");
  vi.stubEnv("WASYNCORE_TEST", undefined);
  expect(program.environmentVariable("WASYNCORE_TEST")).toBeNull();
  expect(() => program.environmentVariable(5 as unknown as string)).toThrow(TypeError);
});

test("programArguments begin with the program", () => {
  expect(program.programArguments()).toEqual(process.argv.slice(1));
});

test("no error waits to be taken: on Node it was thrown", () => {
  const dispatcher = new Dispatcher();
  expect(() => dispatcher.listen(1)).toThrow(expect.objectContaining({ code: "EBADF" }));
  expect(program.takeError()).toBeNull();
});

test.each([
  ["loop", loop],
  ["loopSync", async () => loopSync()],
])("exitNow leaves %s, which tells", async (_name, run) => {
  socketMap.callLater(0, program.exitNow);
  await expect(run()).rejects.toThrow(ExitNow);
});

test("pending counts channels and timers", () => {
  expect(program.pending()).toBe(0);
  socketMap.callLater(1e6, () => undefined);
  new Dispatcher(connectedPair()[0]);
  expect(program.pending()).toBe(2);
});

test("turn takes one turn, and tells how many channels were ready", () => {
  const pairs = [connectedPair(), connectedPair(), connectedPair()];
  const read: string[] = [];
  class Reader extends Dispatcher {
    override handleRead(): void {
      read.push(String(this.recv(100)));
    }
  }
  for (const [accepted] of pairs) new Reader(accepted);
  expect(program.turn(0)).toBe(0);
  for (const [, connected] of pairs.slice(1)) connected.send(bytes("x"));
  expect([program.turn(1e9), read.length]).toEqual([2, 2]);
  expect(program.turn(-1)).toBe(0);
});
