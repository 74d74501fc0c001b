/**
 * Servers from other compilers as plugins: a Go program over net/http, a Rust program over tokio, a C program over poll, and
 * one of ours. Each serves curl and Node, outlives a client's reset, and is stopped and replaced.
 */

import { execFile } from "node:child_process";
import { once } from "node:events";
import { Agent, get, type IncomingMessage } from "node:http";
import { Agent as SecureAgent, get as getSecurely } from "node:https";
import { promisify } from "node:util";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { compilePlugin, type PluginCode, PluginHost, type PluginOptions, type PolicyInput } from "wasyncore/plugin";
import { eventually } from "../support/descriptors.js";
import { leaveOut, missingTools } from "../support/missing.js";
import { FOREIGN_SERVERS } from "./servers.js";
import { Client, createHost, leftFromNow, NOTHING, portOf } from "./support.js";
import { CA, LISTEN, tcp } from "./tls-support.js";

/** Go's standard library and tokio, on a busy machine, the first time. */
const COMPILE_TIMEOUT_MS = 600_000;
const CONNECTIONS = 1000;
/** All that open at once before the next do. */
const BATCH = 100;
const MIB = 2 ** 20;
const GREETING = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
const curl = promisify(execFile);
const missingCurl = leaveOut("Requests by curl to plugins", missingTools("curl"));

const policyOf = (version: string): PolicyInput => ({
  listen: ["127.0.0.1:0"],
  env: { VERSION: version },
  limits: { maxConnections: 2 * CONNECTIONS, maxDescriptors: 4 * CONNECTIONS, cpuMsPerTurn: 10_000 },
  stopTimeoutMs: 60_000,
});
const optionsOf = (version: string): PluginOptions => ({ name: "server", ...policyOf(version) });

/** A whole response by Node's client. */
async function request(port: number, path: string, agent?: Agent): Promise<Buffer> {
  const ask = agent instanceof SecureAgent ? getSecurely : get;
  const [response] = (await once(ask({ port, host: "127.0.0.1", path, agent: agent ?? false }), "response")) as [
    IncomingMessage,
  ];
  const parts: Buffer[] = [];
  for await (const part of response) parts.push(part as Buffer);
  expect(response.statusCode).toBe(200);
  return Buffer.concat(parts);
}

