/** Guests turn by turn, on a scripted host: what handlers are told, and what hosts of different kinds are asked. */

import { beforeAll, describe, expect, test } from "vitest";
import { BUILD_TIMEOUT_MS, buildGuest, TRACING_REACTOR } from "../assembly/programs.js";
import { Connection, ScriptedHost, type Polling } from "../assembly/scripted-host.js";

let module: Uint8Array;

beforeAll(async () => {
  module = await buildGuest(TRACING_REACTOR, "--reactor");
}, BUILD_TIMEOUT_MS);

const POLLINGS: readonly Polling[] = ["honest", "all at once", "blind", "refusing"];

function started(polling: Polling = "honest"): ScriptedHost {
  const host = new ScriptedHost(module);
  host.polling = polling;
  host.call("_initialize");
  return host;
}

/** Some turns: more than anything here takes. @returns what was told */
function settle(host: ScriptedHost): string[] {
  return Array.from({ length: 8 }, () => host.turn()).flat();
}

describe.each(POLLINGS)("on a host whose poll is %s", (polling) => {
  test("connections are accepted, read, answered and closed, in channel order", () => {
    const host = started(polling);
    const first = host.connect(new Connection("one"));
    const second = host.connect(new Connection("two"));
    expect(settle(host)).toEqual(["accept a", "accept b", "read a one", "read b two"]);
    expect([first.sent, second.sent]).toEqual(["one", "two"]);
    second.ended = true;
    first.ended = true;
    expect(settle(host)).toEqual(["close a", "close b"]);
    expect([first.closed, second.closed]).toEqual([true, true]);
  });

  test("nobody is notified of a read where there is nothing to read", () => {
    const host = started(polling);
    host.connect(new Connection("one"));
    host.connect(new Connection());
    expect(settle(host)).toEqual(["accept a", "accept b", "read a one"]);
  });

  test("what a handler leaves unread is delivered in the next turn, without a report by the host", () => {
    const host = started(polling);
    const connection = host.connect(new Connection("by three"));
    settle(host);
    connection.input.push(Buffer.from("abcdefgh"));
    expect(settle(host)).toEqual(["read a abc", "read a def", "read a gh"]);
  });

  test("a response that is not taken at once is sent when it can be, and to the last byte", () => {
    const host = started(polling);
    const connection = new Connection("x".repeat(1000));
    connection.room = 600;
    host.connect(connection);
    settle(host);
    expect(connection.sent).toHaveLength(600);
    connection.room = Infinity;
    expect(settle(host)).toEqual(["write a"]);
    expect(connection.sent).toHaveLength(1000);
  });

  test("a reset closes without an error", () => {
    const host = started(polling);
    const connection = host.connect(new Connection("one"));
    settle(host);
    connection.error = 15;
    expect(settle(host)).toEqual(["close a"]);
  });
});

describe("what a host is asked", () => {
  test("is one clock and a direction a descriptor, and writing only while data waits", () => {
    const host = started();
    const connection = new Connection("x".repeat(1000));
    connection.room = 600;
    host.connect(connection);
    settle(host);
    expect(host.polls.at(-1)?.descriptors.toSorted()).toEqual(["read 10", "read 3", "write 10"]);
    connection.room = Infinity;
    settle(host);
    expect(host.polls.at(-1)?.descriptors).toEqual(["read 3", "read 10"]);
  });

  test("is not to wait while a handler has left something", () => {
    const host = started();
    const connection = host.connect(new Connection("by three"));
    settle(host);
    connection.input.push(Buffer.from("abcdefgh"));
    host.call("turn", 5_000_000_000n);
    host.call("turn", 5_000_000_000n);
    expect(host.polls.at(-1)?.timeoutNs).toBe(1n);
    host.call("turn", 5_000_000_000n);
    host.call("turn", 5_000_000_000n);
    expect(host.polls.at(-1)?.timeoutNs).toBe(5_000_000_000n);
  });

  test("a host that never waits is not asked to, but left alone for longer and longer", () => {
    const host = started("blind");
    for (let turn = 0; turn < 8; turn++) host.call("turn", 1_000_000_000n);
    expect(host.polls.every(({ timeoutNs }) => timeoutNs === 1n)).toBe(true);
    expect(host.sleepsMs).toEqual([1, 2, 4, 8, 16, 16, 16]);
    host.connect(new Connection("one"));
    host.call("turn", 1_000_000_000n);
    const slept = host.sleepsMs.length;
    host.call("turn", 1_000_000_000n);
    expect(host.sleepsMs).toHaveLength(slept);
  });

  test("a host that refuses to poll descriptors is asked once, and for the time after that", () => {
    const host = started("refusing");
    for (let turn = 0; turn < 7; turn++) host.call("turn", 1_000_000_000n);
    expect(host.polls).toHaveLength(1);
    expect(host.sleepsMs.slice(1)).toEqual([1, 2, 4, 8, 16, 16]);
  });

  test("no sleep is longer than the turn may wait", () => {
    const host = started("blind");
    for (let turn = 0; turn < 8; turn++) host.call("turn", 3_000_000n);
    expect(Math.max(...host.sleepsMs)).toBe(3);
  });
});

