/** `setEngine`: what it takes, what it refuses, and that maps run on what it was given. */

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { afterEach, describe, expect, test } from "vitest";
import { ChannelMap, LoopError, loopSync, setEngine } from "wasyncore";
import { ROOT } from "../support/processes.js";

/** TypeScript declares it only together with the DOM. */
declare const WebAssembly: { Module: new (bytes: Uint8Array) => object };

const PATH = `${ROOT}build/engine.wasm`;
const bytes = readFileSync(PATH);

afterEach(() => setEngine(bytes));

/** The error that a call throws. */
function errorOf(source: unknown): { name: string; code: string; message: string } {
  try {
    setEngine(source as object);
  } catch (error) {
    const { name, message, code } = error as Error & { code: string };
    return { name, code, message };
  }
  throw new Error("no error");
}

describe("a map runs on the engine that was given", () => {
  test.each([
    ["as a Buffer", bytes],
    ["as a Uint8Array", new Uint8Array(bytes)],
    ["as an ArrayBuffer", new Uint8Array(bytes).buffer],
    ["as a compiled module", new WebAssembly.Module(bytes)],
    ["by the URL of a file", pathToFileURL(PATH)],
    ["by a data: URL", new URL(`data:application/wasm;base64,${bytes.toString("base64")}`)],
  ])("%s", (_how, source) => {
    setEngine(source);
    const map = new ChannelMap();
    let fired = 0;
    map.callLater(0, () => fired++);
    loopSync({ map });
    expect(fired).toBe(1);
  });
});

test("an engine of another kind is refused, and the one before it stays", () => {
  const empty = new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
  const { name, code, message } = errorOf(empty);
  expect({ name, code }).toEqual({ name: "LoopError", code: "ERR_ENGINE" });
  expect(message).toMatch(/not the engine\.wasm of this version of wasyncore: it does not export memory, channelAdd, /);
  const map = new ChannelMap();
  map.callLater(0, () => undefined);
  loopSync({ map });
});

test("bytes that are no module are refused with the reason", () => {
  expect(errorOf(Buffer.from("<html>"))).toMatchObject({ code: "ERR_ENGINE" });
  expect(errorOf(Buffer.from("<html>")).message).toMatch(/^this is not engine\.wasm: .*magic/);
  expect(() => setEngine(new Uint8Array(0))).toThrow(LoopError);
});

test("a path is refused with the way to make a URL of it, and so is a URL that has to be fetched", () => {
  expect(errorOf(PATH)).toMatchObject({ name: "TypeError", code: "ERR_INVALID_ARG_TYPE" });
  expect(errorOf(PATH).message).toContain("pathToFileURL(path)");
  const remote = errorOf(new URL("https://host.invalid/engine.wasm"));
  expect(remote).toMatchObject({ name: "RangeError", code: "ERR_OUT_OF_RANGE" });
  expect(remote.message).toContain("fetch others, and pass the bytes");
});
