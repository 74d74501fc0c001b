/** The pages for Prometheus and for health checks. */

import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { request } from "node:http";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type MetricsServer, type PluginSnapshot, PluginHost, serveMetrics } from "wasyncore/plugin";
import { metricsText } from "../../host/plugin/metrics-text.js";
import { ask, buildPlugin, createHost, portOf } from "./support.js";

/** A sample of the text format, or its declaration. */
interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const ESCAPES: Readonly<Record<string, string>> = { "\\\\": "\\", '\\"': '"', "\\n": "\n" };

/** Reads the text format as its definition says. @throws where a line is no such text, or a family is not in one piece */
function parse(text: string): { samples: Sample[]; types: Map<string, string> } {
  expect(text.endsWith("\n")).toBe(true);
  const samples: Sample[] = [];
  const types = new Map<string, string>();
  let family = "";
  for (const line of text.slice(0, -1).split("\n")) {
    const [, declared, name = "", rest = ""] = /^# (HELP|TYPE) ([a-zA-Z_:][\w:]*) (.+)$/.exec(line) ?? [];
    if (declared === "HELP") {
      expect(types.has(name), `${name} comes once`).toBe(false);
      family = name;
    } else if (declared === "TYPE") {
      expect(name).toBe(family);
      types.set(name, rest);
    } else samples.push(sampleOf(line, family));
  }
  return { samples, types };
}

