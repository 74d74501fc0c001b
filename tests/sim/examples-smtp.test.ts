/** The SMTP server in a world, against a plain model of RFC 5321: what each command is answered, and which messages are kept. */

import { expect, test } from "vitest";
import { Listener } from "../../examples/serving.js";
import { Session } from "../../examples/smtp/session.js";
import type { Store } from "../../examples/smtp/store.js";
import type { Random } from "../../host/sim/random.js";
import {
  clientOn,
  expectRest,
  SERVER,
  SETTLED_MS,
  type Step,
  supervised,
  Talker,
  textOf,
  underFaults,
} from "./examples.js";

const PORT = 25;
const GREETING = "220 mail.test ESMTP\r\n";
const SIZE_MAX = 2000;

/** Messages that were kept, and what is still being delivered. */
class Kept implements Store {
  readonly messages: string[] = [];
  begun = 0;
  open = 0;

  async begin(): ReturnType<Store["begin"]> {
    this.begun += 1;
    this.open += 1;
    let text = "";
    let isOpen = true;
    const close = (): void => {
      if (isOpen) this.open -= 1;
      isOpen = false;
    };
    return {
      write: async (data) => {
        if (!isOpen) throw new Error("written after its end");
        text += Buffer.from(data).toString("latin1");
      },
      commit: async () => {
        if (!isOpen) throw new Error("committed twice");
        close();
        this.messages.push(text);
      },
      discard: async () => close(),
    };
  }
}

/** A message in the lines of which is an id that no other message has. */
function linesOf(random: Random, id: string): string[] {
  const lines = Array.from(
    { length: random.below(25) },
    () => ["", ".", "..", ".a b", textOf(random, random.below(90))][random.below(5)] ?? "",
  );
  return [`Subject: ${id}`, "", ...lines];
}

/** What a server that does its work answers, and keeps. */
class Model {
  readonly steps: Step[] = [];
  /** By the step whose answer says so. */
  readonly kept: { readonly step: number; readonly id: string; readonly text: string }[] = [];
  #isGreeted = false;
  #hasSender = false;
  #recipients = 0;

  say(line: string, answer: string): void {
    this.steps.push({ send: `${line}\r\n`, answer: `${answer}\r\n` });
  }

  command(random: Random, id: string): void {
    switch (random.below(9)) {
      case 0:
        this.say(
          "EHLO client.test",
          `250-mail.test\r\n250-SIZE ${SIZE_MAX}\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 PIPELINING`,
        );
        this.#isGreeted = true;
        return this.#clear();
      case 1:
      case 2:
        if (!this.#isGreeted) return this.say("MAIL FROM:<a@b.test>", "503 send HELO or EHLO first");
        this.say("MAIL FROM:<a@b.test>", this.#hasSender ? "503 there is a sender already" : "250 ok");
        this.#hasSender = true;
        return;
      case 3:
      case 4:
        this.say("RCPT TO:<c@d.test>", this.#hasSender ? "250 ok" : "503 send MAIL first");
        if (this.#hasSender) this.#recipients += 1;
        return;
      case 5:
      case 6:
        return this.#data(random, id);
      case 7:
        this.say("RSET", "250 ok");
        return this.#clear();
      default:
        return random.below(2) === 0 ? this.say("NOOP", "250 ok") : this.say("XYZ", "500 no such command");
    }
  }

  quit(): void {
    this.say("QUIT", "221 bye");
  }

  #clear(): void {
    this.#hasSender = false;
    this.#recipients = 0;
  }

  #data(random: Random, id: string): void {
    if (this.#recipients === 0) return this.say("DATA", "503 send RCPT first");
    this.say("DATA", "354 end with a dot alone");
    const lines = linesOf(random, id);
    const size = lines.reduce((sum, line) => sum + line.length + 2, 0);
    const isKept = size <= SIZE_MAX;
    const stuffed = lines.map((line) => (line.startsWith(".") ? `.${line}` : line));
    this.say([...stuffed, "."].join("\r\n"), isKept ? "250 kept" : "552 message too long");
    if (isKept) this.kept.push({ step: this.steps.length, id, text: lines.map((line) => `${line}\n`).join("") });
    this.#clear();
  }
}

test("smtp", async () => {
  await underFaults(
    async (world, size, { isGentle }, random) => {
      const server = world.host(SERVER);
      const stores: Kept[] = [];
      supervised(world, server, () => {
        const store = new Kept();
        const settings = { name: "mail.test", store, sizeMax: SIZE_MAX, idleMs: 300_000, tls: undefined };
        new Listener("0.0.0.0", PORT, (socket, { host = "" }) => void new Session(socket, host, settings));
        stores.push(store);
      });
      const all = Array.from({ length: size }, (_, index) => {
        const models: Model[] = [];
        const quits = random.below(4) > 0;
        const window = 1 + random.below(5);
        const made = clientOn(world, `10.0.1.${index + 1}`, random.below(3000), () => {
          const model = new Model();
          for (let count = 3 + random.below(16); count > 0; count--)
            model.command(random, `${index}/${models.length}/${count}`);
          if (quits) model.quit();
          models.push(model);
          return new Talker(model.steps, { port: PORT, window, greeting: GREETING, endsHalf: !quits });
        });
        return { models, made };
      });
      await world.run({ untilMs: SETTLED_MS });
      // What was kept is not lost when the host crashes.
      const messages = stores.flatMap(({ messages }) => messages);
      let known = 0;
      for (const { models, made } of all) {
        for (const [life, talker] of made.entries()) {
          talker.expectAnswers(isGentle);
          for (const { step, id, text } of models[life]?.kept ?? []) {
            const found = messages.filter((message) => message.includes(`Subject: ${id}\n`));
            known += found.length;
            if (talker.answered >= step) expect(found, `${id} is kept, as was answered`).toHaveLength(1);
            if (talker.sentSteps < step) expect(found, `${id} was not sent`).toEqual([]);
            expect(found.length).toBeLessThanOrEqual(1);
            for (const message of found)
              expect(message.endsWith(`\n${text}`) && message.startsWith("Return-Path: <a@b.test>\n")).toBe(true);
          }
        }
      }
      expect(known, "messages that nobody sent").toBe(messages.length);
      expect(stores.at(-1)?.open, "deliveries that are neither kept nor dropped").toBe(0);
      const after = clientOn(
        world,
        "10.0.9.9",
        0,
        () => new Talker([{ send: "QUIT\r\n", answer: "221 bye\r\n" }], { port: PORT, greeting: GREETING }),
      );
      await world.run({ untilMs: world.nowMs + 10_000 });
      expect(after).toHaveLength(1);
      for (const talker of after) talker.expectAnswers(true);
      await expectRest(world, server, 1);
    },
    { size: 4 },
  );
});
