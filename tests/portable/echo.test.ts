/** The echo server of the portable examples, on Node: what tests/assembly/lost-output.test.ts checks of it as a guest. */

import { expect, test } from "vitest";
import { EchoHandler } from "../../examples/portable/echo.js";
import { MODES, newMap, run } from "../support/runs.js";
import { connectedPair, reset } from "../support/sockets.js";

test.each(MODES)("closes a connection that is lost before everything has been sent, under $name", async (mode) => {
  const map = newMap();
  const [near, far] = connectedPair();
  const echo = new EchoHandler(near, map);
  while (echo.outBufferLength === 0) echo.send(new Uint8Array(65_536));
  reset(far);
  await run(mode, map);
  expect([echo.fd, map.size]).toEqual([-1, 0]);
});
