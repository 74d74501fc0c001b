/** The POP3 server in a world, against a plain model of RFC 1939: what each command is answered, and what is removed. */

import { expect, test } from "vitest";
import type { Mailbox, Message } from "../../examples/pop3/mailbox.js";
import { Session } from "../../examples/pop3/session.js";
import { Listener } from "../../examples/serving.js";
import { closeAll } from "../../host/index.js";
import type { Random } from "../../host/sim/random.js";
import { clientOn, expectRest, SERVER, SETTLED_MS, type Step, supervised, Talker, underFaults } from "./examples.js";

const GREETING = "+OK POP3 server ready\r\n";
const ACCOUNT = { user: "user", password: "a b" };

interface Stored {
  readonly uid: string;
  /** With the line ends of the wire. */
  readonly text: string;
}

/** Messages that stay when the server's host crashes; its lock does not. */
class Store {
  readonly messages: Stored[];
  readonly removed: string[] = [];

  constructor(messages: readonly Stored[]) {
    this.messages = [...messages];
  }

  mailbox(): Mailbox {
    return {
      locked: false,
      messages: () =>
        Promise.resolve(
          this.messages.map((message): Message => ({
            uid: message.uid,
            size: message.text.length,
            async *chunks() {
              // As a file would have them: lines end in LF, and pieces end anywhere.
              const text = message.text.replaceAll("\r\n", "\n");
              for (let at = 0; at < text.length; at += 7) yield Buffer.from(text.slice(at, at + 7));
            },
            remove: async () => {
              this.removed.push(message.uid);
              this.messages.splice(this.messages.indexOf(message), 1);
            },
          })),
        ),
    };
  }
}

function messageOf(random: Random, number: number): Stored {
  const lines = Array.from(
    { length: 1 + random.below(20) },
    () => ["", ".", "..", ".a", "b".repeat(random.below(60))][random.below(5)] ?? "",
  );
  return { uid: `uid-${number}`, text: `Subject: ${number}\r\n\r\n${lines.map((line) => `${line}\r\n`).join("")}` };
}

const stuffed = (text: string): string => `${text.replaceAll(/^\./gm, "..")}.\r\n`;

/** What a server that does its work answers. */
class Model {
  readonly steps: Step[] = [];
  readonly #messages: readonly Stored[];
  readonly #deleted = new Set<number>();

  constructor(messages: readonly Stored[]) {
    this.#messages = messages;
  }

