/** Defects that are planted in an example are found by `explore`, and shrunk to the few events that they need. */

import { onTestFinished, expect, test } from "vitest";
import { EchoHandler } from "../../examples/echo-server.js";
import type { Mailbox } from "../../examples/pop3/mailbox.js";
import { Session } from "../../examples/pop3/session.js";
import { Listener } from "../../examples/serving.js";
import { setLogSink, type Socket } from "../../host/index.js";
import { explore, type FaultTable, type SimHost, type SimWorld } from "../../host/sim/index.js";
import { Acceptor, clientOn, SERVER, type Step, supervised, Talker } from "./examples.js";

const PORT = 110;
const BODY = "x".repeat(70);
const LINES = 60;
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

/** It takes one write for all of its output: for the rest it does not ask to be woken. */
class LostWakeUp extends EchoHandler {
  #isWritten = false;

  override handleRead(): void {
    this.#isWritten = false;
    super.handleRead();
  }

  override writable(): boolean {
    return !this.#isWritten && super.writable();
  }

  override handleWrite(): void {
    super.handleWrite();
    this.#isWritten = true;
  }
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
    override handleClose(): void {
      const { fd, map } = this;
      super.handleClose();
      map.callLater(100, () => backend.close(fd));
    }
  };
}

const FAULTS: FaultTable = {
  latency: { ms: 2, jitterMs: 10 },
  loss: 0.01,
  "short-read": 0.05,
  "short-write": 0.05,
  "not-ready": 0.02,
  interrupt: 0.02,
  reset: 0.02,
  pause: { everyMs: 500, forMs: 100 },
};

/** Clients of a server. One that was not reset has all of its answers, and then the end. */
function scenario({ steps, greeting, begin }: Subject): (world: SimWorld, size: number) => Promise<void> {
  return async (world, size) => {
    const server = world.host(SERVER);
    supervised(world, server, () => begin(server));
    const all = Array.from({ length: size }, (_, index) =>
      clientOn(
        world,
        `10.0.1.${index + 1}`,
        index * 20,
        () => new Talker(steps, { port: PORT, greeting, endsHalf: true }),
      ),
    );
    await world.run({ untilMs: 15_000 });
    const talkers = all.flat();
    const resets = world.injections.filter(({ name }) => name === "reset").length;
    const cut = talkers.filter(({ received, expected, end }) => received !== expected || end !== "eof");
    expect(cut.length, "conversations that are not whole, of those that were reset").toBeLessThanOrEqual(resets);
  };
}

const SEARCH = { size: 5, faults: FAULTS, faultsUntilMs: 5000 } as const;

interface Subject {
  readonly steps: readonly Step[];
  readonly greeting: string;
  readonly begin: (host: SimHost) => void;
}

const pop3 = (kindOf: (host: SimHost) => Kind): Subject => ({
  steps: STEPS,
  greeting: GREETING,
  begin(host) {
    const Chosen = kindOf(host);
    new Listener("0.0.0.0", PORT, (socket) => {
      new Chosen(socket, { user: "user", password: "password" }, { ...MAILBOX, locked: false });
    });
  },
});

const echo = (Chosen: typeof EchoHandler): Subject => ({
  steps: [BODY, BODY, BODY].map((send) => ({ send, answer: send })),
  greeting: "",
  begin: () => void new Acceptor(PORT, (socket) => void new Chosen(socket)),
});

const DEFECTS: Readonly<Record<string, Subject>> = {
  "a lost wake-up": echo(LostWakeUp),
  "a double close": pop3(doubleClose),
  "a cut response": pop3(() => CutResponse),
};

test.each(Object.entries(DEFECTS))(
  "%s is found, and needs fewer than ten events",
  { timeout: 60_000 },
  async (_name, subject) => {
    onTestFinished(setLogSink(() => undefined));
    const { failure } = await explore({ ...SEARCH, seeds: 500, scenario: scenario(subject) });
    if (failure === undefined) throw new Error("it was not found");
    expect(failure.injections.length).toBeLessThan(10);
    expect(failure.size).toBeLessThan(5);
  },
);

test.each([
  ["echo", echo(EchoHandler)],
  ["pop3", pop3(() => Session)],
])("without a defect, nothing is found: %s", { timeout: 60_000 }, async (_name, subject) => {
  onTestFinished(setLogSink(() => undefined));
  const { failure } = await explore({ ...SEARCH, seeds: 30, scenario: scenario(subject) });
  expect(failure).toBeUndefined();
});
