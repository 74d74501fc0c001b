/** What a message holds of memory while it comes in: about its length, however small the pieces are. */

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { IncomingMessage } from "../../examples/smtp/message.js";
import { Printer } from "../../examples/smtp/store.js";

const CONNECTIONS = 100;
const BYTES = 60_000;
/** A buffer that doubles holds twice the message; the rest is the process's own. A list of pieces holds 1.3 GB. */
const HELD_MAX = 5 * CONNECTIONS * BYTES;

function memoryInUse(): number {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

test("a hundred messages that come byte by byte hold some hundred KiB each at most", async () => {
  const before = memoryInUse();
  const messages = await Promise.all(
    Array.from(
      { length: CONNECTIONS },
      async () => new IncomingMessage(await new Printer().begin(), 2 ** 20, "header\n"),
    ),
  );
  for (let i = 0; i < BYTES; i++) for (const message of messages) message.take(Uint8Array.of(120));
  expect(messages.some(({ isFull }) => isFull)).toBe(false);
  expect(memoryInUse() - before).toBeLessThan(HELD_MAX);
  expect(messages).toHaveLength(CONNECTIONS);
});

test("what is written is what has come, in order, and the next write begins anew", async () => {
  const written: string[] = [];
  const delivery = {
    write: async (data: Uint8Array) => void written.push(Buffer.from(data).toString()),
    commit: () => Promise.resolve(),
    discard: () => Promise.resolve(),
  };
  const message = new IncomingMessage(delivery, 100_000, "header\n");
  for (const line of ["one", "..two", ".three", "x".repeat(70_000)]) {
    for (let at = 0; at < line.length; at += 1000) message.take(Buffer.from(line.slice(at, at + 1000)));
    expect(message.endLine()).toBe(false);
  }
  expect(message.isFull).toBe(true);
  await message.flush();
  expect(message.isFull).toBe(false);
  message.take(Buffer.from("last"));
  message.endLine();
  message.take(Buffer.from("."));
  expect(message.endLine()).toBe(true);
  await message.commit();
  expect(written).toEqual([`header\none\n.two\nthree\n${"x".repeat(70_000)}\n`, "last\n"]);
});
