/**
 * Plays an echo server and three clients on a simulated network in a browser, with the library and its engine as they run on
 * Node. What each host does is recorded, and shown by the page of `wasyncore view`. Buttons bring faults.
 *
 * `npm run demo` makes one page of it, build/demo.html.
 */

// First: the library looks for what is in it.
import { constants } from "./node.js";
import { ChannelMap, Dispatcher, DispatcherWithSend, loop, type Socket } from "../../host/index.js";
import { type Recorder, record } from "../../host/record/index.js";
import { RecordingReader, sourceOf } from "../../host/record/reader.js";
import { type SimHost, SimWorld } from "../../host/sim/index.js";
import { timelineOf } from "../../host/view/from-recording.js";
import { Page } from "../../host/view/page/main.js";
import type { Timeline } from "../../host/view/timeline.js";

const PORT = 7;
/** So much time of the world passes with each step; a step is made so often. */
const STEP_MS = 50;
const SHOW_EVERY_STEPS = 5;
/** The recordings are held in memory. */
const END_MS = 600_000;
const FAULT_MS = 2000;

const world = new SimWorld({ seed: 1, faults: { latency: { ms: 20, jitterMs: 20 } } });

/** What has been recorded of one host since it started. */
class Recorded {
  readonly name: string;
  recorder: Recorder | undefined;
  #chunks: Uint8Array[] = [];

  constructor(name: string) {
    this.name = name;
  }

  /** A host that is back after a crash begins a new recording. */
  map(host: SimHost): ChannelMap {
    this.#chunks = [];
    this.recorder = record(host.backend, (chunk) => this.#chunks.push(chunk.slice()), { sent: true });
    return new ChannelMap({ backend: this.recorder.backend });
  }

  timeline(): Timeline {
    this.recorder?.flush();
    const size = this.#chunks.reduce((sum, { length }) => sum + length, 0);
    const bytes = new Uint8Array(size);
    let at = 0;
    for (const chunk of this.#chunks) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    // It goes on, and so has no end.
    return { ...timelineOf(new RecordingReader(sourceOf(bytes)), this.name, constants.errno), incomplete: "" };
  }
}

class Echo extends DispatcherWithSend {
  override handleRead(): void {
    this.send(this.recv(4096));
  }
  override handleError(): void {
    this.close();
  }
  override handleClose(): void {
    this.close();
  }
}

class EchoServer extends Dispatcher {
  constructor(map: ChannelMap) {
    super(undefined, map);
    this.createSocket();
    this.bind({ host: "0.0.0.0", port: PORT });
    this.listen(10);
  }
  override handleAccepted(socket: Socket): void {
    new Echo(socket, this.map);
  }
}

/** Says something every now and then, and connects again when its connection has ended. */
class Client extends DispatcherWithSend {
  readonly #name: string;
  #count = 0;

  constructor(name: string, map: ChannelMap) {
    super(undefined, map);
    this.#name = name;
    this.connect({ host: "10.0.0.1", port: PORT });
  }
  override handleConnect(): void {
    this.#say();
  }
  override handleRead(): void {
    if (this.recv(4096).length > 0) this.map.callLater(100 + 150 * (this.#count % 3), () => this.#say());
  }
  override handleError(): void {
    this.#again();
  }
  override handleClose(): void {
    this.#again();
  }
  #say(): void {
    if (this.fd >= 0) this.send(Buffer.from(`${this.#name} says ${this.#count++}`));
  }
  #again(): void {
    this.close();
    this.map.callLater(500, () => clients.set(this.#name, new Client(this.#name, this.map)));
  }
}

const server = new Recorded("server 10.0.0.1");
const serverHost = world.host("10.0.0.1").start((host) => {
  const map = server.map(host);
  new EchoServer(map);
  return loop({ map });
});
const clients = new Map<string, Client>();
const runs = [server];
for (const [index, name] of ["client 1", "client 2", "client 3"].entries()) {
  const run = new Recorded(`${name} 10.0.0.${index + 2}`);
  runs.push(run);
  world.host(`10.0.0.${index + 2}`).start((host) => {
    const map = run.map(host);
    clients.set(name, new Client(name, map));
    return loop({ map });
  });
}

const page = new Page(runs.map((run) => run.timeline()));
globalThis.wasyncoreView = page;

let isPaused = false;

function button(text: string, press: () => void): void {
  const made = document.createElement("button");
  made.textContent = text;
  made.addEventListener("click", press);
  document.querySelector("header")?.append(made);
}

button("Pause", () => {
  isPaused = !isPaused;
});
button("Partition client 1", () => {
  const mend = world.partition(world.host("10.0.0.2"));
  world.at(world.nowMs + FAULT_MS, mend);
});
button("Reset client 2", () => {
  const client = clients.get("client 2");
  if (client === undefined || client.fd < 0) return;
  client.socket.setOption("SO_LINGER", 0);
  client.handleClose();
});
button("Stop client 3", () => {
  const host = world.host("10.0.0.4");
  host.pause();
  world.at(world.nowMs + FAULT_MS, () => host.resume());
});
button("Crash the server", () => {
  if (!serverHost.isUp) return;
  serverHost.crash();
  world.at(world.nowMs + FAULT_MS, () => serverHost.restart());
});

for (let step = 0; world.nowMs < END_MS; step++) {
  await new Promise((resolve) => setTimeout(resolve, STEP_MS));
  if (isPaused) continue;
  await world.run({ untilMs: world.nowMs + STEP_MS });
  if (step % SHOW_EVERY_STEPS === 0) for (const [index, run] of runs.entries()) page.update(index, run.timeline());
}
