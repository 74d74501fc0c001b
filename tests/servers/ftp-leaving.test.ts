/** Clients of the FTP server that leave, in every state that a conversation can be in, and leave no descriptor behind. */

import { once } from "node:events";
import { closeSync, ftruncateSync, openSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { descriptorsOf, eventually } from "../support/descriptors.js";
import { Peer } from "../support/peers.js";
import { newDirectory, type Server, startServer } from "./support.js";

const CLIENTS = 6;

let server: Server;

beforeEach(async () => {
  const root = newDirectory();
  const big = openSync(join(root, "big"), "w");
  ftruncateSync(big, 100_000_000);
  closeSync(big);
  server = await startServer("ftp", "--root", root, "--write");
});

/** A control connection. */
class Client {
  readonly control: Peer;
  #lines = 0;

  private constructor(control: Peer) {
    this.control = control;
  }

  static async connect(): Promise<Client> {
    const client = new Client(await Peer.connect(server.port));
    await client.reply();
    return client;
  }

  static async logIn(): Promise<Client> {
    const client = await Client.connect();
    await client.command("USER anonymous");
    await client.command("PASS x");
    return client;
  }

  async command(line: string): Promise<string> {
    this.control.write(`${line}\r\n`);
    return this.reply();
  }

  /** The next line that comes. */
  async reply(): Promise<string> {
    while (true) {
      const lines = this.control.received.toString().split("\r\n");
      const line = lines.length - 1 > this.#lines ? lines[this.#lines] : undefined;
      if (line !== undefined) {
        this.#lines += 1;
        return line;
      }
      await this.control.atLeast(this.control.received.length + 1);
    }
  }

  /** Asks for a passive connection. @returns its port */
  async passive(): Promise<number> {
    const [, port] = /\(\|\|\|(\d+)\|\)/.exec(await this.command("EPSV")) ?? [];
    return Number(port);
  }
}

/** A data connection that reads nothing, and stays open when its client leaves. */
async function dataConnection(port: number): Promise<Socket> {
  const socket = connect({ host: "127.0.0.1", port, allowHalfOpen: true });
  onTestFinished(() => void socket.destroy());
  await once(socket, "connect");
  socket.pause().on("error", () => undefined);
  return socket;
}

/** A listener for PORT. */
async function listener(): Promise<number> {
  const listening = createServer((socket) => {
    socket.pause().on("error", () => undefined);
    onTestFinished(() => void socket.destroy());
  }).listen(0, "127.0.0.1");
  onTestFinished(() => void listening.close());
  await once(listening, "listening");
  return (listening.address() as AddressInfo).port;
}

async function activeClient(): Promise<Client> {
  const client = await Client.logIn();
  await client.command(`EPRT |1|127.0.0.1|${await listener()}|`);
  return client;
}

async function passiveClient(): Promise<Client> {
  const client = await Client.logIn();
  await dataConnection(await client.passive());
  return client;
}

const STATES: Readonly<Record<string, () => Promise<Client>>> = {
  "before the login": Client.connect,
  "after the login": Client.logIn,
  "in the middle of a line": async () => {
    const client = await Client.logIn();
    client.control.write("RETR bi");
    return client;
  },
  "after PASV": async () => {
    const client = await Client.logIn();
    await client.command("PASV");
    return client;
  },
  "after PASV and a data connection": passiveClient,
  "after PORT": activeClient,
  "after RETR without a data connection": async () => {
    const client = await Client.logIn();
    await client.passive();
    expect(await client.command("RETR big")).toMatch(/^150 /);
    return client;
  },
  "after STOR without a data connection": async () => {
    const client = await Client.logIn();
    await client.passive();
    expect(await client.command(`STOR new${client.control.socket.localPort}`)).toMatch(/^150 /);
    return client;
  },
  "in the middle of RETR": async () => {
    const client = await passiveClient();
    expect(await client.command("RETR big")).toMatch(/^150 /);
    return client;
  },
  "in the middle of RETR, active": async () => {
    const client = await activeClient();
    expect(await client.command("RETR big")).toMatch(/^150 /);
    return client;
  },
  "in the middle of RETR, with commands that wait": async () => {
    const client = await passiveClient();
    client.control.write("RETR big\r\nNOOP\r\nPASV\r\n");
    expect(await client.reply()).toMatch(/^150 /);
    return client;
  },
  "in the middle of STOR": async () => {
    const client = await Client.logIn();
    const data = await dataConnection(await client.passive());
    expect(await client.command(`STOR new${client.control.socket.localPort}`)).toMatch(/^150 /);
    data.write("x".repeat(100_000));
    return client;
  },
};

describe.each(["end", "reset"])("by the %s of the control connection", (how) => {
  test.each(Object.entries(STATES))("%s", async (_name, enter) => {
    const before = descriptorsOf(server.running.child.pid);
    // One at a time, so that the server has been in the state before it is left.
    const clients: Client[] = [];
    for (let i = 0; i < CLIENTS; i++) clients.push(await enter());
    expect(descriptorsOf(server.running.child.pid).length).toBeGreaterThanOrEqual(before.length + CLIENTS);
    for (const { control } of clients) {
      if (how === "reset") control.socket.resetAndDestroy();
      else control.socket.destroy();
    }
    await eventually(() => descriptorsOf(server.running.child.pid), before);
    expect(await (await Client.logIn()).command("NOOP")).toBe("200 ok");
  });
});

test("a client that ends its half alone is answered, and its transfer ended", async () => {
  const client = await passiveClient();
  client.control.socket.end("RETR big\r\nNOOP\r\n");
  const replies = (await client.control.toEnd()).toString().split("\r\n").slice(4);
  expect(replies).toEqual(["150 file follows", "426 transfer aborted", "200 ok", ""]);
});
