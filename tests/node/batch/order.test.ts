/** The order of calls is closed: whatever member of a backend is called, what was sent before it is in the kernel by then. */

import { describe, expect, test } from "vitest";
import type { Backend } from "../../../host/backend/backend.js";
import { createNodeBackend } from "../../../host/node/backend.js";
import { Batch } from "../../../host/node/batch/batch.js";
import { type OrderedCalls, orderCalls } from "../../../host/node/batch/order.js";
import { Records } from "../../../host/node/batch/record.js";
import { platformConstants } from "../../../host/node/constants.js";
import { loadLibc } from "../../../host/node/libc.js";
import { Slab } from "../../../host/node/slab.js";
import { callsOn } from "../../backend/bad-input.js";
import { bytes, connectedPair } from "../../backend/support.js";

const backend = createNodeBackend();
/** They make descriptors, which nobody else has yet. */
const MAKERS: ReadonlySet<string> = new Set(["socket", "socketPair", "pipe"]);
/** Larger than what is deferred. */
const LARGE = new Uint8Array(3000);

/** Calls in order, of which the kernel's part only notes what has come to a peer by then. */
function orderedCalls() {
  const { client, server } = connectedPair(backend);
  const libc = loadLibc();
  let seen: number | undefined;
  const note = (): number => {
    seen ??= libc.recv(server, new Uint8Array(16), 16, 0);
    return 0;
  };
  const direct = Object.fromEntries(membersOf(backend).map((name) => [name, note])) as unknown as OrderedCalls;
  const batch = new Batch(libc, platformConstants(), new Records(), direct);
  // Nothing has arrived to be read, but a batch is under way.
  batch.begin(Int32Array.of(client), 1);
  return { client, batch, calls: orderCalls(direct, batch, new Slab(libc)), seen: () => seen };
}

/** The names of all members that are functions. */
function membersOf(of: object): string[] {
  return Object.entries(of)
    .filter(([, member]) => typeof member === "function")
    .map(([name]) => name);
}

const ordered = membersOf(orderedCallNames()).filter((name) => !MAKERS.has(name));

function orderedCallNames(): OrderedCalls {
  const batch = new Batch(loadLibc(), platformConstants(), new Records(), backend);
  return orderCalls(backend, batch, new Slab(loadLibc()));
}

/** A call of the member, on `fd`. */
function callOf(calls: OrderedCalls, name: string, fd: number): void {
  const withArguments: Record<string, (fd: number) => unknown> = {
    ...callsOn(calls as Backend),
    send: (each) => calls.send(each, LARGE),
    sendVector: (each) => calls.sendVector(each, [LARGE]),
    lookupSync: () => calls.lookupSync("127.0.0.1", 4),
  };
  const call = withArguments[name] ?? (calls[name as keyof OrderedCalls] as (fd: number) => unknown);
  call(fd);
}

describe("what was sent is in the kernel", () => {
  test.each(ordered)("before %s on the same descriptor", (name) => {
    const { client, calls, seen } = orderedCalls();
    expect(calls.send(client, bytes("sent"))).toBe(4);
    expect(seen()).toBeUndefined();
    callOf(calls, name, client);
    expect(seen()).toBe(4);
  });

  test.each(ordered)("before %s on another descriptor", (name) => {
    const { client, calls, seen } = orderedCalls();
    expect(calls.send(client, bytes("sent"))).toBe(4);
    callOf(calls, name, connectedPair(backend).client);
    expect(seen()).toBe(4);
  });

  test("before a poll set waits, and when the batch ends", () => {
    for (const end of ["beforeWait", "end", "flush"] as const) {
      const { client, batch, calls } = orderedCalls();
      calls.send(client, bytes("sent"));
      if (end === "beforeWait") batch.beforeWait(0);
      else batch[end]();
      expect(calls.send(client, bytes("more"))).toBe(end === "flush" ? 4 : 0);
    }
  });

  test.each([...MAKERS])("%s need not wait for it", (name) => {
    const { client, calls, seen, batch } = orderedCalls();
    expect(calls.send(client, bytes("sent"))).toBe(4);
    (calls[name as keyof OrderedCalls] as () => unknown)();
    expect(seen()).toBe(-1);
    batch.end();
  });
});

test("every member of a backend is either in order or named as one that need not be", () => {
  const unordered = ["errorCode", "isNumeric", "lookup", "createPollSet"];
  expect(membersOf(backend).toSorted()).toEqual([...ordered, ...MAKERS, ...unordered].toSorted());
});
