/** What metering counts, what it traps, and what it refuses. */

import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { originalOffset, prepareModule } from "../../../host/plugin/metering/prepare.js";
import { BUILD_TIMEOUT_MS, buildGuest, TRACING_REACTOR } from "../../assembly/programs.js";
import { Connection, ScriptedHost } from "../../assembly/scripted-host.js";
import { wat } from "../../guest/modules.js";
import {
  customSections,
  type Exports,
  FREE,
  instantiate,
  METERED,
  metered,
  RuntimeError,
  UNLIMITED,
} from "./support.js";
import { Meter } from "../../../host/plugin/metering/meter.js";

/** Each look at the clock of `metered` takes a nanosecond of CPU time. */
const SHORT = { turnNs: 20, totalNs: Infinity };

const HEADER = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];

/** With their number before them, in the binary format. */
function sized(bytes: ArrayLike<number>): number[] {
  const { length } = bytes;
  const number = [(length & 0x7f) | 0x80, ((length >> 7) & 0x7f) | 0x80, length >> 14];
  return [...number, ...Array.from(bytes)];
}

/** Without an end, by each way that code can repeat itself. */
const ENDLESS: Readonly<Record<string, string>> = {
  "a loop": `(func (export "run") (loop $l (br $l)))`,
  "a loop of br_table": `(func (export "run") (loop $l (br_table $l $l (i32.const 7))))`,
  "a loop in a try block": `(func (export "run") (try (do (loop $l (br $l))) (catch_all)))`,
  "a loop around a caught exception": `(tag $e)
    (func (export "run") (loop $l (try (do (throw $e)) (catch_all (br $l)))))`,
  "tail calls": `(func $f (export "run") (return_call $f))`,
  "indirect tail calls": `(type $t (func)) (table 1 funcref) (elem (i32.const 0) $f)
    (func $f (export "run") (return_call_indirect (type $t) (i32.const 0)))`,
  "calls without depth": `(func $f (param i32) (if (local.get 0)
      (then (call $f (i32.sub (local.get 0) (i32.const 1))) (call $f (i32.sub (local.get 0) (i32.const 1))))))
    (func (export "run") (call $f (i32.const 200)))`,
};

describe("code that does not end", () => {
  test.each(Object.entries(ENDLESS))("%s traps when the turn has taken its time", (_, code) => {
    const { exports, meter } = metered(wat(`(module (memory (export "memory") 1) ${code})`), SHORT);
    expect(() => exports["run"]?.()).toThrow(RuntimeError);
    expect(meter.overrun).toBe("turn");
  });

  test("in a start function traps when that is called", () => {
    const { exports, prepared } = metered(wat(`(module (start $s) (func $s (loop $l (br $l))))`), SHORT);
    expect(() => exports[String(prepared.start)]?.()).toThrow(RuntimeError);
  });

  test("cannot catch the trap", () => {
    const code = `(func (export "run") (loop $again (try (do (loop $l (br $l))) (catch_all (br $again)))))`;
    expect(() => metered(wat(`(module ${code})`), SHORT).exports["run"]?.()).toThrow(RuntimeError);
  });

  test("traps before the host has put in its function", () => {
    const exports = instantiate(prepareModule(wat(`(module ${ENDLESS["a loop"]})`), METERED).bytes);
    expect(() => exports["run"]?.()).toThrow(RuntimeError);
  });

  test("traps when all turns together have taken their time", () => {
    const module = wat(`(module (func (export "run") (loop $l (br_if $l (i32.const 0)))))`);
    const { exports, meter, clock } = metered(module, { turnNs: 1000, totalNs: 2500 });
    for (let turn = 0; turn < 3; turn++) {
      meter.beginTurn();
      exports["run"]?.();
      clock.advance(990);
      meter.endTurn();
    }
    expect(meter.usedNs).toBeGreaterThan(2500);
    meter.beginTurn();
    for (let call = 0; call < 64; call++) meter.hostCalled();
    expect(() => exports["run"]?.()).toThrow(RuntimeError);
    expect(meter.overrun).toBe("total");
  });
});

