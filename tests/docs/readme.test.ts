/** README.md: its server serves, and it leads to every page of docs/. */

import { afterAll, beforeAll, expect, test } from "vitest";
import { BUILD_TIMEOUT_MS } from "../assembly/programs.js";
import { Peer } from "../support/peers.js";
import { pattern } from "../support/sockets.js";
import { Compiled } from "./compiled.js";
import { blocksOf, PAGES, readPage } from "./pages.js";
import { NODE, PageProgram } from "./programs.js";

const [server, ...others] = blocksOf("README.md").filter(({ language }) => language === "ts");
const compiled = new Compiled(server === undefined ? [] : [server]);

beforeAll(async () => {
  expect(await compiled.compile()).toBe("");
}, BUILD_TIMEOUT_MS);

afterAll(() => compiled.remove());

test("its server sends back what it is sent, to several clients at once", async () => {
  if (server === undefined) throw new Error("there is no program");
  expect(others).toEqual([]);
  const port = await new PageProgram(NODE, compiled.program(server)).port();
  const peers = await Promise.all([1, 2, 3].map(() => Peer.connect(port)));
  const data = pattern(300_000);
  for (const peer of peers) peer.write(data);
  for (const peer of peers) {
    expect((await peer.atLeast(data.length)).equals(data)).toBe(true);
    peer.socket.end();
    expect(await peer.toEnd()).toHaveLength(data.length);
  }
});

test("it has a link to every page", () => {
  const readme = readPage("README.md");
  expect(PAGES.filter((page) => page !== "README.md" && !readme.includes(`/${page})`))).toEqual([]);
});
