/** What a loop means to its process: how long it keeps it alive, and what a platform without a backend is told. */

import { describe, expect, test } from "vitest";
import { startScript } from "../support/processes.js";

const IMPORTS = `import { ChannelMap, closeAll, Dispatcher, DispatcherWithSend, loop, loopSync, Socket } from "wasyncore";`;

/** Runs a script to its end. */
async function outputOf(source: string): Promise<string> {
  const { code, signal, stdout, stderr } = await startScript(`${IMPORTS}\n${source}`).ended;
  expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: "" });
  return stdout.trim();
}

describe("loop", () => {
  test("lets the process end as soon as the last channel is closed", async () => {
    const script = `
      const channel = new Dispatcher(Socket.pair()[0]);
      process.on("exit", () => console.log("exit"));
      setTimeout(() => { console.log("close"); channel.close(); }, 20);
      await loop({ timeoutMs: Infinity });
      console.log("over");`;
    expect(await outputOf(script)).toBe("close\nover\nexit");
  });

  test("keeps the process alive while a timer is left, and no longer", async () => {
    const script = `
      const map = new ChannelMap();
      process.on("exit", () => console.log("exit"));
      map.callLater(20, () => console.log("timer"));
      void loop({ map, timeoutMs: Infinity }).then(() => console.log("over"));`;
    expect(await outputOf(script)).toBe("timer\nover\nexit");
  });

  test("keeps the process alive while a channel is left, although nothing else does", async () => {
    const running = startScript(`${IMPORTS}
      const [near, far] = Socket.pair();
      class Keeper extends Dispatcher {
        handleRead() { if (this.recv(10).length > 0) console.log("read"); }
        handleClose() { this.close(); }
      }
      new Keeper(near);
      // Nothing of this keeps a process alive by itself.
      setTimeout(() => far.send(Buffer.from("x")), 30).unref();
      setTimeout(() => far.close(), 60).unref();
      await loop({ timeoutMs: Infinity });
      console.log("over");`);
    const { code, stdout, stderr } = await running.ended;
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: "read\nover\n", stderr: "" });
  });

  test("channels without a loop keep no process alive", async () => {
    expect(await outputOf(`new Dispatcher(Socket.pair()[0]); console.log("made");`)).toBe("made");
  });

  test.each([
    ["its signal is aborted while it waits", "setTimeout(() => stop.abort(), 5);"],
    ["its signal is aborted inside a callback", "map.callLater(5, () => stop.abort());"],
    [
      "its signal is aborted while the handlers are asked",
      "channel.readable = () => { stop.abort(); return true; }; channel.addChannel();",
    ],
    ["a callback throws", "map.callLater(5, () => { throw new Error('leave'); });"],
    ["its turns are over", "count = 1; setTimeout(() => map.callLater(0, () => {}), 5);"],
  ])("leaves nothing behind that keeps the process alive when %s", async (_, how) => {
    const script = `
      const map = new ChannelMap();
      const stop = new AbortController();
      let count = undefined;
      const channel = new Dispatcher(Socket.pair()[0], map);
      ${how}
      await loop({ map, count, timeoutMs: Infinity, signal: stop.signal }).catch(() => {});
      console.log("over", map.size);`;
    expect(await outputOf(script)).toBe("over 1");
  });

  test("an error that leaves the loop ends the process with its stack, as any rejection does", async () => {
    const { code, stderr } = await startScript(`${IMPORTS}
      const map = new ChannelMap();
      map.callLater(0, () => { throw new Error("nobody catches this"); });
      await loop({ map });`).ended;
    expect(code).toBe(1);
    expect(stderr).toContain("Error: nobody catches this");
  });
});

describe("loopSync", () => {
  test("lets nothing else of the process run until it ends", async () => {
    const script = `
      const order = [];
      const map = new ChannelMap();
      setTimeout(() => order.push("Node's timer"), 0);
      map.callLater(30, () => order.push("ours"));
      loopSync({ map });
      order.push("over");
      setTimeout(() => console.log(order.join(", ")), 5);`;
    expect(await outputOf(script)).toBe("ours, over, Node's timer");
  });

  test("is ended by Ctrl-C, as a program without a handler for it is", async () => {
    const running = startScript(`${IMPORTS}
      new Dispatcher(Socket.pair()[0]);
      process.stdout.write("waiting\\n");
      loopSync({ timeoutMs: Infinity });`);
    await running.line(/^waiting$/);
    running.child.kill("SIGINT");
    expect(await running.ended).toMatchObject({ code: null, signal: "SIGINT" });
  });
});

describe("a platform without a backend", () => {
  test.each([
    ["win32", "x64"],
    ["linux", "ia32"],
  ])("can import the package, and is told what is supported at the first use: %s %s", async (platform, arch) => {
    const { code, stdout, stderr } = await startScript(`
      Object.defineProperty(process, "platform", { value: "${platform}" });
      Object.defineProperty(process, "arch", { value: "${arch}" });
      const { ChannelMap, closeAll, Dispatcher, FileDispatcher, loop, loopSync, socketMap, Socket, UnsupportedPlatformError } =
        await import("wasyncore");
      const map = new ChannelMap();
      new Dispatcher(undefined, map);
      console.log(map.size, socketMap.size, map.snapshot().length);
      const uses = [
        () => new Dispatcher().createSocket(),
        () => new FileDispatcher(0),
        () => Socket.create(),
        () => loopSync(),
        () => loop(),
        () => map.callLater(1, () => {}),
      ];
      for (const use of uses) {
        try {
          await use();
          console.log("no error");
        } catch (error) {
          console.log(error instanceof UnsupportedPlatformError, error.code, error.message);
        }
      }`).ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const [sizes, ...errors] = stdout.trim().split("\n");
    expect(sizes).toBe("0 0 0");
    expect(errors).toHaveLength(6);
    for (const error of errors) {
      expect(error).toMatch(/^true ERR_UNSUPPORTED_PLATFORM .*Linux.*macOS.*FreeBSD/);
      expect(error).toContain(`not on ${platform}-${arch}`);
    }
  });
});
