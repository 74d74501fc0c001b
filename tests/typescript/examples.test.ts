/** The example servers run in a component unchanged, and Python's clients use them, on the hosts of components. */

import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { leaveFileOut, missingTools } from "../support/missing.js";
import { start } from "../support/processes.js";
import { buildProgram, LTS, NEWEST, NODE_HOST, serve } from "./support.js";

leaveFileOut("The tests of the examples in a component", missingTools("python3"));

const BUILD_LIMIT_MS = 120_000;
/** A runtime without a cache compiles the component first, for seconds. */
const START_LIMIT_MS = 60_000;
/** Of the message that the client sends. */
const LINES = 20_000;

let component = "";
beforeAll(async () => {
  component = await buildProgram("tests/typescript/programs/servers.ts", "servers");
}, BUILD_LIMIT_MS);

async function use(client: string, port: number): Promise<void> {
  const { code, stderr } = await start("python3", ["tests/typescript/clients.py", client, String(port)]).ended;
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
}

async function echoOfNode(): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, (socket) => void socket.pipe(socket)).listen(0, "127.0.0.1");
  onTestFinished(() => void server.close());
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

describe.each([NEWEST, NODE_HOST])("on $name", { timeout: START_LIMIT_MS }, (host) => {
  describe.skipIf(host.missing !== "")("serves", () => {
    test.each(["pop3", "ftp", "broadcast", "udp-echo"])("%s", async (name) => {
      const { program, port } = await serve(component, [name, "--port", "0"], host);
      await use(name, port);
      expect(program.child.exitCode).toBeNull();
    });

    test("smtp, which prints what it is sent", async () => {
      const { program, port } = await serve(component, ["smtp", "--port", "0"], host);
      await use("smtp", port);
      await program.line(/^-* END MESSAGE -*$/);
      program.child.kill("SIGKILL");
      const { stdout, stderr } = await program.ended;
      expect(stdout.match(/^\.begins with a dot$/gm)).toHaveLength(LINES);
      expect(stdout).toContain("Delivered-To: c@example.org\n");
      expect(stderr).toBe("");
    });

    test("proxy, which connects", async () => {
      const to = `127.0.0.1:${await echoOfNode()}`;
      const { program, port } = await serve(component, ["proxy", "--listen", "127.0.0.1:0", "--to", to], host);
      await use("proxy", port);
      expect(program.child.exitCode).toBeNull();
    });
  });
});

test.skipIf(LTS.missing !== "")("ftp is served on wasmtime 36 as well", { timeout: START_LIMIT_MS }, async () => {
  const { program, port } = await serve(component, ["ftp"], LTS);
  await use("ftp", port);
  expect(program.child.exitCode).toBeNull();
});