  get deleted(): string[] {
    return [...this.#deleted].map((at) => this.#messages[at]?.uid ?? "");
  }

  say(line: string, answer: string): void {
    this.steps.push({ send: `${line}\r\n`, answer });
  }

  logIn(random: Random): void {
    if (random.below(3) === 0) {
      this.say("USER user", "+OK send PASS\r\n");
      this.say("PASS wrong", "-ERR [AUTH] wrong user or password\r\n");
    }
    if (random.below(3) === 0) this.say("STAT", "-ERR STAT is not for now\r\n");
    this.say("user user", "+OK send PASS\r\n");
    this.say("PASS a b", `+OK ${this.#messages.length} messages\r\n`);
  }

  command(random: Random): void {
    const at = random.below(this.#messages.length + 1);
    const message = this.#deleted.has(at) ? undefined : this.#messages[at];
    const number = at + 1;
    const left = [...this.#messages.entries()].filter(([each]) => !this.#deleted.has(each));
    const missing = "-ERR no such message\r\n";
    const listed = (value: (each: Stored) => string | number): string =>
      `+OK ${left.length} messages\r\n${left.map(([each, found]) => `${each + 1} ${value(found)}\r\n`).join("")}.\r\n`;
    switch (random.below(10)) {
      case 0:
        return this.say("STAT", `+OK ${left.length} ${left.reduce((sum, [, { text }]) => sum + text.length, 0)}\r\n`);
      case 1:
        return this.say(
          "LIST",
          listed(({ text }) => text.length),
        );
      case 2:
        return this.say(`UIDL ${number}`, message === undefined ? missing : `+OK ${number} ${message.uid}\r\n`);
      case 3:
      case 4:
        return this.say(
          `RETR ${number}`,
          message === undefined ? missing : `+OK ${message.text.length} octets\r\n${stuffed(message.text)}`,
        );
      case 5: {
        const lines = random.below(6);
        return this.say(
          `TOP ${number} ${lines}`,
          message === undefined ? missing : `+OK top of message follows\r\n${stuffed(topOf(message.text, lines))}`,
        );
      }
      case 6:
        if (message !== undefined) this.#deleted.add(at);
        return this.say(`DELE ${number}`, message === undefined ? missing : "+OK marked for removal\r\n");
      case 7:
        if (random.below(2) === 0)
          return this.say(
            "UIDL",
            listed(({ uid }) => uid),
          );
        this.#deleted.clear();
        return this.say("RSET", "+OK nothing is marked for removal\r\n");
      case 8:
        return this.say("NOOP", "+OK \r\n");
      default:
        if (random.below(2) === 0) return this.say("XYZ", "-ERR no such command\r\n");
        return this.say("A".repeat(300), "-ERR line too long\r\n");
    }
  }

  quit(): void {
    this.say("QUIT", "+OK bye\r\n");
  }
}

/** The header, the empty line, and so many lines of the body. */
function topOf(text: string, lines: number): string {
  return text
    .split("\r\n")
    .slice(0, -1)
    .slice(0, 2 + lines)
    .map((line) => `${line}\r\n`)
    .join("");
}

test("pop3", async () => {
  await underFaults(
    async (world, size, { isGentle }, random) => {
      const server = world.host(SERVER);
      const all = Array.from({ length: size }, (_, index) => {
        const messages = Array.from({ length: 1 + random.below(5) }, (_, number) => messageOf(random, number));
        const store = new Store(messages);
        const model = new Model(messages);
        model.logIn(random);
        for (let count = random.below(12); count >= 0; count--) model.command(random);
        const quits = random.below(4) > 0;
        if (quits) model.quit();
        const port = 1100 + index;
        let isFirst = true;
        const window = 1 + random.below(4);
        const made = clientOn(world, `10.0.1.${index + 1}`, random.below(3000), () => {
          // One that is back after a crash only looks.
          const steps = isFirst ? model.steps : [];
          isFirst = false;
          return new Talker(steps, { port, window, greeting: GREETING, endsHalf: !quits });
        });
        return { messages, store, model, quits, port, made };
      });
      supervised(world, server, () => {
        closeAll();
        for (const { store, port } of all) {
          const mailbox = store.mailbox();
          new Listener(
            "0.0.0.0",
            port,
            (socket) => void (new Session(socket, ACCOUNT, mailbox).idleTimeoutMs = 600_000),
          );
        }
      });
      await world.run({ untilMs: SETTLED_MS });
      for (const { messages, store, model, quits, port, made } of all) {
        const [first] = made;
        first?.expectAnswers(isGentle);
        // Nothing is removed but by QUIT, and then all that was marked, once.
        const { removed } = store;
        if (first?.received === first?.expected && quits) expect(removed.toSorted()).toEqual(model.deleted.toSorted());
        else if (!quits || (first?.sentSteps ?? 0) < model.steps.length) expect(removed).toEqual([]);
        else if (removed.length > 0) expect(removed.toSorted()).toEqual(model.deleted.toSorted());
        // The mailbox can be had by the next one.
        const left = new Model(messages.filter(({ uid }) => !removed.includes(uid)));
        left.say("USER user", "+OK send PASS\r\n");
        left.say("PASS a b", `+OK ${messages.length - removed.length} messages\r\n`);
        left.quit();
        const after = clientOn(
          world,
          `10.0.9.${port - 1099}`,
          0,
          () => new Talker(left.steps, { port, greeting: GREETING }),
        );
        await world.run({ untilMs: world.nowMs + 10_000 });
        expect(after).toHaveLength(1);
        for (const talker of after) talker.expectAnswers(true);
      }
      await expectRest(world, server, size);
    },
    { size: 3 },
  );
});
