/**
 * Owns the playing of one scenario on wasyncore, and the trace of it. Knows the public API; knows nothing of files or
 * of recordings. Twin of player.py.
 */

import {
  ChannelMap,
  closeAll,
  defaultBackend,
  Dispatcher,
  loop,
  loopSync,
  type Socket,
  type SocketAddress,
} from "wasyncore";
import { defineHandler, flagsOf, nameOf, performOn, prepare, type Stage } from "./handlers.js";
import {
  acceptFrom,
  anyAddress,
  boundSocket,
  connectedPair,
  connectedTo,
  Peer,
  PATIENCE_MS,
  pipe,
  waitFor,
} from "./peers.js";
import { type Action, type Data, readData, type Scenario, show, type Trace } from "./scenario.js";

/** How long a turn may wait for what must come. */
const WAIT_MS = 20;

/** How a scenario is played. */
export interface Playing {
  readonly usePoll: boolean;
  /** By `loopSync`, or by `loop`? */
  readonly blocking: boolean;
  /** The trace that should come of it: how many lines to wait for, never which. */
  readonly expected: Trace;
}

/** Plays a scenario once. */
export async function play(scenario: Scenario, playing: Playing): Promise<Trace> {
  const player = new Player(scenario, playing);
  try {
    return await player.play();
  } finally {
    player.close();
  }
}

class Player implements Stage {
  readonly #scenario: Scenario;
  readonly #playing: Playing;
  readonly #map = new ChannelMap();
  readonly #handlers = new Map<string, Dispatcher>();
  readonly #peers = new Map<string, Peer>();
  /** Of handlers that are bound. */
  readonly #addresses = new Map<string, SocketAddress>();
  readonly #made = new Map<string, number>();
  readonly #segments: string[][] = [];
  #lines: string[] = [];
  /** Did something that must come not come? Then the traces differ, and waiting for more is of no use. */
  #isLate = false;

  constructor(scenario: Scenario, playing: Playing) {
    this.#scenario = scenario;
    this.#playing = playing;
  }

