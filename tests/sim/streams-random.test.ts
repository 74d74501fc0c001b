/**
 * Streams under random tables of faults: what a receiver has read is what was sent, in its order, and all of it where nothing ended
 * the connection early; an end comes after all bytes; a failure is noticed at both ends; and nothing stays open.
 */

import { constants } from "node:os";
import { expect, test } from "vitest";
import { type FaultTable, type SimHost, SimWorld } from "../../host/sim/index.js";
import { Random } from "../../host/sim/random.js";

const SEEDS = Array.from({ length: 60 }, (_, index) => index + 1);
const { EAGAIN, EINPROGRESS } = constants.errno;
const HOSTS = ["10.0.0.1", "10.0.0.2"] as const;
/** Beyond it no fault begins, and the streams have time to end. */
const BUSY_MS = 20_000;
const END_MS = 3_000_000;

/** One end of a connection. */
class End {
  readonly host: SimHost;
  readonly fd: number;
  readonly sent: number[] = [];
  readonly received: number[] = [];
  isShut = false;
  hasEnded = false;
  failure = "";

  constructor(host: SimHost, fd: number) {
    this.host = host;
    this.fd = fd;
  }

  send(random: Random): void {
    if (this.isShut || this.failure !== "") return;
    const data = Uint8Array.from({ length: 1 + random.below(400) }, (_, index) => (this.sent.length + index) % 251);
    const count = this.host.backend.send(this.fd, data);
    if (count > 0) this.sent.push(...data.subarray(0, count));
    else this.#failed(count);
  }

  /** Reads all that has arrived. */
  read(random: Random): void {
    while (!this.hasEnded && this.failure === "") {
      const data = this.host.backend.receive(this.fd, 1 + random.below(300));
      if (typeof data === "number") return this.#failed(data);
      this.received.push(...data);
      this.hasEnded = data.length === 0;
    }
  }

  shut(): void {
    // To shut down what is not connected yet would end it.
    if (this.isShut || this.failure !== "" || typeof this.host.backend.remoteAddress(this.fd) === "number") return;
    this.isShut = this.host.backend.shutdown(this.fd, "write") === 0;
  }

  #failed(result: number): void {
    if (result !== -EAGAIN) this.failure = this.host.backend.errorCode(result);
  }
}

function randomFaults(random: Random): FaultTable {
  const maybe = <T>(rate: number, value: T): T | undefined => (random.chance(rate) ? value : undefined);
  const one = <T>(...values: [T, ...T[]]): T => values[random.below(values.length)] ?? values[0];
  const at = Array.from({ length: random.below(4) }, () => ({
    atMs: random.below(BUSY_MS),
    forMs: random.below(one(500, 20_000)),
    host: one(...HOSTS),
    to: one(...HOSTS),
    oneWay: random.chance(0.5),
  }));
  const table = {
    latency: { ms: one(0.1, 50, 700, 3000), jitterMs: one(0, 10, 4000) },
    bandwidth: maybe(0.2, { bytes: one(1000, 20_000) }),
    loss: maybe(0.4, 0.2),
    "short-read": maybe(0.3, 0.3),
    "short-write": maybe(0.3, 0.3),
    "not-ready": maybe(0.3, 0.2),
    "small-buffers": maybe(0.4, { bytes: one(1, 50, 2000) }),
    reset: maybe(0.1, 0.02),
    crash: maybe(0.2, { at: [{ atMs: random.below(BUSY_MS), forMs: random.below(3000), host: HOSTS[1] }] }),
    partition: { at: at.filter(({ host, to }) => host !== to) },
  };
  return Object.fromEntries(Object.entries(table).filter(([, setting]) => setting !== undefined));
}

