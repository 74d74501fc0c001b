/** How many datagrams a Unix socket's queue takes: net.unix.max_dgram_qlen is 10 in a world, whatever it is elsewhere. */

import { describe, expect, test } from "vitest";
import { type Backend, Ready } from "../../host/backend/backend.js";
import { SimWorld } from "../../host/sim/index.js";

const TEXT = Buffer.from("x");
const RECEIVER = { path: "\0receiver" };
const SENDER = { path: "\0sender" };

/** A socket with a name, and another one that is connected to it. */
function connected(): { readonly backend: Backend; readonly receiver: number; readonly sender: number } {
  const { backend } = new SimWorld().host("10.0.0.1");
  const [receiver, sender] = [backend.socket("unix", "dgram"), backend.socket("unix", "dgram")];
  backend.bind(receiver, RECEIVER);
  backend.bind(sender, SENDER);
  backend.connect(sender, RECEIVER);
  return { backend, receiver, sender };
}

/** Sends until that fails. @returns how many were taken, and why no more were */
function fill(send: () => number, backend: Backend): [number, string] {
  let [count, result] = [0, 0];
  while ((result = send()) >= 0) count += 1;
  return [count, backend.errorCode(result)];
}

function isWritable(backend: Backend, fd: number): boolean {
  const set = backend.createPollSet();
  set.update(fd, Ready.WRITE);
  const count = set.wait(0);
  set.close();
  return count > 0;
}

describe("a Unix datagram socket", () => {
  test("takes 11 datagrams, from all senders together, and then one for each that is received", () => {
    const { backend, receiver, sender } = connected();
    const other = backend.socket("unix", "dgram");
    for (let i = 0; i < 3; i++) backend.sendTo(other, TEXT, RECEIVER);
    expect(fill(() => backend.send(sender, TEXT), backend)).toEqual([8, "EAGAIN"]);
    expect(fill(() => backend.sendTo(other, TEXT, RECEIVER), backend)).toEqual([0, "EAGAIN"]);
    // Only who is connected to it waits for it.
    expect([isWritable(backend, sender), isWritable(backend, other)]).toEqual([false, true]);
    backend.receive(receiver, 10);
    expect(isWritable(backend, sender)).toBe(true);
    expect(fill(() => backend.send(sender, TEXT), backend)).toEqual([1, "EAGAIN"]);
  });

  test.each([
    ["receives", (backend: Backend, receiver: number) => void backend.receive(receiver, 10)],
    ["is closed", (backend: Backend, receiver: number) => void backend.close(receiver)],
    ["connects to the sender", (backend: Backend, receiver: number) => void backend.connect(receiver, SENDER)],
  ])("notifies a sender that has not tried to send when it %s", (_, act) => {
    const { backend, receiver, sender } = connected();
    const other = backend.socket("unix", "dgram");
    fill(() => backend.sendTo(other, TEXT, RECEIVER), backend);
    const set = backend.createPollSet();
    set.update(sender, Ready.WRITE);
    expect(set.wait(0)).toBe(0);
    act(backend, receiver);
    expect(set.wait(0)).toBe(1);
  });

  test("takes what its peer has room for, where both are connected to each other, or it sends to itself", () => {
    const { backend, receiver, sender } = connected();
    backend.connect(receiver, SENDER);
    // 212,992 bytes, and 768 for each.
    expect(fill(() => backend.send(sender, TEXT), backend)).toEqual([278, "EAGAIN"]);
    expect(fill(() => backend.send(receiver, TEXT), backend)).toEqual([278, "EAGAIN"]);
    const own = backend.socket("unix", "dgram");
    backend.bind(own, { path: "\0own" });
    expect(fill(() => backend.sendTo(own, TEXT, { path: "\0own" }), backend)).toEqual([278, "EAGAIN"]);
  });

  test("gives its sender the room back when it is closed", () => {
    const { backend, receiver, sender } = connected();
    backend.connect(receiver, SENDER);
    fill(() => backend.send(sender, TEXT), backend);
    backend.close(receiver);
    const next = backend.socket("unix", "dgram");
    backend.bind(next, RECEIVER);
    backend.connect(sender, RECEIVER);
    expect(fill(() => backend.send(sender, TEXT), backend)).toEqual([11, "EAGAIN"]);
  });
});
