/** Connections of plugins to rules with TLS: the guest speaks plain text, the host TLS, with servers of node:tls. */

import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer as createTcpServer, connect as connectTcp } from "node:net";
import { createServer, type TLSSocket, type TlsOptions } from "node:tls";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type PolicyInput } from "wasyncore/plugin";
import { BUILD_TIMEOUT_MS } from "../assembly/programs.js";
import { eventually, openedFromNow, openDescriptors } from "../support/descriptors.js";
import { OTHER, SERVER } from "../support/tls.js";
import { createHost, type Told, WAYS } from "./support.js";
import { buildClient, pathOf } from "./tls-support.js";

const CA_PATH = pathOf("ca");
const modules = new Map<string, Uint8Array>();

beforeAll(async () => {
  const [command, reactor] = await Promise.all([buildClient(true), buildClient(false)]);
  modules.set("isolated", command).set("shared", reactor);
}, BUILD_TIMEOUT_MS);

interface Server {
  readonly port: number;
  readonly sockets: TLSSocket[];
}

/** A server that answers each line, closed when the test ends. */
async function serve(options: TlsOptions = {}, accept?: (socket: TLSSocket) => void): Promise<Server> {
  const sockets: TLSSocket[] = [];
  const server = createServer({ ...SERVER, ...options }, (socket) => {
    sockets.push(socket);
    socket.on("error", () => undefined);
    if (accept !== undefined) return accept(socket);
    socket.on("data", (data: Buffer) => socket.end(`got ${data.toString()}`));
  });
  server.on("tlsClientError", () => undefined);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port: (server.address() as { port: number }).port, sockets };
}

/** Lines of the plugin, until it has closed its connection. */
async function linesOf(told: Told): Promise<string[]> {
  const lines = (): string[] =>
    told.events.flatMap(({ name, details }) => (name === "line" ? [String(details["line"])] : []));
  for (let count = 1; !lines().some((line) => line === "close" || line.startsWith("error ")); count++) {
    await told.until("line", count);
  }
  return lines();
}

