/** Owns scenarios that threads import, and the hashes of many runs: plain JavaScript on what is built, for every version of Node. */

import { createHash } from "node:crypto";
import { Dispatcher, DispatcherWithSend, loop } from "../../dist/index.js";
import { SimWorld } from "../../dist/sim/index.js";

const SERVER = "10.0.0.1";
const TEXT = "0123456789".repeat(40);

class Echo extends DispatcherWithSend {
  handleRead() {
    const data = this.recv(4096);
    if (data.length > 0) this.send(data);
  }
  handleError() {
    this.close();
  }
}

class Server extends Dispatcher {
  constructor() {
    super();
    this.createSocket();
    this.bind({ host: "0.0.0.0", port: 7 });
    this.listen(10);
  }
  handleAccepted(socket) {
    new Echo(socket);
  }
  log() {}
  logInfo() {}
}

class Client extends DispatcherWithSend {
  received = "";
  isCut = false;
  constructor(isImpatient) {
    super();
    this.isImpatient = isImpatient;
    this.createSocket();
    this.connect({ host: SERVER, port: 7 });
  }
  handleConnect() {
    this.send(Buffer.from(TEXT));
  }
  handleRead() {
    this.received += Buffer.from(this.recv(4096)).toString("latin1");
    this.isCut = this.received.length < TEXT.length;
    if (!this.isCut || this.isImpatient) this.close();
  }
  handleClose() {
    this.isCut = false;
    this.close();
  }
  handleError() {
    this.close();
  }
  log() {}
  logInfo() {}
}

function clients(world, size, isImpatient) {
  world.host(SERVER).start(() => {
    new Server();
    return loop();
  });
  return Array.from({ length: size }, (_, index) => {
    const made = [];
    world.host(`10.0.1.${index + 1}`).start(() => {
      made.push(new Client(isImpatient));
      return loop();
    });
    return made;
  });
}

/** A client with a defect: it takes what one read gives for the whole answer. */
export async function impatient(world, size) {
  const all = clients(world, size, true);
  await world.run({ untilMs: 5000 });
  for (const { isCut, received } of all.flat()) if (isCut) throw new Error(`cut short: ${received.length}`);
}

/** One without a defect. */
export default async function patient(world, size) {
  clients(world, size, false);
  await world.run({ untilMs: 5000 });
}

export const noFunction = 1;

export async function unimportable() {
  await new Promise(() => undefined);
}

/** A program that ends its process, with the status of success, in one of the seeds. */
export async function exiting({ seed }) {
  if (seed === 3) process.exit(0);
}

const FAULTS = {
  latency: { ms: 1, jitterMs: 5 },
  loss: 0.05,
  "short-read": 0.3,
  "short-write": 0.3,
  "not-ready": 0.1,
  interrupt: 0.1,
  reset: 0.02,
  crash: { everyMs: 3000, forMs: 200 },
};

/** A hash of the trace hashes of so many seeds. @throws where a run differs from the same run again */
export async function hashOfRuns(count, repeats = 2) {
  const hash = createHash("sha256");
  for (let seed = 1; seed <= count; seed++) {
    let first;
    for (let repeat = 0; repeat < repeats; repeat++) {
      const world = new SimWorld({ seed, faults: FAULTS });
      await patient(world, 3);
      first ??= world.traceHash();
      if (world.traceHash() !== first) throw new Error(`seed ${seed}: ${world.traceHash()}, and ${first} before`);
    }
    hash.update(first);
  }
  return hash.digest("hex").slice(0, 16);
}
