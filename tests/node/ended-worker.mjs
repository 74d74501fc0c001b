/**
 * Run by threads.test.ts: starts workers that run a loop or drive a guest, has each of them end in the way that is named,
 * and prints as JSON what they leave in the process. With "worker" it is the main thread of one.
 */

import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import {
  ChannelMap,
  createNodeBackend,
  Dispatcher,
  DispatcherWithSend,
  driveGuest,
  loop,
  loopSync,
  Socket,
} from "wasyncore";

const ENDS = ["terminate", "exit", "throw", "reject"];

/** What the kernel holds for this process: descriptors, and contexts of asynchronous I/O (a mapping each). */
function held() {
  const mappings = readFileSync("/proc/self/maps", "utf8").split("\n");
  return {
    descriptors: readdirSync("/proc/self/fd").length,
    contexts: mappings.filter((line) => line.includes("[aio]")).length,
  };
}

/** One worker from its start to its end, by each way to end. */
async function runWorkers(poller, how, guest) {
  const ends = how.startsWith("quiet") ? ["terminate"] : ENDS;
  const runs = ends.map(async (end) => {
    const worker = new Worker(fileURLToPath(import.meta.url), { workerData: { poller, how, end, guest } });
    const errors = [];
    worker.on("error", (error) => errors.push(error.message));
    const ended = new Promise((resolve) => worker.once("exit", resolve));
    await new Promise((resolve) => worker.once("message", resolve));
    if (end === "terminate") await worker.terminate();
    await ended;
    return `${end}: ${errors.join()}`;
  });
  return Promise.all(runs);
}

async function main() {
  const [poller, how, rounds, guestPath = ""] = process.argv.slice(2);
  const guest = guestPath === "" ? undefined : readFileSync(guestPath);
  // Node keeps some descriptors of its own from the first workers on.
  await runWorkers(poller, how, guest);
  const before = held();
  const ends = [];
  for (let round = 0; round < Number(rounds); round++) ends.push(...(await runWorkers(poller, how, guest)));
  process.stdout.write(JSON.stringify({ ends, before, after: held() }));
}

/** Channels that have always something to do. A turn with several of them makes a batch. */
function populate(map) {
  class Echo extends DispatcherWithSend {
    handleRead() {
      this.send(this.recv(100));
    }
    handleClose() {
      this.close();
    }
  }
  class Listener extends Dispatcher {
    constructor() {
      super(undefined, map);
      this.createSocket();
      this.bind({ host: "127.0.0.1", port: 0 });
      this.listen(16);
    }
    handleAccepted(socket) {
      new Echo(socket, map);
    }
  }
  class Client extends Echo {
    constructor(address) {
      super(undefined, map);
      this.createSocket();
      this.connect(address);
    }
    handleConnect() {
      this.send(Buffer.from("hello"));
    }
  }
  const address = new Listener().socket.localAddress();
  for (let index = 0; index < 4; index++) new Client(address);
}

function endBy(end) {
  parentPort.postMessage("running");
  if (end === "exit") process.exit(0);
  if (end === "throw")
    setImmediate(() => {
      throw new Error("thrown");
    });
  if (end === "reject") void Promise.reject(new Error("rejected"));
}

async function work() {
  const { poller, how, end, guest } = workerData;
  if (how === "driveGuest") {
    const listener = Socket.create();
    listener.bind({ host: "127.0.0.1", port: 0 });
    listener.listen(1);
    setTimeout(() => endBy(end), 20);
    await driveGuest(guest, { listeners: [listener] });
    return;
  }
  const map = new ChannelMap({ backend: createNodeBackend({ poller, batchMin: 1 }) });
  if (how.startsWith("quiet")) {
    // Nothing ever happens: the end finds the thread in a wait.
    const [one] = Socket.pair("stream", createNodeBackend({ poller }));
    new Dispatcher(one, map);
    if (how === "quiet loop") setImmediate(() => endBy(end));
    else endBy(end);
    if (how === "quiet loop") await loop({ map, timeoutMs: Infinity });
    else loopSync({ map, timeoutMs: Infinity });
    return;
  }
  populate(map);
  let turns = 0;
  map.callEvery(1, () => {
    if (++turns !== 20) return;
    // What a timer of a blocking loop throws leaves it.
    if (how === "loopSync" && end === "throw") {
      parentPort.postMessage("running");
      throw new Error("thrown");
    }
    endBy(end);
    if (how === "loopSync" && end === "reject") map.callLater(0, () => process.exit(1));
  });
  if (how === "loopSync") loopSync({ map, timeoutMs: Infinity });
  else await loop({ map, timeoutMs: Infinity });
}

await (isMainThread ? main() : work());
