/** The FTP server in a world, against a plain model of its files: transfers either way, renames, removals and aborts. */

import { expect, test } from "vitest";
import { Session } from "../../examples/ftp/session.js";
import { Listener } from "../../examples/serving.js";
import { loop, OSError } from "../../host/index.js";
import type { SimWorld } from "../../host/sim/index.js";
import type { Random } from "../../host/sim/random.js";
import { expectRest, later, SERVER, SETTLED_MS, supervised, textOf, underFaults } from "./examples.js";
import { Control, Data, DataListener } from "./ftp-client.js";
import { MemoryFiles } from "./memory-files.js";

const PORT = 21;

/** The connection has gone, or a transfer has failed, which is nobody's fault in a rough network. */
class Gone extends Error {}

/** One client with a directory of its own, and what it knows to be in there. */
class Client {
  /** What is in each file for certain. */
  readonly known = new Map<string, string>();
  /** Files of which it does not know. */
  readonly unsure = new Set<string>();
  operations = 0;
  control: Control | undefined;
  readonly #directory: string;
  readonly #address: string;
  readonly #random: Random;
  readonly #isGentle: boolean;
  readonly #bytesMax: number;

  constructor(index: number, address: string, random: Random, isGentle: boolean, bytesMax: number) {
    this.#directory = `/c${index}`;
    this.#address = address;
    this.#random = random;
    this.#isGentle = isGentle;
    this.#bytesMax = bytesMax;
  }

  async converse(count: number): Promise<void> {
    const control = new Control(SERVER, PORT);
    this.control = control;
    this.#expect(await control.reply(), "220");
    await this.#ask("USER anonymous", "331");
    await this.#ask("PASS x", "230");
    await this.#ask("TYPE I", "200");
    const made = await control.ask(`MKD ${this.#directory}`);
    if (made === undefined) throw new Gone();
    expect(made.slice(0, 3)).toMatch(/257|550/);
    await this.#ask(`CWD ${this.#directory}`, "250");
    for (let left = count; left > 0; left--) {
      await this.#operation();
      this.operations += 1;
    }
    await this.#ask("QUIT", "221");
  }

  async #operation(): Promise<void> {
    const random = this.#random;
    const name = `f${random.below(4)}`;
    const text = this.known.get(name);
    switch (random.below(9)) {
      case 0:
      case 1:
      case 2:
        return this.#store(name, textOf(random, random.below(this.#bytesMax)), random.below(4) === 0);
      case 3:
      case 4:
        return this.#retrieve(name);
      case 5: {
        if (this.unsure.has(name)) return;
        await this.#ask(`SIZE ${name}`, text === undefined ? "550" : `213 ${text.length}`);
        return;
      }
      case 6: {
        if (text === undefined) return;
        const to = `f${random.below(4)}`;
        await this.#ask(`RNFR ${name}`, "350");
        this.#forget(name, to);
        await this.#ask(`RNTO ${to}`, "250");
        this.unsure.delete(name);
        this.#learn(to, text);
        return;
      }
      case 7:
        if (this.unsure.has(name)) return;
        this.#forget(name);
        await this.#ask(`DELE ${name}`, text === undefined ? "550" : "250");
        this.unsure.delete(name);
        return;
      default:
        return this.#list();
    }
  }

  async #store(name: string, text: string, appends: boolean): Promise<void> {
    const before = appends ? (this.unsure.has(name) ? undefined : (this.known.get(name) ?? "")) : "";
    this.#forget(name);
    const { data } = await this.#transfer(`${appends ? "APPE" : "STOR"} ${name}`, text);
    // The client itself may have failed, and the server had what was sent before.
    if (!this.#isGentle && data.end !== "sent") throw new Again();
    expect(data.end).toBe("sent");
    if (before !== undefined) this.#learn(name, before + text);
  }

  async #retrieve(name: string): Promise<void> {
    const text = this.known.get(name);
    if (text === undefined) return;
    const from = this.#random.below(3) === 0 ? this.#random.below(text.length + 1) : 0;
    if (from > 0) await this.#ask(`REST ${from}`, "350");
    const { data } = await this.#transfer(`RETR ${name}`, undefined);
    if (!this.#isGentle && data.end !== "eof") throw new Again();
    expect(data.received).toBe(text.slice(from));
  }

  async #list(): Promise<void> {
    const { data } = await this.#transfer("NLST", undefined);
    if (!this.#isGentle && data.end !== "eof") throw new Again();
    const names = data.received.split("\r\n").slice(0, -1);
    for (const name of this.known.keys()) expect(names).toContain(name);
    for (const name of names) expect(this.known.has(name) || this.unsure.has(name)).toBe(true);
  }

  /** Opens a data connection either way, and transfers; sometimes ABOR comes before the end. */
  async #transfer(command: string, text: string | undefined): Promise<{ readonly data: Data }> {
    const aborts = this.#random.below(8) === 0;
    const { connect, close } = await this.#open(text);
    let data: Data | undefined;
    const { control } = this;
    if (control === undefined) throw new Gone();
    try {
      const begun = await control.ask(command);
      this.#expect(begun, "150");
      const transfer = await Promise.race([connect(), this.#without(control)]);
      data = transfer;
      if (aborts) {
        control.say("ABOR");
        const first = await control.reply();
        const second = await control.reply();
        if (second === undefined) throw new Gone();
        expect(second).toMatch(/^226 /);
        expect(first).toMatch(/^(?:226|426|425) /);
        throw new Gone("aborted");
      }
      const ended = await control.reply();
      if (!this.#isGentle && ended !== undefined && !ended.startsWith("226")) {
        expect(ended).toMatch(/^42[56] /);
        throw new Gone("not transferred");
      }
      this.#expect(ended, "226");
      while (transfer.end === "open") await this.#ends(transfer);
      return { data: transfer };
    } catch (error) {
      if (error instanceof Gone && error.message !== "" && control.end === "open") throw new Again();
      throw error;
    } finally {
      close();
      data?.close();
    }
  }

  readonly #ending = new WeakMap<Data, Promise<void>>();

  #ends(data: Data): Promise<void> {
    return this.#ending.get(data) ?? Promise.resolve();
  }

  /** The control connection has ended: no data connection follows. */
  async #without(control: Control): Promise<never> {
    await control.ended;
    throw new Gone();
  }

  async #open(text: string | undefined): Promise<{ connect(): Promise<Data>; close(): void }> {
    const make = (socket?: ConstructorParameters<typeof Data>[0]): Data => {
      let end: () => void = () => undefined;
      const ended = new Promise<void>((resolve) => (end = resolve));
      const data = new Data(socket, text, () => end());
      this.#ending.set(data, ended);
      return data;
    };
    if (this.#random.below(2) === 0) {
      const reply = await this.#ask("PASV", "227");
      const numbers = (/\((.*)\)/.exec(reply)?.[1] ?? "").split(",").map(Number);
      const data = make();
      data.createSocket();
      data.connect({ host: SERVER, port: (numbers[4] ?? 0) * 256 + (numbers[5] ?? 0) });
      return { connect: () => Promise.resolve(data), close: () => data.close() };
    }
    let accepted: (data: Data) => void = () => undefined;
    const first = new Promise<Data>((resolve) => (accepted = resolve));
    const listener = new DataListener((socket) => accepted(make(socket)));
    const port = listener.port;
    try {
      await this.#ask(`PORT ${this.#address.replaceAll(".", ",")},${port >> 8},${port & 255}`, "200");
    } catch (error) {
      listener.close();
      throw error;
    }
    return { connect: () => first, close: () => listener.close() };
  }

  async #ask(line: string, expected: string): Promise<string> {
    return this.#expect(await this.control?.ask(line), expected);
  }

  /** @throws Gone where there is no reply, which there has to be in a gentle network */
  #expect(reply: string | undefined, expected: string): string {
    if (reply === undefined && !this.#isGentle) throw new Gone();
    // The server may be out of descriptors.
    if (!this.#isGentle && reply !== undefined && /^(?:42[156]|451|450) /.test(reply)) throw new Again();
    expect(reply?.slice(0, expected.length)).toBe(expected);
    return reply ?? "";
  }

  #learn(name: string, text: string): void {
    this.unsure.delete(name);
    this.known.set(name, text);
  }

  #forget(...names: string[]): void {
    for (const name of names) {
      this.known.delete(name);
      this.unsure.add(name);
    }
  }
}