for (const { name, traps, missing, build } of FOREIGN_SERVERS) {
  describe.skipIf(missing() !== "")(`a plugin in ${name}`, () => {
    let code: PluginCode;

    beforeAll(async () => {
      code = await compilePlugin(await build());
      // Node keeps some descriptors from the first thread on.
      await using host = new PluginHost();
      await host.start(code, optionsOf("first"));
    }, COMPILE_TIMEOUT_MS);

    test("serves small and large responses, on connections that close and that are kept alive", async () => {
      const { host } = createHost();
      await host.start(code, optionsOf("first"));
      const port = portOf(host, "server");
      expect((await request(port, "/")).toString()).toBe("hello\n");
      // vitest compares byte by byte, which takes seconds.
      expect((await request(port, `/bytes/${4 * MIB}`)).equals(Buffer.alloc(4 * MIB))).toBe(true);
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      onTestFinished(() => agent.destroy());
      for (let count = 0; count < 50; count++) expect((await request(port, "/who", agent)).toString()).toBe("first");
      expect(host.snapshot("server").accepted).toBe(3);
    });

    test.skipIf(missingCurl !== "")("serves curl", async () => {
      const { host } = createHost();
      await host.start(code, optionsOf("first"));
      const url = `http://127.0.0.1:${portOf(host, "server")}/who`;
      expect((await curl("curl", ["--silent", "--fail", "--max-time", "15", url, url])).stdout).toBe("firstfirst");
    });

    test(`has ${CONNECTIONS} connections, one of which is reset, and serves all others`, async () => {
      const left = leftFromNow();
      const { host, told } = createHost();
      await host.start(code, optionsOf("first"));
      const port = portOf(host, "server");
      const clients: Client[] = [];
      while (clients.length < CONNECTIONS) {
        const opened = await Promise.all(Array.from({ length: BATCH }, () => Client.connect(port)));
        for (const answer of await Promise.all(opened.map((client) => client.ask(GREETING)))) {
          expect(answer).toContain("200 OK");
        }
        clients.push(...opened);
      }
      expect(host.snapshot("server").connections).toBe(CONNECTIONS);
      // In the middle of a request, and while it is idle.
      clients[0]?.socket.write("GET / HT");
      clients[0]?.socket.resetAndDestroy();
      clients[1]?.socket.resetAndDestroy();
      await eventually(() => host.snapshot("server").connections, CONNECTIONS - 2);
      const answers = await Promise.all(clients.slice(2).map((client) => client.ask(GREETING)));
      expect(answers.filter((answer) => !answer.includes("200 OK"))).toEqual([]);
      expect(told.events.map((event) => event.name)).toEqual(["up"]);
      await Promise.all(clients.slice(2).map((client) => client.end()));
      await host.stop("server");
      expect(await told.ending("server")).toEqual({ kind: "stopped", isGraceful: true });
      await host.close();
      await eventually(left, NOTHING);
    }, 120_000);

    test("is replaced: the old one serves its connections to their end, the new one all others", async () => {
      const { host, told } = createHost();
      await host.start(code, optionsOf("first"));
      const port = portOf(host, "server");
      const kept = await Client.connect(port);
      const who = "GET /who HTTP/1.1\r\nHost: x\r\n\r\n";
      expect(await kept.ask(who)).toMatch(/first$/);
      const replaced = host.replace("server", code, policyOf("second"));
      // Somebody answers all the time.
      let answers = 0;
      let isReplaced = false;
      const settled = (): void => void (isReplaced = true);
      replaced.then(settled, settled);
      do {
        expect((await request(port, "/who")).toString()).toMatch(/^(first|second)$/);
        answers++;
      } while (!isReplaced);
      await replaced;
      expect(answers).toBeGreaterThan(0);
      expect(await kept.ask(who)).toMatch(/first$/);
      // One that the old run has taken may be answered by it.
      while ((await request(port, "/who")).toString() !== "second");
      await kept.end();
      expect(await told.ending("server")).toEqual({ kind: "stopped", isGraceful: true });
    }, 60_000);

    test("serves HTTPS without knowing of it, and outlives clients that fail in their handshake", async () => {
      const { host, told } = createHost();
      await host.start(code, { ...optionsOf("first"), listen: LISTEN });
      const port = portOf(host, "server");
      const agent = new SecureAgent({ keepAlive: true, maxSockets: 1, ca: CA, servername: "localhost" });
      onTestFinished(() => agent.destroy());
      for (let count = 0; count < 20; count++) {
        const garbage = await tcp(port);
        garbage.write("GET / HTTP/1.1\r\n\r\n");
        const reset = await tcp(port);
        reset.resetAndDestroy();
        expect((await request(port, "/who", agent)).toString()).toBe("first");
        garbage.destroy();
      }
      expect((await request(port, `/bytes/${4 * MIB}`, agent)).equals(Buffer.alloc(4 * MIB))).toBe(true);
      expect(host.snapshot("server")).toMatchObject({ accepted: 1, tls: { handshakes: 1 } });
      await host.replace("server", code, { ...policyOf("second"), listen: LISTEN });
      const fresh = new SecureAgent({ ca: CA, servername: "localhost" });
      while ((await request(port, "/who", fresh)).toString() !== "second");
      agent.destroy();
      expect(await told.ending("server")).toEqual({ kind: "stopped", isGraceful: true });
    });

    test("is stopped at once while it waits", async () => {
      const { host, told } = createHost();
      await host.start(code, optionsOf("first"));
      const client = await Client.connect(portOf(host, "server"));
      expect(await client.ask(GREETING)).toContain("200 OK");
      await host.stop("server", { timeoutMs: 0 });
      expect(await client.closed).toBe("ECONNRESET");
      expect(await told.ending("server")).toEqual({ kind: "stopped", isGraceful: false });
    });

    if (!traps) return;
    test("that traps is started again, and tells where", async () => {
      const { host, told } = createHost();
      await host.start(code, { ...optionsOf("first"), restart: { minDelayMs: 0, maxDelayMs: 0 } });
      const client = await Client.connect(portOf(host, "server"));
      client.socket.write("GET /trap HTTP/1.1\r\nHost: x\r\n\r\n");
      const ending = await told.ending("server");
      expect(ending).toMatchObject({ kind: "trap", error: { message: "unreachable" } });
      if (ending.kind === "trap") expect(ending.error.frames.length).toBeGreaterThan(0);
      expect(await client.closed).toBe("ECONNRESET");
      await told.until("up", 2, "server");
      expect((await request(portOf(host, "server"), "/")).toString()).toBe("hello\n");
    });
  });
}