describe.each(WAYS)("a plugin that runs %s", (run) => {
  async function started(host: string, port: number, policy: PolicyInput) {
    const made = createHost();
    const module = modules.get(run) ?? new Uint8Array(0);
    const args = [host, String(port)];
    await made.host.start(module, { name: "guest", run, args, stdio: "lines", restart: "never", ...policy });
    return made;
  }

  test("connects to a server with TLS, and speaks plain text", async () => {
    const opened = openedFromNow();
    const server = await serve({ ALPNProtocols: ["one"] });
    const rule = {
      host: "127.0.0.1",
      ports: server.port,
      tls: { ca: CA_PATH, servername: "localhost", alpn: ["one"] },
    };
    const { host, told } = await started("127.0.0.1", server.port, { connect: [rule] });
    expect(await linesOf(told)).toEqual(["read got hello", "close"]);
    const [socket] = server.sockets;
    expect(socket?.alpnProtocol).toBe("one");
    expect((socket as unknown as { servername: unknown }).servername).toBe("localhost");
    await told.until("exit");
    expect(host.snapshot("guest")).toMatchObject({ connected: 1, tls: { handshakes: 1, failures: 0 } });
    await eventually(() => host.snapshot("guest").tls.connections, 0);
    await host.close();
    for (const each of server.sockets) each.destroy();
    await eventually(() => opened().length <= 1, true);
  });

  test("takes the name of the rule for the server's", async () => {
    const server = await serve();
    const rule = { host: "localhost", ports: server.port, addresses: ["127.0.0.1"], tls: { ca: CA_PATH } };
    const { told } = await started("localhost", server.port, { connect: [rule] });
    expect(await linesOf(told)).toEqual(["read got hello", "close"]);
  });

  test.each([
    ["of another name", { ca: CA_PATH, servername: "elsewhere.test" }, {}, "ERR_TLS_CERT_ALTNAME_INVALID"],
    ["with another certificate", { ca: CA_PATH, servername: "localhost" }, OTHER, "ERR_TLS_CERT_ALTNAME_INVALID"],
    ["that no known authority has signed", { servername: "localhost" }, {}, "UNABLE_TO_VERIFY_LEAF_SIGNATURE"],
  ])("finds the connection to a server %s reset", async (_which, tls, options, code) => {
    const server = await serve(options);
    const rule = { host: "127.0.0.1", ports: server.port, tls };
    const { host, told } = await started("127.0.0.1", server.port, { connect: [rule] });
    const lines = await linesOf(told);
    expect(lines.filter((line) => line.startsWith("read"))).toEqual([]);
    expect(await told.until("tls")).toMatchObject({ field: "connect[0].tls", kind: "connect", code, count: 1 });
    expect(host.snapshot("guest").tls).toMatchObject({ handshakes: 0, failures: 1 });
    expect(server.sockets.flatMap((socket) => (socket.bytesRead > 0 ? [socket.read()] : []))).not.toContain("hello");
  });

  test("may have a server that it cannot verify, where its policy says so", async () => {
    const server = await serve();
    const rule = { host: "127.0.0.1", ports: server.port, tls: { rejectUnauthorized: false } };
    const { told } = await started("127.0.0.1", server.port, { connect: [rule] });
    expect(await linesOf(told)).toEqual(["read got hello", "close"]);
  });

  test("is told where nobody listens, and where a server says nothing", async () => {
    const silent = createTcpServer((socket) => void socket.on("error", () => undefined));
    silent.listen(0, "127.0.0.1");
    await once(silent, "listening");
    onTestFinished(() => void silent.close());
    const { port } = silent.address() as { port: number };
    const rule = { host: "127.0.0.1", ports: port, tls: { handshakeTimeoutMs: 200 } };
    const { told } = await started("127.0.0.1", port, { connect: [rule] });
    await linesOf(told);
    expect(await told.until("tls")).toMatchObject({ kind: "connect", code: "ERR_TLS_HANDSHAKE_TIMEOUT" });
    const gone = await serve();
    const refused = { host: "127.0.0.1", ports: 1, tls: {} };
    expect(gone.port).toBeGreaterThan(1);
    const other = await started("127.0.0.1", 1, { connect: [refused] });
    await linesOf(other.told);
    expect(await other.told.until("tls")).toMatchObject({ kind: "connect", code: "ECONNREFUSED" });
  });

  test("has the rule that comes first", async () => {
    const plain = createTcpServer((socket) => {
      socket.on("error", () => undefined);
      socket.on("data", (data: Buffer) => socket.end(`plain ${data.toString()}`));
    });
    plain.listen(0, "127.0.0.1");
    await once(plain, "listening");
    onTestFinished(() => void plain.close());
    const { port } = plain.address() as { port: number };
    const connect = [`127.0.0.1:${port}`, { host: "127.0.0.0/8", ports: "*", tls: {} }];
    const { told } = await started("127.0.0.1", port, { connect });
    expect(await linesOf(told)).toEqual(["read plain hello", "close"]);
  });

  test("is told of a reset", async () => {
    const server = await serve({}, (socket) => {
      socket.on("data", () => {
        (socket as unknown as { _parent?: { reset?: () => void } })._parent?.reset?.();
        socket.destroy();
      });
    });
    const rule = { host: "127.0.0.1", ports: server.port, tls: { ca: CA_PATH, servername: "localhost" } };
    const { told } = await started("127.0.0.1", server.port, { connect: [rule] });
    expect((await linesOf(told)).at(-1)).toMatch(/^(?:close|error ECONNRESET)$/);
  });

  test("that is ended leaves nothing to its servers", async () => {
    const server = await serve({}, (socket) => void socket.resume());
    const rule = { host: "127.0.0.1", ports: server.port, tls: { ca: CA_PATH, servername: "localhost" } };
    const { host } = await started("127.0.0.1", server.port, { connect: [rule] });
    await eventually(() => [host.snapshot("guest").tls.connections, server.sockets.length], [1, 1]);
    const [socket] = server.sockets;
    const closed = new Promise((resolve) => socket?.once("close", resolve));
    await host.stop("guest", { timeoutMs: 0 });
    await closed;
    expect(host.names).toEqual([]);
  });
});

test("nobody else gets a connection through the host's port", async () => {
  const server = await serve({}, (socket) => void socket.resume());
  const rule = { host: "127.0.0.1", ports: server.port, tls: { ca: CA_PATH, servername: "localhost" } };
  const before = new Set(listening());
  const { host } = createHost();
  const module = modules.get("isolated") ?? new Uint8Array(0);
  await host.start(module, {
    name: "guest",
    args: ["127.0.0.1", String(server.port)],
    connect: [rule],
    stdio: "lines",
  });
  const ports = listening().filter((port) => !before.has(port));
  for (const port of ports) {
    const stranger = connectTcp({ port, host: "127.0.0.1" });
    stranger.on("error", () => undefined);
    await new Promise((resolve) => stranger.once("close", resolve));
  }
  expect(ports.length).toBeGreaterThan(process.platform === "linux" ? 0 : -1);
  await eventually(() => server.sockets.length, 1);
});

/** Ports on which this process listens at 127.0.0.1. */
function listening(): number[] {
  if (process.platform !== "linux") return [];
  const own = new Set(openDescriptors().map((each) => each.split(" ")[1]));
  return readFileSync("/proc/self/net/tcp", "utf8")
    .split("\n")
    .flatMap((line) => {
      const fields = line.trim().split(/\s+/);
      const [host, port] = fields[1]?.split(":") ?? [];
      const isOurs = own.has(`socket:[${fields[9]}]`);
      return host === "0100007F" && fields[3] === "0A" && port !== undefined && isOurs
        ? [Number.parseInt(port, 16)]
        : [];
    });
}