describe("a bad descriptor", () => {
  test("that fails the whole poll closes its own channel alone", () => {
    const host = started();
    host.connect(new Connection("one"));
    const bad = host.connect(new Connection("two"));
    const good = host.connect(new Connection("three"));
    settle(host);
    host.connections.delete(bad.fd);
    good.input.push(Buffer.from("four"));
    expect(settle(host)).toEqual(["close b", "read c four"]);
  });

  test("that is open and cannot be polled is found as well", () => {
    const host = started();
    host.connect(new Connection("one"));
    const bad = host.connect(new Connection("two"));
    settle(host);
    host.unpollable.add(bad.fd);
    expect(settle(host)).toEqual(["close b"]);
  });
});

describe("an operation that fails", () => {
  test("goes to handleError when the callback returns, the first of them only", () => {
    const host = started();
    host.connect(new Connection("fail"));
    const told = settle(host);
    expect(told.slice(1, 3)).toEqual(["read a fail", "error a bind ENOTSUP"]);
    expect(told[3]).toMatch(
      /^error: uncaptured exception, closing channel <Handler connected> \(OSError: bind ENOTSUP: the host of this/,
    );
    expect(told.slice(4)).toEqual(["close a"]);
  });

  test("does not go to handleError where the callback has taken the error", () => {
    const host = started();
    host.connect(new Connection("catch"));
    expect(settle(host)).toEqual(["accept a", "read a catch", "caught ENOTSUP"]);
  });
});

test("what a program throws traps with its message, and the handler's name in the backtrace", () => {
  const host = started();
  host.connect(new Connection("throw"));
  let stack = "";
  try {
    settle(host);
  } catch (error) {
    stack = (error as Error).stack ?? "";
  }
  expect(stack).toMatch(/unreachable[\s\S]*abort[\s\S]*Handler#handleRead/);
  expect(host.stderr).toBe("abort: as it was asked\n");
});

test("turn says how many channels were ready, and pending what is left", () => {
  const host = started();
  expect(host.call("turn", 0n)).toBe(0);
  const connection = host.connect(new Connection("one"));
  expect(host.call("turn", 0n)).toBe(1);
  expect(host.call("pending")).toBe(2);
  connection.ended = true;
  expect(host.call("turn", 0n)).toBe(1);
  expect(host.call("turn", 0n)).toBe(1);
  expect(host.call("pending")).toBe(1);
});

test("memory stays what it is over many connections", () => {
  const host = started();
  let bytes = 0;
  for (let round = 0; round < 20_000; round++) {
    const connection = host.connect(new Connection("x".repeat(2000)));
    connection.ended = true;
    host.call("turn", 0n);
    host.call("turn", 0n);
    host.call("turn", 0n);
    host.stdout = "";
    if (!connection.closed || connection.sent.length !== 2000) throw new Error(`connection ${round} was not served`);
    connection.sent = "";
    if (round === 2000) bytes = host.memoryBytes;
  }
  expect(host.memoryBytes).toBe(bytes);
});
