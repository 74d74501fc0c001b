/** What the language and its promises do in a component, as lines that Node prints as well. */

import { EventEmitter } from "node:events";
import { inspect } from "node:util";
import { ChannelMap, loop, socketMap } from "wasyncore";
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
say("bytes", describeBytes());
say(inspect({ list: [1, "two"], map: new Map([["key", { deep: true }]]), nothing: null }));
say("%s has %d items: %j", "format", 2, { a: 1 });
say(greet("imports"));

// What stops an immediate or a listener that would run later in the same pass; a timer that has called back starts again.
const first = setImmediate(() => clearImmediate(second));
const second = setImmediate(() => say("never", first.hasRef()));
const listeners = new EventTarget();
const late = (): void => say("never");
listeners.addEventListener("event", () => listeners.removeEventListener("event", late));
listeners.addEventListener("event", late);
listeners.dispatchEvent(new Event("event"));
let calls = 0;
const again = setTimeout(() => {
  calls += 1;
  if (calls < 3) again.refresh();
}, 1);
process.on("exit", () => say("called", calls));
try {
  queueMicrotask(undefined as never);
} catch (error) {
  say((error as NodeJS.ErrnoException).code);
}

const emitter = new EventEmitter();
emitter.once("event", (value: number) => say("event", value));
emitter.emit("event", 7);

/** What Buffer finds of a Uint8Array, in texts of few letters; and its other methods that take one. */
function describeBytes(): string {
  let seed = 1;
  const letters = (length: number, kinds: number): Uint8Array =>
    Uint8Array.from({ length }, () => (seed = (seed * 48_271) % 2_147_483_647) % kinds);
  const found = Array.from({ length: 400 }, (_, index) => {
    const [text, part] = [Buffer.from(letters(index % 50, 2)), letters(index % 7, 2)];
    const start = (index % 60) - 30;
    return [
      text.indexOf(part, start),
      text.indexOf(part),
      text.includes(Buffer.from(part)),
      text.lastIndexOf(letters(1, 2)),
    ].join();
  });
  const text = Buffer.from("a?b>c~ÿ€ aab aab");
  const target = new Uint8Array(4);
  text.copy(target, 1, 1, 3);
  return [
    ...found,
    text.indexOf("aab", -4),
    text.indexOf("€"),
    text.indexOf("aab", "latin1"),
    text.indexOf(0x3f),
    Buffer.from("héé", "utf16le").indexOf("é", 4, "utf16le"),
    Buffer.prototype.indexOf.call(new Uint8Array([1, 2, 3]), new Uint8Array([2, 3])),
    text.equals(new Uint8Array(text)),
    target.join("-"),
    text.toString("base64url"),
    Buffer.from("YT9iPmN-", "base64url").toString(),
    Buffer.byteLength("YT9iPg", "base64url"),
    Buffer.isEncoding("base64url"),
  ].join();
}

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

// The map that is used where none is given.
socketMap.callLater(2, () => say("timer of socketMap"));
await loop();

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
