/**
 * A process whose main thread waits in `loop`, in an epoll_wait(2) of the loop's own, and with that switched off: how it ends,
 * what becomes of its errors and its signals, and that it does not spin.
 */

import { describe, expect, test } from "vitest";
import { startScript } from "../support/processes.js";

describe.each([true, false])("a process with a loop, ownWait: %j", (ownWait) => {
  const setUp = `
    import { ChannelMap, createNodeBackend, Dispatcher, loop, Socket } from "wasyncore";
    const map = new ChannelMap({ backend: createNodeBackend({ poller: "epoll", ownWait: ${ownWait} }) });
    const [near, far] = Socket.pair();
    class Reader extends Dispatcher {
      handleRead() { if (this.recv(10).length > 0) this.got?.(); }
      handleClose() { this.close(); }
    }
    const reader = new Reader(near, map);
  `;

  async function endOf(source: string): Promise<{ code: number | null; signal: string | null; stdout: string }> {
    const { code, signal, stdout } = await startScript(setUp + source).ended;
    return { code, signal, stdout };
  }

  test("ends when the loop has ended and only unreferenced handles are left", async () => {
    const source = `
      setInterval(() => {}, 5).unref();
      setTimeout(() => far.close(), 20).unref();
      await loop({ map, timeoutMs: Infinity });
      console.log("over");
    `;
    expect(await endOf(source)).toEqual({ code: 0, signal: null, stdout: "over\n" });
  });

  test("handles an error of a tick or a promise as without a loop, and goes on", async () => {
    const source = `
      process.on("uncaughtException", (error) => console.log("caught", error.message));
      process.on("unhandledRejection", (error) => console.log("rejected", error.message));
      const steps = [
        () => process.nextTick(() => { throw new Error("tick"); }),
        () => queueMicrotask(() => { throw new Error("microtask"); }),
        () => Promise.reject(new Error("promise")),
        () => setImmediate(() => { throw new Error("immediate"); }),
        () => setImmediate(() => far.close()),
      ];
      reader.got = () => { steps.shift()(); if (steps.length > 0) setTimeout(() => far.send(Buffer.from("x")), 2); };
      far.send(Buffer.from("x"));
      await loop({ map, timeoutMs: Infinity });
      console.log("over");
    `;
    const stdout = "caught tick\ncaught microtask\nrejected promise\ncaught immediate\nover\n";
    expect(await endOf(source)).toEqual({ code: 0, signal: null, stdout });
  });

  test("ends with an error of a tick that nothing handles", async () => {
    const source = `
      reader.got = () => process.nextTick(() => { throw new Error("tick"); });
      far.send(Buffer.from("x"));
      await loop({ map, timeoutMs: Infinity });
    `;
    expect(await endOf(source)).toEqual({ code: 1, signal: null, stdout: "" });
  });

  test("waits without spinning beside a loop of a second copy of the package", async () => {
    const source = `
      const other = await import(new URL("wasyncore.js?second", import.meta.resolve("wasyncore")).href);
      if (other.ChannelMap === ChannelMap) throw new Error("the same copy");
      const pair = (globalThis.pair = other.Socket.pair());
      const second = new other.ChannelMap({ backend: other.createNodeBackend({ poller: "epoll", ownWait: ${ownWait} }) });
      const readerThere = new other.Dispatcher(pair[0], second);
      void loop({ map, timeoutMs: Infinity });
      void other.loop({ map: second, timeoutMs: Infinity });
      let reads = 0;
      reader.got = () => (reads += 1);
      setTimeout(() => {
        const before = process.cpuUsage();
        setTimeout(() => {
          const { user, system } = process.cpuUsage(before);
          console.log((user + system) / 1000 < 250);
          reader.got = () => process.exit();
          far.send(Buffer.from("x"));
        }, 1000);
      }, 100);
    `;
    expect(await endOf(source)).toEqual({ code: 0, signal: null, stdout: "true\n" });
  });

  test.each(["SIGINT", "SIGTERM"] as const)("is ended by %s while it waits", async (signal) => {
    const running = startScript(`${setUp}
      setImmediate(() => setImmediate(() => console.log("waiting")));
      await loop({ map, timeoutMs: Infinity });`);
    await running.line(/waiting/);
    running.child.kill(signal);
    const ended = await running.ended;
    expect({ code: ended.code, signal: ended.signal }).toEqual({ code: null, signal });
  });

  test("samples no more in a process in which nothing happens, also beside another loop", async () => {
    const source = `
      let samples = 0;
      const sampled = new ChannelMap({ backend: createNodeBackend({ poller: "epoll", ownWait: ${ownWait} }) });
      // Kept: the end that nothing holds is closed when it is collected.
      const [one] = (globalThis.pair = Socket.pair());
      class Sampled extends Dispatcher { readable() { samples += 1; return true; } }
      new Sampled(one, sampled);
      void loop({ map: sampled, timeoutMs: Infinity });
      void loop({ map, timeoutMs: Infinity });
      setTimeout(() => {
        const before = samples;
        setTimeout(() => { console.log(samples - before < 10); process.exit(); }, 100);
      }, 100);
    `;
    expect(await endOf(source)).toEqual({ code: 0, signal: null, stdout: "true\n" });
  });

  test("process.exit in a callback ends it with its status", async () => {
    const source = `
      process.on("exit", () => console.log("exit"));
      reader.got = () => process.exit(9);
      far.send(Buffer.from("x"));
      await loop({ map, timeoutMs: Infinity });
    `;
    expect(await endOf(source)).toEqual({ code: 9, signal: null, stdout: "exit\n" });
  });
});