describe("what is counted", () => {
  const looksOf = (code: string): number => {
    const { exports, clock } = metered(wat(`(module (memory 16) (table $t 8 funcref) ${code})`));
    exports["run"]?.();
    return clock.looks;
  };
  const filled = (bytes: number): string =>
    `(func (export "run") (memory.fill (i32.const 0) (i32.const 1) (i32.const ${bytes})))`;

  test("a small function without calls and loops is free", () => {
    // Of both clocks, when the turn begins.
    expect(looksOf(`(func (export "run") (drop (i32.add (i32.const 1) (i32.const 2))))`)).toBe(2);
  });

  test("a long one is not, however straight", () => {
    const { exports, meter } = metered(
      wat(`(module (memory 1) (func $long ${"(i32.store (i32.const 0) (i32.const 0))".repeat(50_000)})
        (func (export "run") (loop $l (call $long) (br $l))))`),
      SHORT,
    );
    expect(() => exports["run"]?.()).toThrow(RuntimeError);
    expect(meter.overrun).toBe("turn");
  });

  test("filling memory costs by its length", () => {
    // Two for the turn's begin, three for the first look.
    expect(looksOf(filled(64))).toBe(5);
    const large = `(func (export "run") (local i32) (loop $l ${"(memory.fill (i32.const 0) (i32.const 1) (i32.const 1000000))".repeat(64)}))`;
    expect(looksOf(large)).toBeGreaterThan(10);
  });

  test("calls of the host are looked at after some of them", () => {
    const meter = new Meter({ turnNs: 5, totalNs: Infinity }, () => 0);
    let ns = 0;
    const late = new Meter({ turnNs: 5, totalNs: Infinity }, () => (ns += 10));
    for (const each of [meter, late]) each.beginTurn();
    const module = prepareModule(wat(`(module (func (export "run") (loop)))`), METERED);
    const exports = instantiate(module.bytes);
    late.attach(exports, module);
    for (let call = 0; call < 64; call++) late.hostCalled();
    expect(late.overrun).toBe("turn");
    expect(() => exports["run"]?.()).toThrow(RuntimeError);
    expect(meter.overrun).toBeUndefined();
  });

  describe("the first call of the host in a turn is charged", () => {
    const MS = 1e6;
    const time = { nowNs: 0, cpuNs: 0 };
    const begun = (): Meter => {
      const meter = new Meter(
        { turnNs: 20 * MS, totalNs: Infinity },
        () => time.cpuNs,
        () => time.nowNs,
      );
      meter.beginTurn();
      meter.hostCalled();
      return meter;
    };
    const pass = (elapsedMs: number, cpuMs: number): void => {
      time.nowNs += elapsedMs * MS;
      time.cpuNs += cpuMs * MS;
    };

    test("with the CPU time that it took, however long that was", () => {
      const module = prepareModule(wat(`(module (func (export "run") (loop)))`), METERED);
      const exports = instantiate(module.bytes);
      const meter = begun();
      meter.attach(exports, module);
      pass(500, 300);
      meter.hostCalled();
      expect(meter.overrun).toBe("turn");
      expect(meter.endTurn()).toBe(300 * MS);
      expect(() => exports["run"]?.()).toThrow(RuntimeError);
    });

    test("when the turn ends with it", () => {
      const meter = begun();
      pass(500, 300);
      expect(meter.endTurn()).toBe(300 * MS);
      expect(meter.hasOverrun).toBe(true);
      expect(meter.overrun).toBe("turn");
    });

    test("without the time in which others had the processor", () => {
      const meter = begun();
      pass(500, 3);
      expect(meter.endTurn()).toBe(3 * MS);
      expect(meter.hasOverrun).toBe(false);
      expect(meter.usedNs).toBe(3 * MS);
    });
  });
});

