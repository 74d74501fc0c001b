/** What channels that are sampled cost: how often a loop samples them where something happens in the process, and where nothing does. */

import { describe, expect, onTestFinished, test } from "vitest";
import { type ChannelMap, createNodeBackend, loop } from "wasyncore";
import { startScript } from "../support/processes.js";
import { newMap as mapOn } from "../support/runs.js";
import { connectedPair } from "../support/sockets.js";
import { Fed, fedOnce, WAITS } from "./sampled.js";

/** A process with a channel that counts how often it is sampled. */
const SAMPLED = (ownWait: boolean): string => `
  import { ChannelMap, createNodeBackend, Dispatcher, loop, Socket } from "wasyncore";
  const map = new ChannelMap({ backend: createNodeBackend({ ownWait: ${ownWait} }) });
  let samples = 0;
  class Sampled extends Dispatcher {
    writable() { samples++; return false; }
  }
  // Kept: the end that nothing holds is closed when it is collected.
  const channel = new Sampled((globalThis.pair = Socket.pair())[0], map);
`;

describe.each(WAITS)("the cost where %s", (_, ownWait) => {
  const newMap = (): ChannelMap => mapOn(createNodeBackend({ ownWait }));

  test("timeoutMs counts from the last turn, whatever runs meanwhile", async () => {
    const map = newMap();
    new Fed(connectedPair()[0], map);
    const timer = setInterval(() => undefined, 1);
    onTestFinished(() => clearInterval(timer));
    await loop({ map, count: 2, timeoutMs: 20 });
    expect(map.stats().turns).toBe(2);
  });

  test("a process in which nothing happens takes no turn, and samples only as often as something happens", async () => {
    const { code, stdout, stderr } = await startScript(`${SAMPLED(ownWait)}
      let events = 0;
      const timer = setInterval(() => {
        events++;
        if (events < 20) return;
        clearInterval(timer);
        console.log(JSON.stringify({ samples, turns: map.stats().turns }));
        channel.close();
      }, 10);
      await loop({ map, timeoutMs: Infinity });`).ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const { samples, turns } = JSON.parse(stdout) as { samples: number; turns: number };
    expect(turns).toBe(0);
    // A timer is an event, and so may be what Node does after it; 20 of them, and the beginning.
    expect(samples).toBeGreaterThan(15);
    expect(samples).toBeLessThan(65);
  });

  test("a process that was busy is left alone afterwards", async () => {
    const { code, stdout, stderr } = await startScript(`${SAMPLED(ownWait)}
      const running = loop({ map, timeoutMs: Infinity });
      for (let events = 0; events < 300; events++) await new Promise(setImmediate);
      const busy = samples;
      // Samples that had to be 4 ms apart have been taken by then.
      setTimeout(() => {
        const before = samples;
        setTimeout(() => {
          console.log(JSON.stringify({ busy, later: samples - before }));
          channel.close();
        }, 100);
      }, 100);
      await running;`).ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const { busy, later } = JSON.parse(stdout) as { busy: number; later: number };
    expect(busy).toBeGreaterThan(50);
    expect(later).toBeLessThan(5);
  });

  test("a channel that stops causing activity is left alone", async () => {
    const map = newMap();
    class Restless extends Fed {
      override writable(): boolean {
        if (this.samples < 100) void Promise.resolve().then(() => undefined);
        return super.writable();
      }
    }
    const { handler } = fedOnce(map, Restless);
    let later = -1;
    const poll = (): void => {
      if (handler.samples < 100) return void setTimeout(poll, 20);
      setTimeout(() => {
        const before = handler.samples;
        setTimeout(() => {
          later = handler.samples - before;
          handler.buffer = "x";
        }, 100);
      }, 20);
    };
    poll();
    await loop({ map, timeoutMs: Infinity });
    expect(later).toBeGreaterThanOrEqual(0);
    expect(later).toBeLessThan(5);
  });

  test("a channel that causes activity whenever it is sampled is sampled at a bounded rate", async () => {
    const map = newMap();
    class Restless extends Fed {
      override writable(): boolean {
        void Promise.resolve().then(() => undefined);
        setImmediate(() => undefined);
        return super.writable();
      }
    }
    const { handler, peer } = fedOnce(map, Restless);
    const startMs = performance.now();
    let [samples, elapsedMs] = [0, 0];
    setTimeout(() => {
      [samples, elapsedMs] = [handler.samples, performance.now() - startMs];
      handler.buffer = "x";
    }, 300);
    await loop({ map, timeoutMs: Infinity });
    expect(peer.text).toBe("x");
    expect(samples).toBeLessThan(70 + elapsedMs / 3);
  });

  test("no hook is left when the loop has ended", async () => {
    const { stdout } = await startScript(`${SAMPLED(ownWait)}
      await loop({ map, count: 1, timeoutMs: 1 });
      const before = samples;
      setTimeout(() => setImmediate(() => { console.log(samples - before); channel.close(); }), 5);`).ended;
    expect(stdout.trim()).toBe("0");
  });
});
