/** What becomes of a stream whose host crashes, whose answers are lost, or that nobody accepts. */

import { describe, expect, test } from "vitest";
import { Ready } from "../../host/backend/backend.js";
import { type SimHost, SimWorld } from "../../host/sim/index.js";
import { connected, textFrom } from "./support.js";

const TEXT = Buffer.from("hello");

/** Two hosts, and the ends of a connection from the first to the second. */
function worldOf(...options: ConstructorParameters<typeof SimWorld>): {
  readonly world: SimWorld;
  readonly one: SimHost;
  readonly other: SimHost;
  readonly ends: readonly [number, number];
} {
  const world = new SimWorld(...options);
  const [one, other] = [world.host("10.0.0.1"), world.host("10.0.0.2")];
  return { world, one, other, ends: connected(world, one, other) };
}

function runFor(world: SimWorld, ms: number): void {
  world.runSync({ untilMs: world.nowMs + ms });
}

/** A descriptor that begins to connect. */
function connecting(from: SimHost, to: SimHost): number {
  const fd = from.backend.socket("IPv4", "stream");
  from.backend.connect(fd, { host: to.address, port: 9 });
  return fd;
}

function listening(host: SimHost): number {
  const fd = host.backend.socket("IPv4", "stream");
  host.backend.bind(fd, { host: host.address, port: 9 });
  host.backend.listen(fd, 1);
  return fd;
}

/** What a connect has come to: "connecting", "connected", or how it failed. */
function outcomeOf({ backend }: SimHost, fd: number): string {
  const set = backend.createPollSet();
  set.update(fd, Ready.WRITE);
  const count = set.wait(0);
  set.close();
  if (count === 0) return "connecting";
  const error = set.ready[2] ?? 0;
  return error === 0 ? "connected" : backend.errorCode(error);
}

describe("a host that crashes", () => {
  test("resets what reaches it when it is back, though what it had sent was lost", () => {
    const { world, one, other, ends } = worldOf();
    other.backend.send(ends[1], TEXT);
    other.crash();
    runFor(world, 10);
    other.restart();
    expect(one.backend.send(ends[0], TEXT)).toBe(5);
    runFor(world, 10_000);
    expect(textFrom(one, ends[0])).toBe("ECONNRESET");
  });

  test("is noticed by one that waits for room in its window", () => {
    const { world, one, other, ends } = worldOf({ faults: { "small-buffers": { bytes: 2 } } });
    one.backend.send(ends[0], TEXT);
    runFor(world, 10);
    expect(one.backend.send(ends[0], TEXT)).toBe(2);
    other.crash();
    runFor(world, 1000);
    other.restart();
    runFor(world, 10_000);
    expect(textFrom(one, ends[0])).toBe("ECONNRESET");
  });

  test("sends nothing more of what was closed before", () => {
    const { world, one, other, ends } = worldOf();
    const mend = world.partition(one, other);
    one.backend.send(ends[0], TEXT);
    one.backend.close(ends[0]);
    one.crash();
    one.restart();
    mend();
    runFor(world, 10_000);
    expect(textFrom(other, ends[1])).toBe("EAGAIN");
  });

  test("resets what ends one of its streams that was closed before", () => {
    const { world, one, other, ends } = worldOf();
    const mend = world.partition(one, other);
    one.backend.close(ends[0]);
    one.crash();
    one.restart();
    mend();
    other.backend.shutdown(ends[1], "write");
    runFor(world, 10_000);
    expect(textFrom(other, ends[1])).toBe("ECONNRESET");
  });
});

test("a host that is back resets what comes, also where it had reset the connection before and that was lost", () => {
  const { world, one, other, ends } = worldOf();
  other.backend.send(ends[1], TEXT);
  runFor(world, 10);
  const mend = world.partition(one, other);
  // What is unread resets the connection.
  one.backend.close(ends[0]);
  one.crash();
  one.restart();
  mend();
  other.backend.send(ends[1], TEXT);
  runFor(world, 10_000);
  expect(textFrom(other, ends[1])).toBe("ECONNRESET");
});

