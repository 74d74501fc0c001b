/** The built package on versions of Node, on Bun and on Deno: both loops, both pollers, with clients inside of the process and outside. */

import { once } from "node:events";
import { connect } from "node:net";
import { describe, expect, test } from "vitest";
import { requireBuild, type Running, start } from "../support/processes.js";
import { missingProgram, programPath, programsNamed } from "../support/programs.js";

const PROGRAM = "tests/runtimes-js/echo.mjs";
const DENO = ["run", "-A", "--node-modules-dir=manual"];
const CLIENTS = 20;
const MESSAGES = 50;

function run(name: string, ...parameters: string[]): Running {
  requireBuild("dist/index.js");
  return start(programPath(name), [...(name === "deno" ? DENO : []), PROGRAM, ...parameters]);
}

/** One client of an echo server: a message at a time. @returns how many came back */
async function converse(port: number): Promise<number> {
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  let received = 0;
  for (let index = 0; index < MESSAGES; index++) {
    socket.write("hello");
    const [data] = (await once(socket, "data")) as [Buffer];
    if (data.toString() === "hello") received += 1;
  }
  socket.end();
  await once(socket, "close");
  return received;
}

for (const name of [...programsNamed("node"), "bun", "deno"]) {
  describe.skipIf(missingProgram(name) !== "")(`on ${name}`, () => {
    describe.each(["loop", "loopSync"])("%s", (how) => {
      test.each(["epoll", "poll"])("serves clients of its own map over %s, and ends", async (poller) => {
        const { code, signal, stdout } = await run(name, "both", how, poller).ended;
        expect({ code, signal, stdout }).toEqual({ code: 0, signal: null, stdout: "messages 1000\n" });
      });

      test.each(["epoll", "poll"])("waits for clients from outside over %s, and ends", async (poller) => {
        const server = run(name, "serve", how, poller);
        const [, port] = await server.line(/^port (\d+)$/);
        const clients = Array.from({ length: CLIENTS }, () => converse(Number(port)));
        expect(await Promise.all(clients)).toEqual(Array.from({ length: CLIENTS }, () => MESSAGES));
        const { code, signal, stdout } = await server.ended;
        expect({ code, signal, stdout }).toEqual({ code: 0, signal: null, stdout: `port ${port}\nserved\n` });
      });
    });
  });
}
