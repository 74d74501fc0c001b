/** Holds what a guest is served as a process: arguments, environment, clocks, random bytes, its end. */

import { describe, expect, test } from "vitest";
import { exitOf } from "../../host/guest/exit.js";
import type { Preview1Imports } from "../../host/guest/preview1.js";
import {
  backend,
  type Caller,
  createCaller,
  createServer,
  DATA_AT,
  Errno,
  ownedPair,
  PAGE,
  RESULT_AT,
} from "./support.js";

const ADDRESSES_AT = 1024;

/** What args_get or environ_get writes, after the sizes that the guest was told. */
function strings(caller: Caller, what: "args" | "environ"): string[] {
  const { calls } = caller;
  expect(calls[`${what}_sizes_get`](RESULT_AT, RESULT_AT + 4)).toBe(Errno.SUCCESS);
  const count = caller.u32(RESULT_AT);
  const bytes = caller.u32(RESULT_AT + 4);
  caller.bytes(DATA_AT, bytes + 1).fill(0xee);
  expect(calls[`${what}_get`](ADDRESSES_AT, DATA_AT)).toBe(Errno.SUCCESS);
  expect(caller.bytes(DATA_AT, bytes + 1).at(-1)).toBe(0xee);
  return Array.from({ length: count }, (_, index) => {
    const at = caller.u32(ADDRESSES_AT + 4 * index);
    return caller.text(at, caller.bytes(at, DATA_AT + bytes - at).indexOf(0));
  });
}

describe("arguments and environment", () => {
  test("are none where none are given", () => {
    const [caller] = createCaller();
    expect([strings(caller, "args"), strings(caller, "environ")]).toEqual([[], []]);
  });

  test("are passed on unchanged, each ended by a NUL", () => {
    const [caller] = createCaller({ args: ["app.wasm", "", "größer"], env: { HOME: "/", EMPTY: "", Ω: "a=b" } });
    expect(strings(caller, "args")).toEqual(["app.wasm", "", "größer"]);
    expect(strings(caller, "environ")).toEqual(["HOME=/", "EMPTY=", "Ω=a=b"]);
  });

  test("tell the listeners, whatever the environment said of them", () => {
    const { caller } = createServer({ env: { LISTEN_FDS: "9", A: "1" } });
    expect(strings(caller, "environ")).toEqual(["LISTEN_FDS=1", "A=1", "LISTEN_FDNAMES=unknown"]);
  });

  test("tell the listeners' names", () => {
    const [one, two] = [backend.socket("IPv4", "stream"), backend.socket("IPv6", "stream")];
    const [caller] = createCaller({
      listeners: [
        { fd: one, name: "web" },
        { fd: two, name: "admin page" },
      ],
    });
    expect(strings(caller, "environ")).toEqual(["LISTEN_FDS=2", "LISTEN_FDNAMES=web:admin page"]);
  });

  test.each([
    [{ args: ["a\0b"] }],
    [{ env: { A: "\0" } }],
    [{ env: { "": "1" } }],
    [{ env: { "A=B": "1" } }],
    [{ listeners: [{ fd: 1_000_000 }] }],
  ])("%j is refused", (options) => {
    expect(() => createCaller(options)).toThrow(
      expect.objectContaining({ name: "RangeError", code: "ERR_INVALID_ARG_VALUE" }),
    );
  });

  test.each(["", "a:b", "a\nb", "ü", "x".repeat(256)])(
    "a listener is not called %j, and stays the caller's",
    (name) => {
      const fd = backend.socket("IPv4", "stream");
      expect(() => createCaller({ listeners: [{ fd, name }] })).toThrow(RangeError);
      expect(backend.close(fd)).toBe(0);
    },
  );

  test("a listener is a socket", () => {
    const [readEnd] = ownedPair(backend, backend.pipe());
    expect(() => createCaller({ listeners: [{ fd: readEnd }] })).toThrow(`descriptor ${readEnd} is no open socket`);
  });

  test("a listener is not given twice", () => {
    const fd = backend.socket("IPv4", "stream");
    expect(() => createCaller({ listeners: [{ fd }, { fd }] })).toThrow("a listener is given twice");
    expect(backend.close(fd)).toBe(0);
  });
});

