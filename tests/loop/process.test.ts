/** What a loop means to its process: how long it keeps it alive, and what a platform without a backend is told. */

import { describe, expect, test } from "vitest";
import { startScript } from "../support/processes.js";

const IMPORTS = `import { ChannelMap, closeAll, createNodeBackend, Dispatcher, DispatcherWithSend, loop, loopSync, Socket } from "wasyncore";`;

/** Runs a script to its end. */
async function outputOf(source: string): Promise<string> {
  const { code, signal, stdout, stderr } = await startScript(`${IMPORTS}\n${source}`).ended;
  expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: "" });
  return stdout.trim();
}

describe("loop", () => {
  test("lets the process end as soon as the last channel is closed", async () => {
    const script = `
      // Kept: the end that nothing holds is closed when it is collected.
      const channel = new Dispatcher((globalThis.pair = Socket.pair())[0]);
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

  test.each([
    ["epoll", "{}"],
    ["poll", '{ backend: createNodeBackend({ poller: "poll" }) }'],
  ])("of a map that is unreferenced keeps no process alive, whatever is in it: %s", async (_, options) => {
    const script = `
      const map = new ChannelMap(${options});
      const [near, far] = Socket.pair();
      class Sampled extends Dispatcher {
        readable() { return true; }
        handleRead() {
          const text = Buffer.from(this.recv(10)).toString();
          console.log(text);
          map.unref();
          if (text === "one") setTimeout(() => far.send(Buffer.from("two")), 5).unref();
          else clearInterval(other);
        }
      }
      new Sampled(near, map);
      map.callLater(1e6, () => {});
      process.on("exit", () => console.log("exit", map.hasRef()));
      void loop({ map, timeoutMs: Infinity }).then(() => console.log("over"));
      map.unref();
      map.ref();
      // What is unreferenced goes on while something else keeps the process alive.
      const other = setInterval(() => {}, 1000);
      setTimeout(() => far.send(Buffer.from("one")), 5).unref();`;
    expect(await outputOf(script)).toBe("one\ntwo\nexit false");
  });

  test("of a map that is unreferenced keeps no worker thread alive", async () => {
    const worker = `
      import("wasyncore").then(({ ChannelMap, Dispatcher, loop, Socket }) => {
        const map = new ChannelMap();
        const [near] = (globalThis.pair = Socket.pair());
        new Dispatcher(near, map);
        void loop({ map, timeoutMs: Infinity });
        map.unref();
        setTimeout(() => console.log("the end"), 20);
      });`;
    const script = `
      import { Worker } from "node:worker_threads";
      new Worker(${JSON.stringify(worker)}, { eval: true }).on("exit", (code) => console.log("exit", code));`;
    expect(await outputOf(script)).toBe("the end\nexit 0");
  });

  test("channels without a loop keep no process alive", async () => {
    expect((await endOf(`new Dispatcher((globalThis.pair = Socket.pair())[0]); console.log("made");`)).stdout).toBe(
      "made\n",
    );
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
      const channel = new Dispatcher((globalThis.pair = Socket.pair())[0], map);
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

/** Runs a script to its end, whatever that is. */
async function endOf(source: string): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const { code, stdout, stderr } = await startScript(
    `${IMPORTS}\nimport { poll, read, socketMap } from "wasyncore";\n${source}`,
  ).ended;
  return { code, stdout, stderr };
}

describe("a program whose channels no loop ever served", () => {
  const WARNING = /\[WASYNCORE_NEVER_LOOPED\] Warning: (.*)/g;

  test("is warned when it ends, once, with the channels' classes and the way out", async () => {
    const { code, stderr } = await endOf(`
      class EchoServer extends Dispatcher {}
      const map = new ChannelMap();
      const [first, second] = Socket.pair();
      new EchoServer(first, map);
      new Dispatcher(second);
      // The end of a process may come more than once.
      process.once("beforeExit", () => setTimeout(() => {}, 1));`);
    expect(code).toBe(0);
    expect([...stderr.matchAll(WARNING)].map(([, message]) => message)).toEqual([
      "2 channels are left (EchoServer, Dispatcher) in a map on which no loop ever ran, so nothing was read, written " +
        "or accepted: call `await loop()`, with the map as an option where it is not socketMap",
    ]);
  });

  test.each([
    ["closed them", "channel.close();"],
    ["ran a loop", "await loop({ count: 1, timeoutMs: 0 });"],
    ["ran a loop that blocks", "loopSync({ count: 1, timeoutMs: 0 });"],
    ["polled", "poll();"],
    ["polls by other means", "far.send(Buffer.from('x')); read(channel);"],
    ["has been ended by process.exit", "process.exit(0);"],
    ["has been ended by process.exit, with an error", "process.exitCode = 3; process.exit();"],
    ["ends with an exit code of its own", "process.exitCode = 3;"],
    ["dies of an error", "throw new Error('of its own');"],
    ["dies of a rejection", "await Promise.reject(new Error('of its own'));"],
    ["has dropped them out of the map", "channel.delChannel();"],
    ["has made no socket", "channel.close(); new Dispatcher();"],
  ])("is not warned where it %s", async (_, how) => {
    const { stderr } = await endOf(`
      const [near, far] = Socket.pair();
      const channel = new Dispatcher(near);
      channel.handleRead = () => void channel.recv(10);
      ${how}`);
    expect(stderr).not.toContain("WASYNCORE_NEVER_LOOPED");
  });
});

describe("an error of a callback that comes when no loop runs any more", () => {
  const LINE = /^error: an error of a callback, which no loop was there to throw \(Error: (\w+) .*\)$/gm;

  test("is logged when the process ends, and not lost", async () => {
    const { stdout } = await endOf(`
      socketMap.callLater(0, async () => { throw new Error("atOnce"); });
      const map = new ChannelMap();
      map.callLater(0, async () => {
        await new Promise((resolve) => setTimeout(resolve, 5));
        throw new Error("later");
      });
      await loop();
      await loop({ map });
      console.log("over");
      // The end of a process may come more than once.
      process.once("beforeExit", () => setTimeout(() => {}, 1));`);
    expect(stdout).toMatch(/^over$/m);
    expect([...stdout.matchAll(LINE)].map(([, which]) => which)).toEqual(["atOnce", "later"]);
  });

  test("leaves the next loop, and is not logged then", async () => {
    const { code, stdout } = await endOf(`
      socketMap.callLater(0, async () => { throw new Error("mine"); });
      await loop();
      await loop().catch(({ message }) => console.log("thrown:", message));`);
    expect(code).toBe(0);
    expect(stdout).toBe("thrown: mine\n");
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
      new Dispatcher((globalThis.pair = Socket.pair())[0]);
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
  ])("can import the package, and the first use reports what is supported: %s %s", async (platform, arch) => {
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
