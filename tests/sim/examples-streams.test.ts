/** The examples that pass bytes on, against clients in a world: echo, proxy, broadcast, the chat room. */

import { expect, test } from "vitest";
import { BroadcastServer } from "../../examples/broadcast.js";
import { EchoServer } from "../../examples/echo-server.js";
import { Proxy } from "../../examples/proxy.js";
import { openListener } from "../../host/net/listen.js";
import type { SimWorld } from "../../host/sim/index.js";
import type { Random } from "../../host/sim/random.js";
import {
  type Conditions,
  clientOn,
  expectRest,
  SERVER,
  SETTLED_MS,
  supervised,
  Talker,
  textOf,
  underFaults,
} from "./examples.js";

const PORT = 7;

/** Clients that are to have back what they send, and then the end. */
async function expectEchoes(
  world: SimWorld,
  size: number,
  { isGentle }: Conditions,
  random: Random,
  host: string,
): Promise<void> {
  const all = Array.from({ length: size }, (_, index) => {
    const text = textOf(random, 1 + random.below(3000));
    const cut = random.below(text.length);
    const steps = [text.slice(0, cut), text.slice(cut)].map((send) => ({ send, answer: send }));
    return clientOn(
      world,
      `10.0.1.${index + 1}`,
      random.below(3000),
      () => new Talker(steps, { host, port: PORT, window: 1 + random.below(2), endsHalf: true }),
    );
  });
  await world.run({ untilMs: 100_000 });
  for (const made of all) {
    if (isGentle) expect(made).toHaveLength(1);
    for (const talker of made) talker.expectAnswers(isGentle);
  }
  const after = clientOn(
    world,
    "10.0.9.9",
    0,
    () => new Talker([{ send: "are you there?", answer: "are you there?" }], { host, port: PORT, endsHalf: true }),
  );
  await world.run({ untilMs: 120_000 });
  expect(after).toHaveLength(1);
  for (const talker of after) talker.expectAnswers(true);
}

test("echo-server", async () => {
  await underFaults(
    async (world, size, conditions, random) => {
      const server = world.host(SERVER);
      supervised(world, server, () => void new EchoServer("0.0.0.0", PORT));
      await expectEchoes(world, size, conditions, random, SERVER);
      if (conditions.isGentle) await expectRest(world, server, 1);
    },
    { size: 4 },
  );
});

test("proxy, in front of echo-server", async () => {
  const PROXY = "10.0.0.2";
  await underFaults(
    async (world, size, conditions, random) => {
      supervised(world, world.host(SERVER), () => void new EchoServer("0.0.0.0", PORT));
      const proxy = world.host(PROXY);
      supervised(
        world,
        proxy,
        () => void new Proxy({ host: "0.0.0.0", port: PORT }, { host: SERVER, port: PORT }, false),
      );
      await expectEchoes(world, size, conditions, random, PROXY);
      if (conditions.isGentle) await expectRest(world, proxy, 1);
    },
    { size: 4 },
  );
});

/** Lines of one sender, each of which names it. */
const linesOf = (name: string, count: number): string[] =>
  Array.from({ length: count }, (_, at) => `${name} says ${at}\n`);

/** Reads what others say, and says its own lines at times. */
class Member extends Talker {
  constructor(world: SimWorld, random: Random, first: string, lines: readonly string[]) {
    super([], { port: PORT });
    if (this.fd < 0) return;
    this.send(Buffer.from(first));
    for (const line of lines) {
      world.at(Math.max(world.nowMs, 8000) + random.below(8000), () => {
        if (this.isConnected && this.fd >= 0) this.#say(line);
      });
    }
  }

  #say(line: string): void {
    try {
      this.send(Buffer.from(line));
    } catch (error) {
      this.handleError(error);
    }
  }
}

/** What each receives of another: in a network that loses nothing, all of it. */
function expectLines(received: string, said: readonly string[], isWhole: boolean): void {
  const [first] = said;
  if (first === undefined) return;
  const sender = first.slice(0, first.indexOf("."));
  // Behind the rest of a line that was cut off, where bytes are passed on and not lines.
  const pattern = new RegExp(String.raw`${sender}\.\d+ says \d+(?=\n)`, "g");
  const heard = [...received.matchAll(pattern)].map(([line]) => line);
  const wanted = said.map((line) => line.slice(0, -1));
  if (isWhole) expect(heard.toSorted()).toEqual(wanted.toSorted());
  else {
    expect(new Set(heard).size, "lines that come twice").toBe(heard.length);
    for (const line of heard) expect(wanted).toContain(line);
  }
}

async function expectAllHear(
  world: SimWorld,
  size: number,
  { isGentle }: Conditions,
  random: Random,
  hasNames: boolean,
): Promise<void> {
  const all = Array.from({ length: size + 1 }, (_, index) => {
    const said: string[] = [];
    let life = 0;
    const made = clientOn(world, `10.0.1.${index + 1}`, random.below(2000), () => {
      const name = `m${index}.${life++}`;
      // Bytes of several senders would be mixed.
      const lines = hasNames || index === 0 ? linesOf(name, 6) : [];
      said.push(...lines);
      return new Member(world, random, hasNames ? `${name}\n` : "", lines);
    });
    return { said, made };
  });
  await world.run({ untilMs: 60_000 });
  for (const { made } of all) {
    for (const talker of made) {
      if (isGentle) expect(talker.end).toBe("open");
      for (const { said, made: others } of all) {
        if (made !== others) expectLines(talker.received, said, isGentle);
        else if (said[0] !== undefined) expect(talker.received).not.toContain(said[0]);
      }
    }
  }
  for (const { made } of all) for (const talker of made) talker.close();
}

test("broadcast", async () => {
  await underFaults(
    async (world, size, conditions, random) => {
      const server = world.host(SERVER);
      supervised(world, server, () => void new BroadcastServer("0.0.0.0", PORT));
      await expectAllHear(world, size, conditions, random, false);
      if (conditions.isGentle) await expectRest(world, server, 1);
    },
    { size: 3 },
  );
});

interface ChatRoomModule {
  readonly ChatRoom: new (socket: ReturnType<typeof openListener>) => {
    readonly members: readonly unknown[];
    readonly arrivals: number;
  };
}

test("chat room", async () => {
  // Not by name: the portable examples have compiler options of their own.
  const { ChatRoom } = (await import(
    /* @vite-ignore */ new URL("../../examples/portable/chat-room.ts", import.meta.url).href
  )) as ChatRoomModule;
  await underFaults(
    async (world, size, conditions, random) => {
      const server = world.host(SERVER);
      const rooms: InstanceType<typeof ChatRoom>[] = [];
      supervised(world, server, () => void rooms.push(new ChatRoom(openListener({ host: "0.0.0.0", port: PORT }))));
      // Visitors leave while members arrive, which then have their descriptors.
      for (let index = 0; index < 4; index++) {
        const step = { send: `visitor ${index}\n`, answer: "" };
        const atMs = random.below(2000);
        clientOn(world, `10.0.2.${index + 1}`, atMs, () => new Talker([step], { port: PORT, endsHalf: true }));
      }
      await expectAllHear(world, size, conditions, random, true);
      // Those that have gone without a word are idle.
      await world.run({ untilMs: SETTLED_MS });
      await expectRest(world, server, 1);
      expect(rooms.at(-1)?.members).toHaveLength(0);
    },
    { size: 3 },
  );
});
