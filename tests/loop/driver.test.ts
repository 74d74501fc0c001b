/** The driver of turns, whoever takes them: when it goes on, when it lets the process run, and how it ends. */

import { describe, expect, onTestFinished, test, vi } from "vitest";
import { defaultBackend, driveGuest } from "wasyncore";
import type { Turns } from "../../host/backend/backend.js";
import { Driver } from "../../host/loop/driver.js";
import { wat } from "../guest/modules.js";

/** Turns that find what a test says, one after the other, and end after the last. */
class Scripted implements Turns {
  readonly pollSet = defaultBackend().createPollSet();
  keepsAlive = true;
  readonly areSampled = false;
  onChange: (() => void) | undefined;
  readonly busyFrom: number;
  waitMs = 0;
  isWorthWaiting = true;
  isOtherReady = false;
  /** In which callback of the host's event loop each turn was taken. */
  readonly wakes: number[] = [];
  readonly #found: (number | (() => number))[];
  #wake = 0;

  constructor(busyFrom: number, ...found: (number | (() => number))[]) {
    this.busyFrom = busyFrom;
    this.#found = found;
    onTestFinished(() => this.pollSet.close());
  }

  prepare(): number | undefined {
    return this.#found.length === 0 ? undefined : this.waitMs;
  }

  beforeWait(): boolean {
    this.#wake += 1;
    return this.isWorthWaiting;
  }

  run(): number {
    this.wakes.push(this.#wake);
    const next = this.#found.shift();
    return typeof next === "function" ? next() : (next ?? 0);
  }
}

describe("the driver", () => {
  test("watches the poll set once it waits, and not for turns that follow each other without a wait", async () => {
    const watched: number[] = [];
    const turns = new Scripted(
      4,
      0,
      () => {
        watched.push(watch.mock.calls.length);
        turns.waitMs = Infinity;
        setImmediate(() => {
          watched.push(watch.mock.calls.length);
          turns.onChange?.();
        });
        return 0;
      },
      0,
    );
    const watch = vi.spyOn(turns.pollSet, "watch");
    await new Driver(turns, undefined).run();
    expect(watched).toEqual([0, 1]);
    expect(turns.wakes).toEqual([1, 2, 3]);
  });

  test.each([true, false])(
    "watches the poll set with what keeps the process alive before it: %s",
    async (keepsAlive) => {
      const referenced: boolean[] = [];
      const turns = new Scripted(
        4,
        () => {
          turns.waitMs = Infinity;
          setImmediate(() => turns.onChange?.());
          return 0;
        },
        0,
      );
      turns.keepsAlive = keepsAlive;
      vi.spyOn(turns.pollSet, "watch").mockImplementation(() => ({
        setReferenced: (on) => void referenced.push(on),
        stop: () => undefined,
      }));
      await new Driver(turns, undefined).run();
      expect(referenced).toEqual(keepsAlive ? [] : [false]);
    },
  );

  test("goes back to the host's event loop after each turn that finds less than busyFrom", async () => {
    const turns = new Scripted(4, 3, 3, 0);
    await new Driver(turns, undefined).run();
    expect(turns.wakes).toEqual([1, 2, 3]);
  });

  test("under load takes the next turn at once, until one finds nothing", async () => {
    const turns = new Scripted(4, 1, 4, 1, 1, 0, 1, -3, 0);
    await new Driver(turns, undefined).run();
    expect(turns.wakes).toEqual([1, 2, 2, 2, 2, 3, 4, 5]);
  });

  test("under load goes back to the host's event loop after a turn when something else is ready there", async () => {
    const turns = new Scripted(
      4,
      4,
      4,
      4,
      4,
      () => ((turns.isOtherReady = true), 4),
      4,
      () => ((turns.isOtherReady = false), 4),
      4,
      0,
    );
    await new Driver(turns, undefined).run();
    expect(turns.wakes).toEqual([1, 1, 1, 1, 1, 2, 3, 3, 3]);
  });

  test("lets the process run under load as well", async () => {
    let isOver = false;
    setTimeout(() => (isOver = true), 0);
    class Endless extends Scripted {
      override prepare(): number | undefined {
        return isOver ? undefined : 0;
      }
      override run(): number {
        return 1;
      }
    }
    await new Driver(new Endless(1), undefined).run();
    expect(isOver).toBe(true);
  });

  test.each([new Error("boom"), undefined, null])("rejects with what a turn throws: %o", async (thrown) => {
    const turns = new Scripted(4, 1, () => {
      throw thrown;
    });
    let caught: unknown = "nothing";
    await new Driver(turns, undefined).run().catch((error: unknown) => (caught = error));
    expect([caught, turns.onChange]).toEqual([thrown, undefined]);
  });

  test("a signal that is aborted in a turn ends it after that turn, under load as well", async () => {
    const stop = new AbortController();
    const turns = new Scripted(1, () => (stop.abort(), 5), 5, 5);
    await new Driver(turns, stop.signal).run();
    expect(turns.wakes).toEqual([1]);
  });

  test("a change has the next turn come, however long it may wait, and so has what needs no waiting", async () => {
    const turns = new Scripted(4, 0, 0, 0);
    turns.waitMs = Infinity;
    setTimeout(() => turns.onChange?.(), 1);
    const driven = new Driver(turns, undefined).run();
    await new Promise((resolve) => setTimeout(resolve, 5));
    turns.isWorthWaiting = false;
    turns.onChange?.();
    await driven;
    expect(turns.wakes).toEqual([1, 2, 3]);
  });

  test("takes no turn when its signal is aborted already", async () => {
    const turns = new Scripted(4, 1);
    await new Driver(turns, AbortSignal.abort()).run();
    expect(turns.wakes).toEqual([]);
  });
});

describe("a guest that is driven", () => {
  const guest = (turn: string, pending: string): Uint8Array =>
    wat(`(module
      (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
      (memory (export "memory") 1)
      (global $turns (mut i32) (i32.const 0))
      (func (export "_initialize"))
      (func (export "turn") (param i64) (result i32)
        (global.set $turns (i32.add (global.get $turns) (i32.const 1))) ${turn})
      (func (export "pending") (result i32) ${pending}))`);
  const once = `(i32.lt_s (global.get $turns) (i32.const 3))`;

  test("gives the status that it exits with", async () => {
    expect(await driveGuest(guest("(call $exit (i32.const 7)) (i32.const 1)", "(i32.const 1)"))).toBe(7);
  });

  test.each(["(i32.const 0)", "(i32.const 1)"])(
    "ends when nothing is left in it, its turns finding %s",
    async (found) => {
      expect(await driveGuest(guest(found, once))).toBe(0);
    },
  );

  test("has a first turn even where nothing is left in it before", async () => {
    await expect(driveGuest(guest("unreachable", "(i32.const 0)"))).rejects.toMatchObject({ name: "GuestTrap" });
  });
});
