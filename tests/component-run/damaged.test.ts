/** Components that are damaged, or were made to harm: each is refused in a sentence, before it takes up time or memory. */

import { expect, onTestFinished, describe, test } from "vitest";
import { PluginHost } from "wasyncore/plugin";
import { missing, wasmTools } from "../assembly/component-support.js";
import { component, runHere } from "./support.js";

const HEADER = [0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0];
const FORMAT = { code: "ERR_GUEST_FORMAT" };

async function outcome(bytes: Uint8Array): Promise<unknown> {
  try {
    return await runHere(bytes);
  } catch (error) {
    return error;
  }
}

test("that claims to have four thousand million types is refused", async () => {
  const TYPES = 7;
  expect(await outcome(Uint8Array.from([...HEADER, TYPES, 5, 0xff, 0xff, 0xff, 0xff, 0x0f]))).toMatchObject({
    ...FORMAT,
    message: "the component ends in the middle, or is damaged",
  });
});

test.each<readonly [what: string, message: string, section: number, contents: Uint8Array]>([
  [
    "more types than it may",
    "the component has more than 100000 definitions in its bytes",
    7,
    Buffer.concat([Uint8Array.of(0xa1, 0x8d, 0x06), Buffer.alloc(100_001, 0x7f)]),
  ],
  [
    "a longer name than it may",
    "the component has a name of 100001 bytes",
    10,
    Buffer.concat([Uint8Array.of(1, 0, 0xa1, 0x8d, 0x06), Buffer.alloc(100_001, "n"), Uint8Array.of(1, 0)]),
  ],
])("that has %s is refused, whatever the host would make of it", async (_what, message, section, contents) => {
  const { length } = contents;
  const size = [(length & 0x7f) | 0x80, ((length >> 7) & 0x7f) | 0x80, length >> 14];
  expect(await outcome(Uint8Array.from([...HEADER, section, ...size, ...contents]))).toMatchObject({
    ...FORMAT,
    message,
  });
});