describe("limits", () => {
  const limited = (text: string, options: object = {}): Exports =>
    instantiate(prepareModule(wat(text), { ...UNLIMITED, ...options }).bytes);
  const grow = `(func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))`;

  test("a memory grows to its limit and no further, whatever it declares", () => {
    for (const memory of ["(memory 1)", "(memory 1 1000)"]) {
      const exports = limited(`(module ${memory} ${grow})`, { maxMemoryBytes: 3 * 65_536 + 1 });
      expect([exports["grow"]?.(2), exports["grow"]?.(1)]).toEqual([1, -1]);
    }
    expect(limited(`(module (memory 1 2) ${grow})`, { maxMemoryBytes: 2 ** 30 })["grow"]?.(2)).toBe(-1);
  });

  test("tables share their limit", () => {
    const text = `(module (table $t 2 funcref) (table $u 2 1000 funcref)
      (func (export "grow") (param i32) (result i32) (table.grow $t (ref.null func) (local.get 0)))
      (func (export "other") (param i32) (result i32) (table.grow $u (ref.null func) (local.get 0))))`;
    for (const how of [{}, { metered: true }]) {
      const exports = limited(text, { ...how, maxTableEntries: 10 });
      if ("metered" in how) continue;
      expect([exports["grow"]?.(4), exports["grow"]?.(3), exports["other"]?.(3)]).toEqual([-1, 2, 2]);
    }
  });

  test.each([
    ["memory", `(module (memory 5))`, { maxMemoryBytes: 4 * 65_536 }, "ERR_PLUGIN_MEMORY"],
    ["tables", `(module (table 11 funcref))`, { maxTableEntries: 10 }, "ERR_PLUGIN_MEMORY"],
  ])("a module that needs more %s is refused", (_, text, options, code) => {
    expect(() => prepareModule(wat(text), { ...UNLIMITED, ...options })).toThrow(expect.objectContaining({ code }));
  });

  test("elements of tables are read in segments of every kind, and refused above the limit", () => {
    const options = { ...UNLIMITED, maxTableEntries: 1_000_000 };
    const kinds = wat(`(module (table $t 9 funcref) (table $u 9 funcref) (func $f)
      (elem (i32.const 0) $f $f) (elem (table $u) (i32.const 3) func $f $f) (elem func $f $f) (elem declare func $f $f)
      (elem (i32.const 2) funcref (ref.func $f) (ref.null func)) (elem funcref (ref.func $f) (ref.null func))
      (elem (table $u) (i32.const 0) funcref (ref.func $f) (ref.null func)))`);
    instantiate(prepareModule(kinds, options).bytes);
    const PASSIVE = [1, 0];
    const of = (count: number): Uint8Array => {
      const segment = [...PASSIVE, ...sized(Buffer.alloc(count))];
      const ELEMENT = 9;
      const sections = [...[1, 4, 1, 0x60, 0, 0], ...[3, 2, 1, 0], ELEMENT, ...sized([2, ...segment, ...segment])];
      return Uint8Array.from([...HEADER, ...sections, ...[10, 4, 1, 2, 0, 0x0b]]);
    };
    instantiate(prepareModule(of(125_000), options).bytes);
    expect(() => prepareModule(of(125_001), options)).toThrow(
      expect.objectContaining({
        code: "ERR_PLUGIN_MEMORY",
        message: expect.stringContaining("250002 elements") as string,
      }),
    );
  });

  test.each([
    ["names of functions", "name", (length: number) => [1, ...sized([1, 0, ...sized(Buffer.alloc(length, "n"))])]],
    ["a name of its own", "name", (length: number) => [0, ...sized(sized(Buffer.alloc(length, "n")))]],
    ["the address of a source map", "sourceMappingURL", (length: number) => sized(Buffer.alloc(length, "n"))],
  ])("a module that is long in %s is run without", (_, section, contents) => {
    const kept = (length: number): number => {
      const custom = [...sized(Buffer.from(section)), ...contents(length)];
      const bytes = Uint8Array.from([...wat("(module (func))"), 0, ...sized(custom)]);
      return customSections(prepareModule(bytes, UNLIMITED).bytes, section);
    };
    expect([kept(100), kept(65_536 + 10)]).toEqual([1, 0]);
  });

  test("64-bit memories and garbage collection are refused by name", () => {
    const memory64 = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 5, 3, 1, 4, 1);
    expect(() => prepareModule(memory64, { ...UNLIMITED, maxMemoryBytes: 65_536 })).toThrow("a 64-bit memory");
    const struct = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 5, 1, 0x5f, 1, 0x7f, 0);
    expect(() => prepareModule(struct, METERED)).toThrow("types for garbage collection");
    const code = Uint8Array.of(
      ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0],
      ...[10, 7, 1, 5, 0, 0xfb, 0, 0, 0x0b],
    );
    expect(() => prepareModule(code, METERED)).toThrow("garbage collection");
  });

  test("more sections and exports than any compiler makes are refused, before they take the host's time", () => {
    const of = (sections: number): Uint8Array =>
      Buffer.concat([wat("(module (func))"), Buffer.alloc(4 * sections, Uint8Array.of(0, 2, 1, 0x61))]);
    expect(() => prepareModule(of(10_000), UNLIMITED)).toThrow("more than 10000 sections");
    expect(() => prepareModule(of(9000), UNLIMITED)).not.toThrow();
    // 100,001 exports, of one byte each: they are not read.
    const exports = [7, 0xa4, 0x8d, 0x06, 0xa1, 0x8d, 0x06];
    const module = Buffer.concat([Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, ...exports), Buffer.alloc(100_001)]);
    expect(() => prepareModule(module, METERED)).toThrow("more than 100000 exports");
  });

  test("names that the module has already exported are left to it", () => {
    const module = wat(`(module (global (export "wasyncore.fuel") i32 (i32.const 5)) ${ENDLESS["a loop"]})`);
    const { exports, prepared } = metered(module, SHORT);
    expect(prepared.fuel).toBe("wasyncore.fuel'");
    expect(() => exports["run"]?.()).toThrow(RuntimeError);
  });
});

