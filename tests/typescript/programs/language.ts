/** What the language and its promises do in a component, as lines that Node prints as well. */

import { EventEmitter } from "node:events";
import { inspect } from "node:util";
import { ChannelMap, loop } from "wasyncore";
import { greet } from "./greeting.js";

const say = (...words: readonly unknown[]): void => console.log(...words);

// The order of jobs and ticks.
process.nextTick(() => say("tick"));
queueMicrotask(() => say("job"));
void (async () => {
  say("async begins");
  await undefined;
  say("after one await");
  await (async () => "value")();
  say("after two");
  try {
    await Promise.reject(new RangeError("caught"));
  } catch (error) {
    say(String(error));
  }
  const settled = await Promise.allSettled([1, Promise.reject(new Error("no")), Promise.resolve(3)]);
  say(settled.map(({ status }) => status).join());
})();
Promise.resolve()
  .then(() => Promise.resolve("nested"))
  .then(say, say);
for (let index = 0; index < 3; index++) void Promise.resolve(index).then((each) => say("then", each));

// Generators of both kinds, closures, private members, regular expressions, big numbers.
async function* count(to: number): AsyncGenerator<number> {
  for (let number = 1; number <= to; number++) yield number;
}
class Account<T extends { readonly name: string }> {
  static #made = 0;
  readonly #owner: T;
  constructor(owner: T) {
    this.#owner = owner;
    Account.#made += 1;
  }
  get text(): string {
    return `${this.#owner.name} ${Account.#made}`;
  }
}
let sum = 0;
for await (const number of count(4)) sum += number;
say("sum", sum, new Account({ name: "Ann" }).text, 2n ** 70n, /(?<year>\d{4})-\d+/u.exec("2024-05")?.groups?.["year"]);
say(
  "bytes",
  Buffer.from("héllo €", "utf8").toString("base64"),
  new TextDecoder().decode(new TextEncoder().encode("naïve €😀")),
);
say(inspect({ list: [1, "two"], map: new Map([["key", { deep: true }]]), nothing: null }));
say("%s has %d items: %j", "format", 2, { a: 1 });
say(greet("imports"));

const emitter = new EventEmitter();
emitter.once("event", (value: number) => say("event", value));
emitter.emit("event", 7);

// Timers of the loop, which runs beside those of Node, and its end.
const map = new ChannelMap();
const order: string[] = [];
map.callLater(5, async () => {
  order.push("callLater");
  await Promise.resolve();
  order.push("its promise");
  map.callEvery(1, () => {
    order.push("callEvery");
    map.cancelTimers();
  });
});
const ended = loop({ map });
await new Promise((resolve) => setTimeout(resolve, 1));
order.push("setTimeout");
await ended;
order.sort();
say(order.join());

try {
  greet("");
} catch (error) {
  say(
    ((error as Error).stack ?? "")
      .split("\n")
      .slice(0, 2)
      .join("|")
      .replaceAll(/\(\S*greeting|:\d+\)/g, ""),
  );
}
process.on("exit", (code) => say("exit", code));
process.exitCode = 0;
