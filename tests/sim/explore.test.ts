/** Looking for a seed that fails: it is found, said, and shrunk to what matters. */

import { expect, onTestFinished, test } from "vitest";
import { DispatcherWithSend, loop, setLogSink } from "../../host/index.js";
import { explore, SimWorld } from "../../host/sim/index.js";
import { echoWorld, mapOf, SERVER, texts } from "./chat.js";

function logged(): string[] {
  const lines: string[] = [];
  const restore = setLogSink(({ message }) => void lines.push(message));
  onTestFinished(restore);
  return lines;
}

const FAULTS = { "short-read": 0.3, "not-ready": 0.2, loss: 0.1, interrupt: 0.1, latency: { jitterMs: 2 } } as const;

/** A client with a defect: it takes what one read gives for the whole answer. */
async function takesOneRead(world: SimWorld, size: number): Promise<void> {
  echoWorld(world, []);
  const answers: string[] = [];
  for (let index = 0; index < size; index++) {
    world.host(`10.0.2.${index + 1}`).start((host) => {
      const map = mapOf(host);
      class Client extends DispatcherWithSend {
        override handleConnect(): void {
          this.send(Buffer.from("0123456789"));
        }
        override handleRead(): void {
          answers.push(Buffer.from(this.recv(100)).toString());
          this.close();
        }
        override handleClose(): void {
          this.close();
        }
        override handleError(): void {
          this.close();
        }
        override log(): void {}
      }
      const client = new Client(undefined, map);
      client.createSocket();
      client.connect({ host: SERVER, port: 7 });
      return loop({ map });
    });
  }
  await world.run({ untilMs: 5000 });
  for (const answer of answers) if (answer !== "" && answer !== "0123456789") throw new Error(`cut short: ${answer}`);
}

test("a defect is found, its seed is said, and fewer connections with one fault is what is left of it", async () => {
  const lines = logged();
  const { failure } = await explore({ seeds: 100, size: 8, faults: FAULTS, scenario: takesOneRead });
  if (failure === undefined) throw new Error("the defect was not found");
  expect(failure.size).toBeLessThan(8);
  expect(failure.injections).toHaveLength(1);
  expect(Object.keys(failure.world.faults ?? {})).toEqual(["short-read"]);
  expect(lines[0]).toMatch(new RegExp(`^seed ${failure.seed} fails after [0-9]+ faults: Error: cut short: `));
  expect(lines[1]).toContain("short-read: ");
  // The run again, from what was given back.
  const again = new SimWorld(failure.world);
  await expect(takesOneRead(again, failure.size)).rejects.toThrow("cut short");
  expect(again.traceHash()).toBe(failure.traceHash);
});

test("what bears every fault passes every seed", async () => {
  const lines = logged();
  const sent = texts(3, 2000);
  const { seeds, runs, failure } = await explore({
    seeds: 40,
    faults: FAULTS,
    async scenario(world) {
      const clients = echoWorld(world, sent);
      await world.run({ untilMs: 60_000 });
      expect(clients.map(({ received }) => received)).toEqual(sent);
    },
  });
  expect({ seeds, runs, failure, lines }).toEqual({ seeds: 40, runs: 40, failure: undefined, lines: [] });
});

test("faults of a schedule are numbered, and what a failure does not need of them is taken away", async () => {
  logged();
  const { failure } = await explore({
    seeds: 1,
    faults: {
      pause: { everyMs: 100, forMs: 10 },
      crash: { everyMs: 200, forMs: 10 },
      partition: { everyMs: 100, forMs: 5 },
    },
    async scenario(world) {
      echoWorld(world, texts(2, 100));
      await world.run({ untilMs: 5000 });
      // The third pause is one too many.
      if (world.injections.some(({ name, atMs }) => name === "pause" && atMs > 250)) throw new Error("paused late");
    },
  });
  expect(failure?.injections).toMatchObject([{ name: "pause" }]);
  expect(failure?.injections[0]?.occurrence).toBeGreaterThan(0);
});

test("a smaller run that stalls is not the failure that is shrunk", async () => {
  logged();
  const sizes: number[] = [];
  const { failure } = await explore({
    seeds: 3,
    size: 4,
    patienceMs: 20,
    async scenario(world, size) {
      sizes.push(size);
      await world.run({ untilMs: 10 });
      if (size < 3) await new Promise(() => undefined);
      throw new RangeError("wrong");
    },
  });
  expect(failure).toMatchObject({ seed: 1, size: 3, error: { message: "wrong" } });
  expect(sizes.slice(0, 5)).toEqual([4, 1, 2, 3, 2]);
});