function sampleOf(line: string, family: string): Sample {
  const match =
    /^([a-zA-Z_:][\w:]*)\{((?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\[\\"n])*",?)*)\} (-?\d+(?:\.\d+)?(?:e[+-]\d+)?)$/.exec(line);
  if (match === null) throw new Error(`no sample: ${JSON.stringify(line)}`);
  const [, name = "", labels = "", value] = match;
  expect(name).toBe(family);
  const pairs = [...labels.matchAll(/([a-zA-Z_]\w*)="((?:[^"\\\n]|\\[\\"n])*)"/g)].map(
    ([, label = "", text = ""]) => [label, text.replaceAll(/\\[\\"n]/g, (each) => ESCAPES[each] ?? "")] as const,
  );
  return { name, labels: Object.fromEntries(pairs), value: Number(value) };
}

function snapshot(name: string, more: Partial<PluginSnapshot> = {}): PluginSnapshot {
  const zero = { descriptors: 0, sockets: 0, connections: 0, accepted: 0, connected: 0, bytesIn: 0, bytesOut: 0 };
  return {
    ...zero,
    ...{ name, run: "shared", state: "running", listeners: [], restarts: 0, replacements: 0, uptimeMs: 0, cpuMs: 0 },
    ...{ memoryBytes: 0, turns: 0, hostBytes: 0, refused: {}, lastEnding: undefined },
    ...more,
  };
}

describe("the text", () => {
  const NAMES = ['a"b', "c\\", "d\ne", 'x"} 1\nfake{plugin="y', "ü 🦊", "\r\t\u0000\u2028", "{}=,#", "\\n"];

  test("has the names of plugins whatever they are, and is the format all the same", () => {
    const { samples, types } = parse(metricsText(NAMES.map((name) => snapshot(name))));
    for (const family of types.keys()) {
      const found = samples.filter(({ name }) => name === family).map(({ labels }) => labels["plugin"]);
      if (!family.endsWith("refused_total")) expect([...new Set(found)]).toEqual(NAMES);
    }
    expect(samples.length).toBe(NAMES.length * (types.size - 2 + 5));
  });

  test("has seconds, bytes, the state and what was refused", () => {
    const { samples, types } = parse(
      metricsText([
        snapshot("p", { uptimeMs: 1500, cpuMs: 0.25, memoryBytes: 2 ** 33, state: "waiting", refused: { connect: 3 } }),
      ]),
    );
    const of = (name: string, more: object = {}): number | undefined =>
      samples.find(
        (each) =>
          each.name === `wasyncore_plugin_${name}` &&
          Object.entries(more).every(([label, value]) => each.labels[label] === value),
      )?.value;
    expect([of("up"), of("uptime_seconds"), of("cpu_seconds_total"), of("memory_bytes")]).toEqual([
      ...[0, 1.5, 0.00025, 2 ** 33],
    ]);
    expect([of("state", { state: "waiting" }), of("state", { state: "running" })]).toEqual([1, 0]);
    expect(of("refused_total", { limit: "connect" })).toBe(3);
    for (const [name, type] of types) expect(type).toBe(name.endsWith("_total") ? "counter" : "gauge");
  });

  test("of a thousand plugins, and of none", () => {
    const many = Array.from({ length: 1000 }, (_, index) => snapshot(`plugin ${index}`));
    expect(parse(metricsText(many)).samples.length).toBe(19_000);
    expect(parse(metricsText([])).samples).toEqual([]);
  });
});

interface Answer {
  readonly status: number;
  readonly type: string | undefined;
  readonly body: string;
}

async function get({ address }: MetricsServer, path: string, method = "GET"): Promise<Answer> {
  const place = address.path === undefined ? { host: address.host, port: address.port } : { socketPath: address.path };
  const asking = request({ ...place, path, method, agent: false });
  asking.end();
  const [response] = (await once(asking, "response")) as [
    NodeJS.ReadableStream & { statusCode: number; headers: Record<string, string> },
  ];
  let body = "";
  for await (const chunk of response) body += String(chunk);
  return { status: response.statusCode, type: response.headers["content-type"], body };
}

describe("the server", () => {
  let code: Uint8Array;
  beforeAll(async () => {
    code = await buildPlugin("1");
  }, 60_000);

  test("says what plugins use, and who is not up", async () => {
    const { host, told } = createHost();
    const server = await serveMetrics(host);
    expect(server.address.host).toBe("127.0.0.1");
    expect(await get(server, "/healthz")).toMatchObject({ status: 200, body: '{"status":"ok","plugins":[]}\n' });
    await host.start(code, { name: "echo", run: "shared", listen: ["127.0.0.1:0"], restart: "never" });
    expect(await ask(portOf(host, "echo"), "hello")).toBe("hello");
    const { status, type, body } = await get(server, "/metrics?x=1");
    expect([status, type]).toEqual([200, "text/plain; version=0.0.4; charset=utf-8"]);
    const { samples } = parse(body);
    const labels = { plugin: "echo" };
    expect(samples).toContainEqual({ name: "wasyncore_plugin_up", labels, value: 1 });
    expect(samples).toContainEqual({ name: "wasyncore_plugin_accepted_total", labels, value: 1 });
    expect(samples).toContainEqual({ name: "wasyncore_plugin_received_bytes_total", labels, value: 5 });
    await ask(portOf(host, "echo"), "trap");
    await told.until("down");
    const health = await get(server, "/healthz");
    expect(health).toMatchObject({ status: 503, type: "application/json; charset=utf-8" });
    expect(JSON.parse(health.body)).toEqual({ status: "unavailable", plugins: [{ name: "echo", state: "down" }] });
  });

  test("refuses other pages and methods, and answers HEAD without a body", async () => {
    const { host } = createHost();
    const server = await serveMetrics(host);
    expect(await get(server, "/")).toMatchObject({ status: 404 });
    expect(await get(server, "/metrics", "POST")).toMatchObject({ status: 405 });
    expect(await get(server, "/metrics", "HEAD")).toMatchObject({ status: 200, body: "" });
  });

  test("on a Unix socket, whose file goes with it", async () => {
    const directory = mkdtempSync(join(tmpdir(), "wasyncore-metrics-"));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const { host } = createHost();
    const server = await serveMetrics(host, join(directory, "m.sock"));
    expect(await get(server, "/healthz")).toMatchObject({ status: 200 });
    await server.close();
    await server.close();
    expect(existsSync(join(directory, "m.sock"))).toBe(false);
  });

  test("ends with the host, whoever is connected", async () => {
    const host = new PluginHost();
    const server = await serveMetrics(host, "127.0.0.1:0");
    const { port = 0 } = server.address;
    const socket = connect(port, "127.0.0.1").on("error", () => undefined);
    await once(socket, "connect");
    const closed = once(socket, "close");
    await host.close();
    await closed;
    await server.close();
    await expect(serveMetrics(host)).rejects.toMatchObject({ code: "ERR_PLUGIN_HOST_CLOSED" });
  });

  test("peers that never read, send nonsense or are too many keep nobody from reading", async () => {
    const { host } = createHost();
    const server = await serveMetrics(host);
    const { port = 0 } = server.address;
    const peers: Socket[] = [];
    onTestFinished(() => peers.forEach((peer) => void peer.destroy()));
    for (const text of [
      "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n".repeat(5000),
      "\0\xff nonsense\r\n\r\n",
      "GET /metrics HT",
      "",
    ]) {
      const peer = connect(port, "127.0.0.1").on("error", () => undefined);
      peer.pause();
      peers.push(peer);
      await once(peer, "connect");
      peer.write(text);
    }
    expect(await get(server, "/metrics")).toMatchObject({ status: 200 });
    const many = Array.from({ length: 60 }, () => connect(port, "127.0.0.1").on("error", () => undefined));
    peers.push(...many);
    let gone = 0;
    for (const peer of many) peer.resume().once("close", () => gone++);
    await expect.poll(() => gone).toBeGreaterThanOrEqual(28);
    for (const peer of peers) peer.destroy();
    await expect
      .poll(() =>
        get(server, "/healthz").then(
          ({ status }) => status,
          () => 0,
        ),
      )
      .toBe(200);
  });

  test("refuses addresses by name", async () => {
    const { host } = createHost();
    for (const address of [
      "",
      "80",
      "127.0.0.1:70000",
      -1,
      1.5,
      65_536,
      null,
      {},
      { host: "", port: 1 },
      { path: "" },
      "a\0/b",
    ]) {
      await expect(serveMetrics(host, address as never), String(address)).rejects.toMatchObject({
        code: "ERR_INVALID_ARG_VALUE",
        message: expect.stringMatching(/^"address" must be a port/) as string,
      });
    }
    await expect(serveMetrics({} as never)).rejects.toMatchObject({ code: "ERR_INVALID_ARG_TYPE" });
    const server = await serveMetrics(host);
    await expect(serveMetrics(host, server.address)).rejects.toMatchObject({ code: "EADDRINUSE" });
  });
});
