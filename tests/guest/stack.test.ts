/** Holds that a call of the host's is made whole or not at all, however deep the guest's recursion is when it calls. */

import { expect, onTestFinished, test } from "vitest";
import { Guest, GuestTrap } from "../../host/guest/instance.js";
import { Preview1 } from "../../host/guest/preview1.js";
import { withRoom } from "../../host/guest/stack.js";
import { boundSocket } from "../backend/support.js";
import { ForwardingBackend } from "../backend/forwarding.js";
import { backend } from "./support.js";
import { wat } from "./modules.js";

/** Some 10 KB of the stack, as the deepest calls take. */
const DEEP = 100;

function deep(levels: number): number {
  return levels === 0 ? 0 : 1 + deep(levels - 1);
}

/** Calls itself until the stack is full, and at each depth accepts. */
const RECURSION = `(module
  (import "wasi_snapshot_preview1" "sock_accept" (func $accept (param i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func $again (drop (call $accept (i32.const 3) (i32.const 0) (i32.const 0))) (call $again))
  (func (export "_start") (call $again)))`;

test("a call that begins has room on the stack to its end", () => {
  const calls = { begun: 0, ended: 0 };
  class Deep extends ForwardingBackend {
    override accept(fd: number): ReturnType<ForwardingBackend["accept"]> {
      calls.begun++;
      deep(DEEP);
      calls.ended++;
      return super.accept(fd);
    }
  }
  const [fd] = boundSocket(backend, "IPv4", "stream");
  expect(backend.listen(fd, 1)).toBe(0);
  const preview1 = new Preview1(new Deep(backend), { listeners: [{ fd }] });
  onTestFinished(() => preview1.close());
  const guest = new Guest(wat(RECURSION), preview1);
  expect(() => guest.start()).toThrow(GuestTrap);
  expect(calls.ended).toBeGreaterThan(DEEP);
  expect(calls.begun).toBe(calls.ended);
});

test("a call without room throws before it begins, and one with room is made as usual", () => {
  const calls = { begun: 0, ended: 0 };
  const call = withRoom((one: unknown, other: unknown) => {
    calls.begun++;
    deep(DEEP);
    calls.ended++;
    return [one, other];
  });
  expect(call(1, "two")).toEqual([1, "two"]);
  const again = (): void => {
    call(1, 2);
    again();
  };
  expect(again).toThrow(RangeError);
  expect(calls.ended).toBeGreaterThan(DEEP);
  expect(calls.begun).toBe(calls.ended);
});