describe("an answer to a connect that is lost", () => {
  test("comes again: the connection is made when the way is free", () => {
    const world = new SimWorld();
    const [one, other] = [world.host("10.0.0.1"), world.host("10.0.0.2")];
    const listener = listening(other);
    const mend = world.partition(other, one, true);
    const fd = connecting(one, other);
    runFor(world, 2000);
    expect(outcomeOf(one, fd)).toBe("connecting");
    mend();
    runFor(world, 5000);
    expect(outcomeOf(one, fd)).toBe("connected");
    expect(other.backend.accept(listener)).toHaveProperty("fd");
    expect(other.backend.accept(listener)).toBeLessThan(0);
  });

  test("does not come to a connect that times out, and the other end fails as well", () => {
    const world = new SimWorld();
    const [one, other] = [world.host("10.0.0.1"), world.host("10.0.0.2")];
    const listener = listening(other);
    world.partition(other, one, true);
    const fd = connecting(one, other);
    runFor(world, 10);
    const accepted = other.backend.accept(listener);
    if (typeof accepted === "number") throw new Error(other.backend.errorCode(accepted));
    runFor(world, 130_000);
    expect([outcomeOf(one, fd), textFrom(other, accepted.fd)]).toEqual(["ETIMEDOUT", "ETIMEDOUT"]);
  });

  test("is a refusal as well", () => {
    const world = new SimWorld();
    const [one, other] = [world.host("10.0.0.1"), world.host("10.0.0.2")];
    const mend = world.partition(other, one, true);
    const fd = connecting(one, other);
    runFor(world, 500);
    expect(outcomeOf(one, fd)).toBe("connecting");
    mend();
    runFor(world, 5000);
    expect(outcomeOf(one, fd)).toBe("ECONNREFUSED");
  });

  test("is not a reset by a host that is down", () => {
    const world = new SimWorld({ faults: { latency: { ms: 10 } } });
    const [one, other] = [world.host("10.0.0.1"), world.host("10.0.0.2")];
    const listener = listening(other);
    connecting(one, other);
    runFor(world, 15);
    const accepted = other.backend.accept(listener);
    if (typeof accepted === "number") throw new Error(other.backend.errorCode(accepted));
    one.crash();
    runFor(world, 10_000);
    expect(textFrom(other, accepted.fd)).toBe("EAGAIN");
    runFor(world, 130_000);
    expect(textFrom(other, accepted.fd)).toBe("ETIMEDOUT");
  });
});

test("an urgent byte that nobody reads leaves room for what follows", () => {
  const { world, one, other, ends } = worldOf({ faults: { "small-buffers": { bytes: 1 } } });
  expect(one.backend.sendOutOfBand(ends[0], Buffer.from("!"))).toBe(1);
  runFor(world, 10);
  expect(one.backend.send(ends[0], Buffer.from("x"))).toBe(1);
  runFor(world, 10);
  const set = other.backend.createPollSet();
  set.update(ends[1], Ready.READ);
  expect(set.wait(0)).toBe(1);
  expect(textFrom(other, ends[1])).toBe("x");
});

test("a send after a connect that failed says why", () => {
  const world = new SimWorld();
  const [one, other] = [world.host("10.0.0.1"), world.host("10.0.0.2")];
  const fd = connecting(one, other);
  runFor(world, 10);
  expect(one.backend.errorCode(one.backend.send(fd, TEXT))).toBe("ECONNREFUSED");
  expect(one.backend.errorCode(one.backend.send(fd, TEXT))).toBe("EPIPE");
});

test.each(["read", "write", "both"] as const)("a connect that is under way is over when it is shut down: %s", (how) => {
  const world = new SimWorld({ faults: { latency: { ms: 50 } } });
  const [one, other] = [world.host("10.0.0.1"), world.host("10.0.0.2")];
  listening(other);
  const fd = connecting(one, other);
  runFor(world, 10);
  expect(one.backend.shutdown(fd, how)).toBe(0);
  expect(textFrom(one, fd)).toBe("ECONNRESET");
  expect(textFrom(one, fd)).toBe("ENOTCONN");
  expect(one.backend.localAddress(fd)).toMatchObject({ host: "0.0.0.0" });
  runFor(world, 1000);
  expect(textFrom(one, fd)).toBe("ENOTCONN");
  one.backend.connect(fd, { host: other.address, port: 9 });
  runFor(world, 1000);
  expect(one.backend.remoteAddress(fd)).toEqual({ host: other.address, port: 9 });
});

test("descriptors that came with a connection that nobody accepted are closed", () => {
  const { backend } = new SimWorld().host("10.0.0.1");
  const listener = backend.socket("unix", "stream");
  backend.bind(listener, { path: "\0listener" });
  backend.listen(listener, 1);
  const client = backend.socket("unix", "stream");
  backend.connect(client, { path: "\0listener" });
  const [reader, writer] = backend.pipe() as [number, number];
  expect(backend.sendDescriptors(client, TEXT, [writer])).toBe(5);
  backend.close(writer);
  expect(backend.errorCode(backend.read(reader, new Uint8Array(1)))).toBe("EAGAIN");
  backend.close(listener);
  expect(backend.read(reader, new Uint8Array(1))).toBe(0);
});