  async play(): Promise<Trace> {
    for (const [step, ...operands] of this.#scenario.steps) {
      const run = STEPS[step];
      if (run === undefined) throw new Error(`no such step: ${step}`);
      await run(this, ...(operands as never[]));
    }
    for (const [name, handler] of this.#handlers) {
      const place = [...this.#map.values()].includes(handler) ? "in the map" : "gone";
      this.log(`${name} is ${flagsOf(handler)} ${place}`);
    }
    this.endSegment();
    return this.#segments;
  }

  close(): void {
    closeAll({ map: this.#map, ignoreAll: true });
    this.#map[Symbol.dispose]();
    for (const handler of this.#handlers.values()) Dispatcher.prototype.close.call(handler);
    for (const peer of this.#peers.values()) peer.close();
  }

  get family(): Scenario["family"] {
    return this.#scenario.family;
  }

  log(line: string): void {
    this.#lines.push(line);
  }

  endSegment(): void {
    this.#segments.push(this.#lines);
    this.#lines = [];
  }

  make(name: string, socketOrFd?: Socket | number, specName = name): Dispatcher {
    const spec = this.#scenario.handlers[specName];
    if (spec === undefined) throw new Error(`no such handler: ${specName}`);
    const handler = new (defineHandler(this, name, spec))(socketOrFd as never, this.#map as never);
    prepare(handler, spec);
    this.#handlers.set(name, handler);
    return handler;
  }

  adopt(spec: string, socket: Socket): void {
    const count = (this.#made.get(spec) ?? 0) + 1;
    this.#made.set(spec, count);
    this.make(`${spec}${count}`, socket, spec);
  }

  handler(name: string): Dispatcher {
    const handler = this.#handlers.get(name);
    if (handler === undefined) throw new Error(`no such handler: ${name}`);
    return handler;
  }

  peer(name: string): Peer {
    const peer = this.#peers.get(name);
    if (peer === undefined) throw new Error(`no such peer: ${name}`);
    return peer;
  }

  addPeer(name: string, peer: Peer): void {
    this.#peers.set(name, peer);
  }

  fdOf(name: string): number {
    return this.#handlers.get(name)?.fd ?? this.peer(name).fd;
  }

  addressOf(name: string): SocketAddress {
    const address = this.#peers.get(name)?.address ?? this.#addresses.get(name);
    if (address === undefined) throw new Error(`no address: ${name}`);
    return address;
  }

  bind(name: string): void {
    const handler = this.handler(name);
    handler.bind(anyAddress(this.family));
    this.#addresses.set(name, handler.socket.localAddress());
  }

  ownerOf(address: SocketAddress): string {
    for (const [name, peer] of this.#peers) {
      const own = peer.address;
      if (own?.port !== undefined && own.port === address.port && own.host === address.host) return name;
    }
    return "somebody";
  }

  /** One turn. @returns whether the loop went on */
  async turn(timeoutMs: number): Promise<boolean> {
    const { usePoll, blocking } = this.#playing;
    const options = { timeoutMs, usePoll, map: this.#map, count: 1 };
    try {
      if (blocking) loopSync(options);
      else await loop(options);
      return true;
    } catch (error) {
      this.log(`the loop raised ${nameOf(error)}`);
      return false;
    }
  }

  /** Turns until what is expected has come and then nothing more; `later` lines are still to be added. */
  async run(isDone: () => boolean = () => true, later = 0): Promise<void> {
    const wanted = (this.#playing.expected[this.#segments.length]?.length ?? 0) - later;
    const deadlineMs = performance.now() + (this.#isLate ? WAIT_MS : PATIENCE_MS);
    let silent = 0;
    while (silent < 2) {
      const count = this.#lines.length;
      const waiting = !isDone() || (count < wanted && this.#map.size > 0);
      if (!(await this.turn(waiting ? WAIT_MS : 0))) return;
      if (performance.now() > deadlineMs) {
        this.#isLate = true;
        if (waiting) return;
        throw new Error(`${this.#scenario.id} does not come to rest`);
      }
      silent = waiting || this.#lines.length > count ? 0 : silent + 1;
    }
  }
}

const STEPS: Readonly<Record<string, (player: Player, ...operands: never[]) => void | Promise<void>>> = {
  // The loop.
  async run(player) {
    await player.run();
    player.endSegment();
  },
  async turns(player, count: number) {
    for (let turn = 0; turn < count && (await player.turn(0)); turn++);
    player.endSegment();
  },
  async expect(player, name: string, wanted: number | "end") {
    const peer = player.peer(name);
    const taken: Uint8Array[] = [];
    let length = 0;
    await player.run(() => {
      const data = peer.take();
      taken.push(data);
      length += data.length;
      return peer.ended !== undefined || (wanted !== "end" && length >= wanted);
    }, 1);
    player.log(`${name} got ${show(Buffer.concat(taken))}${peer.ended === undefined ? "" : `, ${peer.ended}`}`);
    player.endSegment();
  },

  // Handlers.
  listen(player, name: string) {
    const handler = player.make(name);
    handler.createSocket({ family: player.family });
    player.bind(name);
    handler.listen(5);
  },
  make: (player, name: string) => player.make(name).createSocket({ family: player.family }),
  open(player, name: string, peer: string) {
    const [near, far] = connectedPair(player.family);
    player.addPeer(peer, new Peer({ socket: far }));
    player.make(name, near);
  },
  pipe(player, name: string, peer: string, end: "read" | "write") {
    const { nearFd, far } = pipe(end);
    player.addPeer(peer, far);
    player.make(name, nearFd);
    defaultBackend().close(nearFd);
  },
  datagram(player, name: string) {
    const handler = player.make(name);
    handler.createSocket({ family: player.family, type: "dgram" });
    player.bind(name);
  },
  do(player, name: string, actions: readonly Action[]) {
    try {
      performOn(player, name, player.handler(name), actions);
    } catch (error) {
      player.log(`${name} raised ${nameOf(error)}`);
    }
  },

  // Peers.
  peerBind: (player, name: string) => player.addPeer(name, new Peer({ socket: boundSocket(player.family) })),
  peerListen(player, name: string) {
    const socket = boundSocket(player.family);
    player.addPeer(name, new Peer({ socket }));
    socket.listen(5);
  },
  peerAccept: (player, name: string, listener: string) =>
    player.addPeer(name, new Peer({ socket: acceptFrom(player.peer(listener).socket) })),
  peerConnect: (player, name: string, target: string) =>
    player.addPeer(name, new Peer({ socket: connectedTo(player.family, player.addressOf(target)) })),
  peerDatagram: (player, name: string) =>
    player.addPeer(name, new Peer({ socket: boundSocket(player.family, "dgram") })),
  send: (player, name: string, data: Data, start = 0, end?: number) =>
    player.peer(name).send(readData(data).subarray(start, end)),
  async sendCut(player, name: string, data: Data, places: readonly number[]) {
    for (const [index, start] of places.entries()) {
      player.peer(name).send(readData(data).subarray(start, places[index + 1]));
      await player.run();
      player.endSegment();
    }
  },
  async sendEach(player, name: string, data: Data) {
    for (const byte of readData(data)) {
      player.peer(name).send(Uint8Array.of(byte));
      await player.run();
      player.endSegment();
    }
  },
  sendTo: (player, name: string, target: string, data: Data) =>
    void player.peer(name).socket.sendTo(readData(data), player.addressOf(target)),
  urgent: (player, name: string, data: Data) => void player.peer(name).socket.sendOutOfBand(readData(data)),
  shutdown: (player, name: string, how: "read" | "write" | "both") => player.peer(name).socket.shutdown(how),
  reset: (player, name: string) => player.peer(name).reset(),
  close: (player, name: string) => player.peer(name).close(),
  wait: (player, name: string, condition: string | number) => waitFor(player.fdOf(name), condition),
};
