/** `opened`: the outcome of a connect, for code that does not call `connect` itself or that calls it again. */

import { expect, test } from "vitest";
import { Dispatcher, Socket } from "wasyncore";
import { Client, mapWith, outcomeOf, soon } from "../support/opening.js";
import { newMap } from "../support/runs.js";
import { listener } from "../support/sockets.js";

test("opened of a channel that is connected already resolves; of one that is closed, it rejects", async () => {
  const map = newMap();
  const [near] = Socket.pair();
  const channel = new Dispatcher(near, map);
  await channel.opened;
  const other = new Dispatcher(undefined, map);
  other.createSocket();
  const outcome = outcomeOf(other.opened);
  other.close();
  await soon();
  expect(outcome.settled).toMatchObject({ code: "ECONNABORTED" });
});

test("opened may be waited for before connect is called", async () => {
  const map = newMap();
  const [, address] = listener("unix");
  const client = new Client(undefined, map);
  client.createSocket({ family: "unix" });
  const outcome = outcomeOf(client.opened);
  void client.connect(address);
  await soon();
  expect(outcome.settled).toBe("open");
});

test("a second connect takes the place of the first, which rejects", async () => {
  const [, address] = listener();
  const client = new Client(undefined, mapWith("127.0.0.1"));
  client.createSocket();
  const outcome = outcomeOf(client.connect({ host: "server.test", port: 9 }));
  void client.connect(address);
  await soon();
  expect(outcome.settled).toMatchObject({ code: "ECONNABORTED", address: "server.test" });
});