test("the position of a trap is found in the module's own bytes", () => {
  const text = `(module (memory 1) (func $f (loop $l)) (func (export "run") (local i32)
    (call $f) (loop $l (memory.fill (i32.const 0) (i32.const 0) (i32.const 9))) (drop (i32.load (i32.const -9)))))`;
  const bytes = wat(text);
  const position = (exports: Exports): number => {
    try {
      exports["run"]?.();
    } catch (error) {
      return Number.parseInt(/:0x([0-9a-f]+)/.exec((error as Error).stack ?? "")?.[1] ?? "", 16);
    }
    throw new Error("it has not trapped");
  };
  const expected = position(instantiate(bytes));
  expect(originalOffset(bytes, METERED, position(metered(bytes).exports))).toBe(expected);
  const paused = position(instantiate(prepareModule(bytes, UNLIMITED).bytes));
  expect(paused).not.toBe(expected);
  expect(originalOffset(bytes, UNLIMITED, paused)).toBe(expected);
  const unmetered = { ...UNLIMITED, maxMemoryBytes: 10 * 65_536 };
  const shifted = position(instantiate(prepareModule(bytes, unmetered).bytes));
  expect(shifted).not.toBe(expected);
  expect(originalOffset(bytes, unmetered, shifted)).toBe(expected);
});

describe("a module that is not metered", () => {
  test("calls an empty function before instructions that work on a range, and is the same otherwise", () => {
    const bytes = wat(`(module (memory 1 3) (table $t 4 funcref) (func $f)
      (func (export "run") (param i32) (result i32)
        (block (loop $l (memory.copy (i32.const 1) (i32.const 9) (i32.const 3))))
        (memory.fill (i32.const 2) (i32.const 100) (i32.const 1))
        (table.fill $t (i32.const 0) (ref.null func) (i32.const 2))
        (drop (table.grow $t (ref.null func) (i32.const 1)))
        (drop (memory.grow (local.get 0)))
        (i32.add (i32.add (table.size $t) (memory.size)) (i32.load (i32.const 0)))))`);
    const prepared = prepareModule(bytes, UNLIMITED);
    expect(instantiate(prepared.bytes)["run"]?.(1)).toBe(instantiate(bytes)["run"]?.(1));
    expect([prepared.fuel, prepared.refill, prepared.check]).toEqual([undefined, undefined, 2]);
    // Five calls of two bytes in the code, and the function.
    const added = prepared.bytes.length - bytes.length;
    expect(added).toBeGreaterThanOrEqual(13);
    expect(added).toBeLessThan(40);
  });

  test("is not changed where it has none of them", () => {
    const bytes = wat(`(module (func (export "run") (loop $l (br $l))))`);
    expect(prepareModule(bytes, UNLIMITED).bytes).toEqual(bytes);
  });
});

describe("a guest of this package", () => {
  let guest: Uint8Array;

  beforeAll(async () => {
    guest = await buildGuest(TRACING_REACTOR, "--reactor");
  }, BUILD_TIMEOUT_MS);

  /** A conversation on a scripted host: what is printed, sent and polled. */
  function converse(host: ScriptedHost): unknown[] {
    host.call("_initialize");
    const seen: unknown[] = [];
    for (const text of ["one", "by three", "catch", "fail", "x".repeat(60_000)]) {
      const connection = host.connect(new Connection(text));
      for (let turn = 0; turn < 6; turn++) seen.push(host.turn());
      connection.ended = true;
      for (let turn = 0; turn < 6; turn++) seen.push(host.turn());
      seen.push(connection.sent, connection.closed);
    }
    return [...seen, host.polls, host.calls, host.memoryBytes];
  }

  test("behaves the same", () => {
    const prepared = prepareModule(guest, METERED);
    const meter = new Meter(FREE, () => 0);
    const host = new ScriptedHost(prepared.bytes, [3], (exports) => meter.attach(exports, prepared));
    expect(converse(host)).toEqual(converse(new ScriptedHost(guest)));
  });
});

test("the engine can be metered", () => {
  const { bytes } = prepareModule(readFileSync("build/engine.wasm"), METERED);
  expect(bytes.length).toBeGreaterThan(1000);
});
