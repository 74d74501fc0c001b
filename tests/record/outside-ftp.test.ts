/** A server that uses sockets, files, timers and dates of Node all at once is recorded under load, and replays. */

import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import { beforeAll, expect, test, vi } from "vitest";
import { requireBuild, ROOT, Running } from "../support/processes.js";
import { directory, replayed } from "./outside-support.js";

/** The test starts several processes, and many clients. */
vi.setConfig({ testTimeout: 60_000 });

beforeAll(() => {
  requireBuild("build/examples/ftp/server.js");
  requireBuild("dist/record/hooks.js");
});

/** A client of the FTP server, which leaves some of its transfers in the middle. */
class Client {
  readonly #socket: Socket;
  #text = "";
  #isClosed = false;
  #waiting: (() => void) | undefined;

  constructor(port: number) {
    this.#socket = connect(port, "127.0.0.1");
    this.#socket.on("error", () => undefined);
    this.#socket.on("data", (data) => {
      this.#text += String(data);
      this.#waiting?.();
    });
    this.#socket.on("close", () => {
      this.#isClosed = true;
      this.#waiting?.();
    });
  }

  /** @returns the next line of a reply that is none of several */
  async reply(): Promise<string> {
    while (true) {
      const [whole, line] = /^(?:\d{3}-[^]*?\r\n(?=\d{3} ))?(\d{3} [^\r]*)\r\n/.exec(this.#text) ?? [];
      if (whole !== undefined && line !== undefined) {
        this.#text = this.#text.slice(whole.length);
        return line;
      }
      if (this.#isClosed) return "closed";
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
      });
    }
  }

  async ask(line: string): Promise<string> {
    this.#socket.write(`${line}\r\n`);
    return this.reply();
  }

  /** @param leavesAfter so many bytes */
  async transfer(line: string, send: Uint8Array | undefined, leavesAfter: number): Promise<void> {
    const [, port] = /\|(\d+)\|/.exec(await this.ask("EPSV")) ?? [];
    if (port === undefined) return;
    const socket = connect(Number(port), "127.0.0.1");
    const closed = once(socket, "close");
    let received = 0;
    socket.on("error", () => undefined);
    socket.on("data", (data) => {
      received += data.length;
      if (received > leavesAfter) socket.destroy();
    });
    const first = await this.ask(line);
    if (!first.startsWith("1")) socket.destroy();
    else if (send !== undefined) socket.end(send);
    await closed;
    if (first.startsWith("1")) await this.reply();
  }

  end(): void {
    this.#socket.destroy();
  }
}

async function session(port: number, number: number): Promise<void> {
  const client = new Client(port);
  await client.reply();
  for (const line of ["USER anonymous", "PASS x", "TYPE I"]) await client.ask(line);
  for (let round = 0; round < 6; round++) {
    const name = `up-${(number + round) % 3}`;
    await client.transfer("RETR large", undefined, (number + round) % 4 === 0 ? 30_000 : Infinity);
    await client.transfer(`STOR ${name}`, Buffer.alloc(1000 * number + round, "u"), Infinity);
    await client.transfer("LIST", undefined, Infinity);
    await client.ask(round % 2 === 0 ? `SIZE ${name}` : `DELE ${name}`);
  }
  client.end();
}

test("an FTP server under load replays to the last call, from an empty directory", async () => {
  const at = directory();
  const [data, path] = [join(at, "data"), join(at, "run.wrec")];
  mkdirSync(data);
  writeFileSync(join(data, "large"), "0123456789".repeat(20_000));
  const args = ["build/examples/ftp/server.js", "--port", "0", "--write", "--root", data];
  const env = { ...process.env, WASYNCORE_RECORD: path };
  const server = new Running(process.execPath, args, ROOT, { env });
  const [, port] = await server.line(/(\d+)$/);
  await Promise.all(Array.from({ length: 16 }, async (_, number) => session(Number(port), number)));
  server.child.kill("SIGTERM");
  await server.ended;
  rmSync(data, { recursive: true });
  mkdirSync(data);
  const { code, stderr } = await replayed(path, args);
  expect(stderr).toContain("no difference");
  expect(code).toBe(0);
});