/** The ends of three connections, from the first host to the second, when all is over. */
function streamsOf(world: SimWorld, seed: number): readonly (readonly [End, End | undefined])[] {
  const random = new Random(seed, 1);
  const [near, far] = HOSTS.map((address) => world.host(address)) as [SimHost, SimHost];
  const listener = far.backend.socket("IPv4", "stream");
  far.backend.bind(listener, { host: far.address, port: 9 });
  far.backend.listen(listener, 5);
  const life = far.backend;
  const clients = [1, 2, 3].map(() => {
    const fd = near.backend.socket("IPv4", "stream");
    expect(near.backend.connect(fd, { host: far.address, port: 9 })).toBe(-EINPROGRESS);
    return new End(near, fd);
  });
  const servers = new Map<number, End>();
  const isOfLife = (end: End): boolean => end.host === near || far.backend === life;
  const ends = (): End[] => [...clients, ...servers.values()].filter((end) => end.host.isUp && isOfLife(end));
  const accept = (): void => {
    if (!far.isUp || far.backend !== life) return;
    for (let one = life.accept(listener); typeof one !== "number"; one = life.accept(listener)) {
      servers.set(one.address.port ?? 0, new End(far, one.fd));
    }
  };

  const step = (isBusy: boolean): void => {
    accept();
    for (const end of ends()) {
      if (isBusy && random.chance(0.6)) end.send(random);
      if (!isBusy || random.chance(0.6)) end.read(random);
    }
  };
  for (let count = 0; count < 60; count++) world.at(random.below(BUSY_MS), () => step(true));
  world.runSync({ untilMs: BUSY_MS });
  // What cannot hear of a crash but by sending goes on to send, until it has heard.
  const hasCrashed = far.backend !== life || !far.isUp;
  for (let count = 0; count < 300; count++) {
    for (const end of ends()) {
      if (hasCrashed) end.send(random);
      else end.shut();
    }
    world.runSync({ untilMs: world.nowMs + (END_MS - BUSY_MS) / 300 });
    for (let again = 0; again < 20; again++) step(false);
  }
  const ports = clients.map(({ fd }) => near.backend.localAddress(fd));
  return clients.map((client, index) => {
    const address = ports[index];
    return [client, typeof address === "object" ? servers.get(address.port ?? 0) : undefined] as const;
  });
}

/** Runs one seed. @returns the hash of what happened */
function check(seed: number): string {
  const world = new SimWorld({ seed, faults: randomFaults(new Random(seed)), faultsUntilMs: BUSY_MS });
  const streams = streamsOf(world, seed);
  const hasCrashed = world.injections.some(({ name }) => name === "crash");
  for (const [client, server] of streams) {
    for (const [from, to] of [
      [client, server],
      [server, client],
    ]) {
      const sent = from?.sent ?? [];
      const received = to?.received ?? [];
      expect(received).toEqual(sent.slice(0, received.length));
      if (to?.hasEnded === true) expect([from?.isShut, received.length]).toEqual([true, sent.length]);
    }
    const failures = [client.failure, server?.failure ?? ""];
    if (hasCrashed) expect([client.hasEnded, client.failure]).not.toEqual([false, ""]);
    else if (failures.every((each) => each === "")) expect([client.hasEnded, server?.hasEnded]).toEqual([true, true]);
    else if (server !== undefined) expect(failures).not.toContain("");
    const mayFail =
      hasCrashed || client.failure === "ETIMEDOUT" || world.injections.some(({ name }) => name === "reset");
    if (!mayFail) expect(failures).toEqual(["", ""]);
  }
  for (const host of world.hosts) {
    for (let fd = 3; host.openDescriptors > 0 && fd < 20; fd++) host.backend.close(fd);
    expect(host.openDescriptors).toBe(0);
  }
  expect(world.runSync()).toBe("idle");
  return world.traceHash();
}

test.each(SEEDS)("streams under the faults of seed %i", (seed) => {
  const hash = check(seed);
  expect(seed % 10 === 0 ? check(seed) : hash).toBe(hash);
  expect(hash).toMatch(/^[0-9a-f]{16}$/);
});
