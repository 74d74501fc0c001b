/** Reactors that wait in the middle of a turn, as one does that calls loop(): refused at once, with what to do instead. */

import { describe, expect, test } from "vitest";
import { driveGuest } from "wasyncore";
import { BUILD_TIMEOUT_MS, buildGuest } from "../assembly/programs.js";
import { wat } from "../guest/modules.js";
import { createHost } from "./support.js";

const SOURCE = `
import { Dispatcher, loop } from "wasyncore";
import { takeListener } from "wasyncore/guest";

new Dispatcher(takeListener());
loop();
`;
const REFUSED = { code: "ERR_GUEST_BLOCKING", message: expect.stringMatching(/poll_oneoff.*loop\(\)/s) as string };
/** Nothing ends them by time. */
const limits = { cpuMsPerTurn: "unlimited" } as const;

/** Its first turn asks for a wait of a millisecond, and any other so many times for one of a minute. */
function sleeper(times: number): Uint8Array {
  return wat(`(module
    (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    (global $turn (mut i32) (i32.const 0))
    (func (export "_initialize"))
    (func (export "pending") (result i32) (i32.const 1))
    (func $sleep (param i64)
      (i32.store (i32.const 16) (i32.const 1))
      (i64.store (i32.const 24) (local.get 0))
      (drop (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128))))
    (func (export "turn") (param i64) (result i32) (local $left i32)
      (global.set $turn (i32.add (global.get $turn) (i32.const 1)))
      (if (i32.eq (global.get $turn) (i32.const 1)) (then
        (call $sleep (i64.const 1000000))
        (return (i32.const 0))))
      (local.set $left (i32.const ${times}))
      (loop $l
        (call $sleep (i64.const 60000000000))
        (br_if $l (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
      (call $exit (i32.const 5))
      (i32.const 0)))`);
}

describe("a plugin that runs shared", () => {
  test("and waits within a turn is ended with the reason", async () => {
    const { host, told } = createHost();
    await host.start(sleeper(1_000_000), { name: "sleeps", run: "shared", restart: "never", limits });
    expect(await told.ending("sleeps")).toMatchObject({ kind: "failed", error: REFUSED });
  });

  test(
    "and calls loop() itself does not start",
    async () => {
      const { host } = createHost();
      const module = await buildGuest(SOURCE, "--reactor");
      const started = host.start(module, { name: "loops", run: "shared", listen: ["127.0.0.1:0"], limits });
      await expect(started).rejects.toMatchObject({ code: "ERR_PLUGIN_START", cause: REFUSED });
      expect(host.has("loops")).toBe(false);
    },
    BUILD_TIMEOUT_MS,
  );
});

test("a guest that is driven and waits within a turn ends driveGuest", async () => {
  await expect(driveGuest(sleeper(1_000_000))).rejects.toMatchObject(REFUSED);
});

test("some sleeps within a turn end at once, as before", async () => {
  expect(await driveGuest(sleeper(50))).toBe(5);
});
