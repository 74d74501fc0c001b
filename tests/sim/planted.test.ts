/** Defects that are planted in an example are found by `explore`, and shrunk to the few events that they need. */

import { onTestFinished, expect, test } from "vitest";
import type { Mailbox } from "../../examples/pop3/mailbox.js";
import { Session } from "../../examples/pop3/session.js";
import { Listener } from "../../examples/serving.js";
import { setLogSink, type Socket } from "../../host/index.js";
import { explore, type FaultTable, type SimHost, type SimWorld } from "../../host/sim/index.js";
import { clientOn, SERVER, type Step, supervised, Talker } from "./examples.js";

const PORT = 110;
const BODY = "x".repeat(70);
const LINES = 600;
const TEXT = `Subject: long\n\n${`${BODY}\n`.repeat(LINES)}`;
const ON_WIRE = TEXT.replaceAll("\n", "\r\n");

const MAILBOX: Omit<Mailbox, "locked"> = {
  messages: async () => [
    {
      uid: "1",
      size: ON_WIRE.length,
      async *chunks() {
        for (let at = 0; at < TEXT.length; at += 8192) yield Buffer.from(TEXT.slice(at, at + 8192));
      },
      remove: async () => undefined,
    },
  ],
};

const GREETING = "+OK POP3 server ready\r\n";
const STEPS: readonly Step[] = [
  { send: "USER user\r\n", answer: "+OK send PASS\r\n" },
  { send: "PASS password\r\n", answer: "+OK 1 messages\r\n" },
  { send: "RETR 1\r\n", answer: `+OK ${ON_WIRE.length} octets\r\n${ON_WIRE}.\r\n` },
  { send: "NOOP\r\n", answer: "+OK \r\n" },
  { send: "QUIT\r\n", answer: "+OK bye\r\n" },
];

type Kind = new (socket: Socket, account: { user: string; password: string }, mailbox: Mailbox) => Session;

/** After a pause for a slow reader, the session is not woken when its output is sent. */
class LostWakeUp extends Session {
  override handleDrain(): void {}
}

/** It closes, although output is pending. */
class CutResponse extends Session {
  override closeWhenDone(): void {
    this.close();
  }
}

/** Its descriptor is closed once more, when it is another connection's. */
function doubleClose(host: SimHost): Kind {
  const { backend } = host;
  return class DoubleClose extends Session {
    override handleError(error: unknown): void {
      const { fd, map } = this;
      super.handleError(error);
      map.callLater(40, () => backend.close(fd));
    }
  };
}

const FAULTS: FaultTable = {
  latency: { ms: 2, jitterMs: 10 },
  loss: 0.01,
  "short-read": 0.05,
  "short-write": 0.02,
  "not-ready": 0.02,
  interrupt: 0.02,
  reset: 0.002,
  pause: { everyMs: 500, forMs: 100 },
};

/** Clients that each have a mailbox of their own with one long message. One that was not reset has it all, and then the end. */
function scenario(kindOf: (host: SimHost) => Kind): (world: SimWorld, size: number) => Promise<void> {
  return async (world, size) => {
    const server = world.host(SERVER);
    supervised(world, server, () => {
      const Chosen = kindOf(server);
      new Listener("0.0.0.0", PORT, (socket) => {
        new Chosen(socket, { user: "user", password: "password" }, { ...MAILBOX, locked: false });
      });
    });
    const all = Array.from({ length: size }, (_, index) =>
      clientOn(world, `10.0.1.${index + 1}`, index * 30, () => new Talker(STEPS, { port: PORT, greeting: GREETING })),
    );
    await world.run({ untilMs: 60_000 });
    const talkers = all.flat();
    const resets = world.injections.filter(({ name }) => name === "reset").length;
    const cut = talkers.filter(({ received, expected, end }) => received !== expected || end !== "eof");
    expect(cut.length, "conversations that are not whole, of those that were reset").toBeLessThanOrEqual(resets);
  };
}

const DEFECTS: Readonly<Record<string, (host: SimHost) => Kind>> = {
  "a lost wake-up": () => LostWakeUp,
  "a double close": doubleClose,
  "a cut response": () => CutResponse,
};

test.each(Object.entries(DEFECTS))("%s is found, and needs fewer than ten events", { timeout: 60_000 }, async (_name, kindOf) => {
  onTestFinished(setLogSink(() => undefined));
  const { failure } = await explore({ seeds: 500, size: 6, faults: FAULTS, scenario: scenario(kindOf) });
  if (failure === undefined) throw new Error("it was not found");
  console.log(_name, failure.seed, failure.size, failure.injections.map(i=>i.name+" "+i.detail), Object.keys(failure.world.faults??{}));
  expect(failure.injections.length).toBeLessThan(10);
  expect(failure.size).toBeLessThan(6);
});

test("without a defect, nothing is found", { timeout: 60_000 }, async () => {
  onTestFinished(setLogSink(() => undefined));
  const { failure } = await explore({ seeds: 20, size: 6, faults: FAULTS, scenario: scenario(() => Session) });
  expect(failure).toBeUndefined();
});
