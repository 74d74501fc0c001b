/** UDP sockets of a component under a policy: what becomes of one that sends to another address than before. Knows no layout. */

import { expect, onTestFinished, test } from "vitest";
import { Poller } from "../../host/component/polling.js";
import { UNCOUNTED } from "../../host/component/resources.js";
import { SocketWorld } from "../../host/component/socket-world.js";
import { UdpSocket } from "../../host/component/udp.js";
import { defaultBackend } from "../../host/net/default-backend.js";
import { Account } from "../../host/plugin/policy/account.js";
import { guardBackend } from "../../host/plugin/policy/guard.js";
import { parsePolicy } from "../../host/plugin/policy/schema.js";

const ANY = { host: "0.0.0.0", port: 0 };
const FIRST = { host: "127.0.0.1", port: 5000 };
const SECOND = { host: "127.0.0.1", port: 5001 };

function create(policy: Parameters<typeof parsePolicy>[0]): { socket: UdpSocket; refused: unknown[] } {
  const refused: unknown[] = [];
  const parsed = parsePolicy(policy);
  const account = new Account({ plugin: "p", limits: parsed.limits, onEvent: (event) => refused.push(event) });
  const backend = guardBackend(defaultBackend(), parsed, account);
  const poller = new Poller(backend);
  const grants = { listeners: [], mayOpen: true, onRefused: () => undefined };
  const world = new SocketWorld(backend, poller, UNCOUNTED, grants);
  const socket = new UdpSocket(world, opened(world), "ipv4");
  onTestFinished(() => {
    socket.release();
    poller.close();
  });
  return { socket, refused };
}

test.each([
  ["that the system has bound", false],
  ["that is bound to any port", true],
])("a socket %s sends to another address, where `udp` alone is granted", (_what, isBound) => {
  const { socket, refused } = create({ udp: ["127.0.0.1:5000-5001"] });
  if (isBound) {
    expect(socket.startBind(ANY)).toBeUndefined();
    expect(socket.finishBind()).toBeUndefined();
  }
  expect(socket.connect(FIRST)).toBeUndefined();
  const before = socket.localAddress();
  expect(socket.connect(SECOND)).toBeUndefined();
  expect(socket.remoteAddress()).toEqual(SECOND);
  expect(socket.disconnect()).toBeUndefined();
  expect(socket.localAddress()).toMatchObject({ host: "0.0.0.0", port: "port" in before ? before.port : 0 });
  expect(socket.send({ data: Uint8Array.of(1), to: FIRST })).toBeUndefined();
  expect(refused).toEqual([]);
});

test("no other port is to be had by that", () => {
  const { socket, refused } = create({ udp: ["127.0.0.1:5000"] });
  expect(socket.connect(FIRST)).toBeUndefined();
  expect(socket.disconnect()).toBeUndefined();
  const address = socket.localAddress();
  const port = "port" in address ? address.port : 0;
  const other = new UdpSocket(socket.world, opened(socket.world), "ipv4");
  onTestFinished(() => other.release());
  expect(other.startBind({ host: "0.0.0.0", port: port === 65_535 ? 1024 : port + 1 })).toMatchObject({
    error: "access-denied",
  });
  expect(other.startBind({ host: "127.0.0.1", port })).toMatchObject({ error: "access-denied" });
  expect(refused).toHaveLength(1);
});

function opened(world: SocketWorld): number {
  const fd = world.open("ipv4", "dgram");
  if (typeof fd !== "number") throw new Error("no socket");
  return fd;
}