/** A command has failed, and the conversation can go on. */
class Again extends Error {}

/** Converses on the client's host; again after a crash, or where the network has ended the first try. */
function converse(world: SimWorld, client: Client, address: string, count: number, atMs: number): void {
  world.host(address).start(async (host) => {
    const { backend } = host;
    await later(world, Math.max(0, atMs - world.nowMs));
    const task = (async () => {
      while (client.operations < count && host.backend === backend) {
        try {
          await client.converse(count - client.operations);
        } catch (error) {
          if (!(error instanceof Gone || error instanceof Again || error instanceof OSError)) throw error;
          client.control?.close();
          // There may be no end of faults.
          if (world.nowMs > atMs + 60_000) return;
          client.operations += 1;
          await later(world, 500);
        }
      }
    })();
    let isDone = false;
    const done = task.finally(() => (isDone = true));
    // It is awaited at the end, and may fail before.
    done.catch(() => undefined);
    while (!isDone) {
      try {
        await loop();
      } catch (error) {
        if (!(error instanceof OSError)) throw error;
      }
      await Promise.race([later(world, 20), done]);
    }
    await done;
  });
}

test("ftp", async () => {
  await underFaults(
    async (world, size, { isGentle, bytesMax }, random) => {
      const server = world.host(SERVER);
      const files = new MemoryFiles();
      const settings = { root: files, account: undefined, mayWrite: true, idleMs: 300_000, tls: undefined };
      supervised(world, server, () => {
        files.open = 0;
        new Listener("0.0.0.0", PORT, (socket, { host = "" }) => void new Session(socket, host, settings));
      });
      const clients = Array.from({ length: size }, (_, index) => {
        const address = `10.0.1.${index + 1}`;
        const client = new Client(index, address, random, isGentle, Math.min(bytesMax, 20_000));
        converse(world, client, address, 12, random.below(2000));
        return client;
      });
      await world.run({ untilMs: SETTLED_MS });
      for (const [index, { known }] of clients.entries()) {
        for (const [name, text] of known)
          expect(files.nodes.get(`/c${index}/${name}`)?.data?.toString("latin1")).toBe(text);
      }
      expect(files.open, "files that are open").toBe(0);
      const last = new Client(99, "10.0.9.9", random, true, 1000);
      const { nowMs } = world;
      converse(world, last, "10.0.9.9", 5, nowMs);
      await world.run({ untilMs: nowMs + 60_000 });
      expect(last.operations).toBe(5);
      await expectRest(world, server, 1);
    },
    { size: 3 },
  );
});
