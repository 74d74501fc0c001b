/** loopback.mjs: a program of a page does with it what it does without. */

import { expect, test } from "vitest";
import { listener } from "../support/sockets.js";
import { NODE, PageProgram } from "./programs.js";

test("connect can be awaited", async () => {
  // The kernel accepts.
  const { port: peerPort = 0 } = listener()[1];
  const source = `
    import { Dispatcher, loop } from "wasyncore";
    const channel = new Dispatcher();
    channel.handleConnect = () => {};
    const opened = channel.connect({ host: "page.example", port: 1 });
    const ended = loop();
    await opened;
    console.log(channel.connected);
    channel.close();
    await ended;`;
  const program = new PageProgram([...NODE, "--input-type=module", "--eval"], source, { peerPort });
  expect(await program.output()).toBe("true\n");
});