describe("clocks", () => {
  let cpuNs = 40n;
  const clock = {
    monotonicNs: () => 5_000_000_000_001,
    realtimeNs: () => 1_700_000_000_123_456_789n,
    threadCpuNs: () => (cpuNs += 2n),
    turnTaker: undefined,
  };

  test.each([
    ["realtime", 0, 1_700_000_000_123_456_789n],
    ["monotonic", 1, 5_000_000_000_001n],
    ["of the process's CPU time, from the guest's beginning,", 2, 2n],
    ["of the thread's CPU time, from the guest's beginning,", 3, 2n],
  ])("%s is the backend's, in nanoseconds", (_name, id, now) => {
    const [{ calls, view }] = createCaller({}, { on: { ...backend, clock } });
    expect(calls.clock_time_get(id, 0n, RESULT_AT)).toBe(Errno.SUCCESS);
    expect(view.getBigUint64(RESULT_AT, true)).toBe(now);
    expect(calls.clock_res_get(id, RESULT_AT)).toBe(Errno.SUCCESS);
    expect(view.getBigUint64(RESULT_AT, true)).toBe(1n);
  });

  test.each([4, 5, -1])("clock %i is none: EINVAL", (id) => {
    const [{ calls }] = createCaller();
    expect([calls.clock_time_get(id, 0n, RESULT_AT), calls.clock_res_get(id, RESULT_AT)]).toEqual([
      Errno.INVAL,
      Errno.INVAL,
    ]);
  });
});

describe("random bytes", () => {
  test("fill what was asked for, and nothing beside it", () => {
    const caller = withRandom();
    expect(caller.calls.random_get(100, 3)).toBe(Errno.SUCCESS);
    expect([...caller.bytes(98, 7)]).toEqual([0, 0, 0xab, 0xab, 0xab, 0, 0]);
  });

  test("of no length are none", () => {
    const caller = withRandom();
    expect(caller.calls.random_get(PAGE, 0)).toBe(Errno.SUCCESS);
    expect(caller.bytes(0, PAGE).some((each) => each !== 0)).toBe(false);
  });

  test("are as many as the memory has, however many that are", () => {
    const [caller] = createCaller({}, { pages: 3 });
    expect(caller.calls.random_get(0, 3 * PAGE)).toBe(Errno.SUCCESS);
    for (let at = 0; at < 3 * PAGE; at += PAGE / 2) {
      expect(caller.bytes(at, PAGE / 2).some((each) => each !== 0)).toBe(true);
    }
  });

  test.each([
    [PAGE - 1, 2],
    [0, PAGE + 1],
    [0, -1],
    [-1, 1],
    [-1, -1],
    [PAGE + 1, 0],
  ])("at %i, of length %i: EFAULT, and nothing is written", (at, length) => {
    const caller = withRandom();
    expect(caller.calls.random_get(at, length)).toBe(Errno.FAULT);
    expect(caller.bytes(0, PAGE).some((each) => each !== 0)).toBe(false);
  });

  function withRandom(): Caller {
    const [caller] = createCaller({ random: (target) => void target.fill(0xab) });
    return caller;
  }
});

describe("addresses outside of the memory: EFAULT", () => {
  const cases: [name: keyof Preview1Imports, call: (calls: Preview1Imports, at: number) => number][] = [
    ["args_sizes_get", (calls, at) => calls.args_sizes_get(at, 0)],
    ["args_sizes_get", (calls, at) => calls.args_sizes_get(0, at)],
    ["args_get", (calls, at) => calls.args_get(at, 0)],
    ["args_get", (calls, at) => calls.args_get(0, at)],
    ["environ_sizes_get", (calls, at) => calls.environ_sizes_get(at, 0)],
    ["environ_sizes_get", (calls, at) => calls.environ_sizes_get(0, at)],
    ["environ_get", (calls, at) => calls.environ_get(at, 0)],
    ["environ_get", (calls, at) => calls.environ_get(0, at)],
    ["clock_time_get", (calls, at) => calls.clock_time_get(1, 0n, at)],
    ["clock_res_get", (calls, at) => calls.clock_res_get(1, at)],
  ];
  test.each(cases)("%s", (_name, call) => {
    const [{ calls }] = createCaller({ args: ["app.wasm"], env: { A: "1" } });
    for (const at of [PAGE - 3, PAGE, -1, -4, -0x80000000]) expect(call(calls, at)).toBe(Errno.FAULT);
  });
});

test.each([0, 1, 255, 256, 0xffff_ffff])("proc_exit ends the guest with %i", (code) => {
  const [{ calls }] = createCaller();
  let thrown: unknown;
  try {
    calls.proc_exit(code | 0);
  } catch (error) {
    thrown = error;
  }
  expect(exitOf(thrown)).toEqual({ code });
});

test("there are no signals, and yielding is no more than that", () => {
  const [{ calls }] = createCaller();
  expect([calls.proc_raise(2), calls.sched_yield()]).toEqual([Errno.NOTSUP, Errno.SUCCESS]);
});

test("before it has its memory every address of a guest is EFAULT", () => {
  const [{ preview1, calls }] = createCaller();
  preview1.attach({ buffer: new ArrayBuffer(0) });
  expect([calls.random_get(0, 1), calls.args_sizes_get(0, 4), calls.poll_oneoff(0, 64, 1, 0)]).toEqual([21, 21, 21]);
});
