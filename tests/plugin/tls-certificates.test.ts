/** The certificates of plugins whose TLS the host has: files that change, or cannot be used; and clients that are not Node's. */

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import type { PolicyInput } from "wasyncore/plugin";
import { BUILD_TIMEOUT_MS } from "../assembly/programs.js";
import { eventually, openedFromNow } from "../support/descriptors.js";
import { createHost, portOf, type Way } from "./support.js";
import {
  askSecurely,
  buildServer,
  copyOf,
  makeCertificate,
  nameIn,
  pathOf,
  SERVER_TLS,
  startGuest,
  type Started,
  temporary,
  TlsClient,
  warmUp,
} from "./tls-support.js";

let first: Uint8Array;

beforeAll(async () => {
  first = await buildServer("first");
  await warmUp(first);
}, BUILD_TIMEOUT_MS);

const started = (run: Way, policy: PolicyInput = {}): Promise<Started> => startGuest(first, run, policy);

describe("certificates", () => {
  /** Of a new connection. */
  async function servedName(port: number): Promise<string> {
    const client = await TlsClient.connect(port, { rejectUnauthorized: false });
    const name = nameIn(client.socket.getPeerCertificate());
    await client.end();
    return name;
  }

  test("are reloaded when they are replaced by others, and connections go on", async () => {
    const directory = temporary();
    const [one, two] = [makeCertificate(directory, "one"), makeCertificate(directory, "two")];
    const files = { cert: join(directory, "cert.pem"), key: join(directory, "key.pem") };
    for (const what of ["cert", "key"] as const) copyOf(one[what], files[what]);
    const { port, told } = await started("isolated", { listen: [{ address: "127.0.0.1:0", tls: files }] });
    const old = await TlsClient.connect(port, { rejectUnauthorized: false });
    expect(await servedName(port)).toBe("one");
    for (const what of ["cert", "key"] as const) {
      copyOf(two[what], `${files[what]}.new`);
      renameSync(`${files[what]}.new`, files[what]);
    }
    expect(await told.until("tls")).toMatchObject({ kind: "reload", field: "listen[0].tls" });
    expect(await servedName(port)).toBe("two");
    expect(await old.ask("hello")).toBe("hello");
  });

  test("are reloaded when links lead to other files, as certbot makes them", async () => {
    const directory = temporary();
    const files = { cert: join(directory, "live.pem"), key: join(directory, "live-key.pem") };
    const link = (to: { readonly cert: string; readonly key: string }): void => {
      for (const what of ["cert", "key"] as const) {
        symlinkSync(to[what], `${files[what]}.new`);
        renameSync(`${files[what]}.new`, files[what]);
      }
    };
    link(makeCertificate(directory, "one"));
    const { host, port, told } = await started("shared", { listen: [{ address: "127.0.0.1:0", tls: files }] });
    link(makeCertificate(directory, "two"));
    await told.until("tls");
    expect(await servedName(port)).toBe("two");
    expect(host.snapshot("guest").tls.reloads).toBe(1);
  });

  test("that cannot be used are reported, and those before stay", async () => {
    const directory = temporary();
    const one = makeCertificate(directory, "one");
    const { port, told } = await started("shared", { listen: [{ address: "127.0.0.1:0", tls: one }] });
    writeFileSync(one.cert, "no certificate");
    const event = await told.until("tls");
    expect(event).toMatchObject({ kind: "reload-failed", field: "listen[0].tls" });
    expect(event["message"]).toContain(one.cert);
    expect(await servedName(port)).toBe("one");
    const two = makeCertificate(directory, "two");
    for (const what of ["cert", "key"] as const) renameSync(two[what], one[what]);
    expect(await told.until("tls", 2)).toMatchObject({ kind: "reload" });
    expect(await servedName(port)).toBe("two");
  });

  test("that cannot be read or used at the start are an error that names the file", async () => {
    const directory = temporary();
    const opened = openedFromNow();
    const { host } = createHost();
    const start = (tls: object): Promise<string> =>
      host.start(first, { name: "guest", listen: [{ address: "127.0.0.1:0", tls: { ...SERVER_TLS, ...tls } }] });
    const failure = (message: string): unknown =>
      expect.objectContaining({ code: "ERR_PLUGIN_TLS", message: expect.stringContaining(message) as string });
    await expect(start({ cert: join(directory, "none.pem") })).rejects.toThrow(failure(join(directory, "none.pem")));
    writeFileSync(join(directory, "junk.pem"), "junk");
    await expect(start({ key: join(directory, "junk.pem") })).rejects.toThrow(failure(join(directory, "junk.pem")));
    await expect(start({ key: pathOf("other-key") })).rejects.toThrow(failure("together"));
    await expect(start({ requestCert: true, ca: join(directory, "junk.pem") })).rejects.toThrow(failure("junk.pem"));
    expect(host.names).toEqual([]);
    await host.close();
    await eventually(opened, []);
  });

  test("that cannot be used at the start are tried again where the plugin is to be kept, and reported", async () => {
    const directory = temporary();
    const { cert, key } = makeCertificate(directory, "one");
    const pem = readFileSync(cert);
    writeFileSync(cert, "no certificate");
    const { host, told } = createHost();
    const restart = { when: "failure", minDelayMs: 1, maxDelayMs: 20, maxRestarts: 1000 } as const;
    const listen = [{ address: "127.0.0.1:0", tls: { cert, key } }];
    await host.start(first, { name: "guest", run: "shared", listen, restart, onStartFailure: "restart" });
    const { ending } = await told.until("exit", 2);
    expect(ending).toMatchObject({ kind: "failed", error: { code: "ERR_PLUGIN_TLS" } });
    writeFileSync(cert, pem);
    await told.until("up");
    expect(await servedName(portOf(host, "guest"))).toBe("one");
  });

  test("may be text", async () => {
    const tls = { cert: readFileSync(SERVER_TLS.cert, "utf8"), key: readFileSync(SERVER_TLS.key, "utf8") };
    const { port } = await started("shared", { listen: [{ address: "127.0.0.1:0", tls }] });
    expect(await askSecurely(port, "hello")).toBe("hello");
  });
});

describe("from outside", () => {
  test("openssl s_client", async () => {
    const { port } = await started("isolated");
    const process = spawn("openssl", ["s_client", "-connect", `127.0.0.1:${port}`, "-CAfile", pathOf("ca"), "-quiet"]);
    let output = "";
    process.stdout.on("data", (data: Buffer) => (output += data.toString()));
    process.stdin.end("bye\n");
    await once(process, "close");
    expect(output).toBe("bye\n");
  });

  test.skipIf(spawnSync("curl", ["--version"]).status !== 0)("curl, with the certificate's authority", async () => {
    const { port } = await started("shared");
    const options = ["--http0.9", "-s", "--max-time", "10", "--cacert", pathOf("ca"), "-X", "bye\nx"];
    const process = spawn("curl", [...options, `https://localhost:${port}/`]);
    let output = "";
    process.stdout.on("data", (data: Buffer) => (output += data.toString()));
    const [status] = (await once(process, "close")) as [number];
    expect([status, output]).toEqual([0, "bye\n"]);
  });
});