test("that has more core modules than it may is refused: each that is compiled takes a mapping of the process", async () => {
  const MODULE = [1, 8, 0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
  const of = (count: number): Uint8Array => Uint8Array.from([...HEADER, ...Array(count).fill(MODULE).flat()]);
  expect(await outcome(of(201))).toMatchObject({ ...FORMAT, message: "the component has more than 200 core modules" });
  expect(await outcome(of(200))).toMatchObject({ code: "ERR_GUEST_EXPORTS" });
});

describe.skipIf(missing !== "")("a component", () => {
  const parsed = async (text: string): Promise<Uint8Array> => (await wasmTools()).parse(`(component ${text})`);

  test("whose instances multiply is refused", async () => {
    let text = `(core module $m) (core instance (instantiate $m))`;
    for (let depth = 0; depth < 12; depth++)
      text = `(component $c ${text}) ${"(instance (instantiate $c))".repeat(20)}`;
    expect(await outcome(await parsed(text))).toMatchObject({
      ...FORMAT,
      message: "the component has more than 1000 instances",
    });
    expect(await outcome(await parsed(text.replace("(core instance (instantiate $m))", "")))).toMatchObject({
      ...FORMAT,
      message: "the component has more than 1000000 definitions",
    });
  });

  test.each([
    [
      "an instance that is a component",
      `(component $c) (component $d (import "i" (instance $i)) (alias export $i "f" (func)))
        (instance (instantiate $d (with "i" (component $c))))`,
      "the component has no instance i",
    ],
    [
      "a function that is an instance",
      `(component $c) (instance $e (instantiate $c)) (instance $i (export "f" (instance $e))) (alias export $i "f" (func))`,
      "the component has no func f",
    ],
    [
      "a function that is a memory",
      `(core module $m (memory (export "f") 1)) (core instance $i (instantiate $m))
        (alias core export $i "f" (core func $f)) (func (canon lift (core func $f)))`,
      "its modules have no core func f",
    ],
    [
      "a memory that is a table",
      `(core module $m (table (export "f") 1 funcref)) (core instance $i (instantiate $m))
        (alias core export $i "f" (core memory $f))`,
      "its modules have no core memory f",
    ],
    [
      "a memory that threads share",
      `(core module $m (memory (export "f") 1 1 shared)) (core instance $i (instantiate $m))
        (alias core export $i "f" (core memory $f))`,
      "its modules have no core memory f",
    ],
    [
      "a run that is no function",
      `(instance $r) (export "wasi:cli/run@0.2.0" (instance $r))`,
      "it exports no wasi:cli/run",
    ],
    [
      "a run that is the host's",
      `(import "wasi:cli/run@0.2.0" (instance $i)) (export "wasi:cli/run@0.2.0" (instance $i))`,
      "it imports what is not there",
    ],
  ])("with %s is refused", async (_name, text, message) => {
    expect(await outcome(await parsed(text))).toMatchObject({
      name: "GuestError",
      message: expect.stringContaining(message) as string,
    });
  });

  test("that is cut off, or has a bit turned, is refused in a sentence, or ends", async () => {
    const whole = await component(["network", "drop-network"], `(call $drop-network (call $network)) (i32.const 0)`);
    const internal: unknown[] = [];
    const attempt = async (bytes: Uint8Array): Promise<void> => {
      const ended = await outcome(bytes);
      const isKnown = typeof ended === "number" || ["GuestError", "GuestTrap"].includes((ended as Error).name);
      if (!isKnown || (ended as Error).cause instanceof TypeError) internal.push(ended);
    };
    for (let at = 0; at < whole.length; at += 3) await attempt(whole.slice(0, at));
    for (let at = 0; at < whole.length; at++) {
      const bytes = whole.slice();
      bytes[at] = (bytes[at] ?? 0) ^ (1 << (at % 8));
      await attempt(bytes);
    }
    expect(internal).toEqual([]);
  });

  test("shares the memory that is allowed among its modules, by what their memories begin with", async () => {
    const host = new PluginHost();
    onTestFinished(() => host.close());
    const grow = `(loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))`;
    const component = (first: number): Promise<Uint8Array> =>
      parsed(`
        (core module $one (memory 3) (func (export "grown") (result i32) ${grow} (memory.size)))
        (core module $bounded (memory 1 2))
        (core module $none)
        (core module $command
          (import "one" "grown" (func $grown (result i32)))
          (memory 1)
          (func (export "run") (result i32)
            ${grow}
            (i32.or (i32.ne (call $grown) (i32.const ${first})) (i32.ne (memory.size) (i32.const 3)))))
        (core instance $one (instantiate $one))
        (core instance (instantiate $bounded))
        (core instance (instantiate $none))
        (core instance $command (instantiate $command (with "one" (instance $one))))
        (func $run (result (result)) (canon lift (core func $command "run")))
        (instance $exported (export "run" (func $run)))
        (export "wasi:cli/run@0.2.0" (instance $exported))`);
    // Two of 14 pages are the most that the bounded one may have; of the other 12 four are taken, and eight are shared as 3 to 1.
    const limits = { maxMemoryBytes: 14 * 65_536 };
    const options = { run: "isolated", limits, restart: "never" } as const;
    await host.start((await component(9)).slice(), { name: "as-expected", ...options });
    await expect(host.start((await component(8)).slice(), { name: "other", ...options })).rejects.toThrow(
      "exited with 1",
    );
  });

  test("has all its memories together under a policy's limit", async () => {
    const host = new PluginHost();
    onTestFinished(() => host.close());
    const limits = { maxMemoryBytes: 64 * 2 ** 20 };
    const failure = async (memories: number): Promise<unknown> => {
      const bytes = await parsed(
        `(core module $m (memory 1 256)) ${"(core instance (instantiate $m))".repeat(memories)}`,
      );
      return await host
        .start(bytes.slice(), { name: `of-${memories}`, run: "isolated", limits })
        .catch((error: unknown) => error);
    };
    expect(await failure(4)).toMatchObject({ message: expect.stringContaining("no wasi:cli/run") as string });
    expect(await failure(5)).toMatchObject({
      message: expect.stringContaining("memories that may grow to 83886080 bytes, and is allowed 67108864") as string,
    });
  });

  test("has 16 memories under a policy, however small they are", async () => {
    const host = new PluginHost();
    onTestFinished(() => host.close());
    const failure = async (memories: number): Promise<unknown> => {
      const bytes = await parsed(
        `(core module $m (memory 0 0)) ${"(core instance (instantiate $m))".repeat(memories)}`,
      );
      return await host.start(bytes.slice(), { name: `of-${memories}` }).catch((error: unknown) => error);
    };
    expect(await failure(16)).toMatchObject({ message: expect.stringContaining("no wasi:cli/run") as string });
    expect(await failure(17)).toMatchObject({
      message: expect.stringContaining("17 memories, and is allowed 16") as string,
    });
  });
});
