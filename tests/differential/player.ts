/**
 * Owns the steps of a scenario: when the loop runs and for how long, and what the peers do. Leaves the handlers, and the
 * library that they are made with, to its subclasses. Twin of player.py.
 */

import type { SocketAddress } from "wasyncore";
import { type Data, readData, show } from "./data.js";
import { acceptFrom, boundSocket, connectedTo, Peer, PATIENCE_MS, waitFor } from "./peers.js";
import type { Action, Scenario, Trace } from "./scenario.js";

/** How long a turn may wait for what must come. */
const WAIT_MS = 20;

/** Where the handlers are in another process, what is done with them is done later. */
type Done = void | Promise<void>;

/** Plays a scenario once. */
export abstract class Player {
  readonly scenario: Scenario;
  /** The trace that should come of it: how many lines to wait for, never which. */
  readonly #expected: Trace;
  readonly #peers = new Map<string, Peer>();
  readonly #segments: string[][] = [];
  #lines: string[] = [];
  /** Did something that must come not come? Then the traces differ, and waiting for more is of no use. */
  #isLate = false;

  constructor(scenario: Scenario, expected: Trace) {
    this.scenario = scenario;
    this.#expected = expected;
  }

  async play(): Promise<Trace> {
    try {
      for (const [step, ...operands] of this.scenario.steps) {
        const run = STEPS[step];
        if (run === undefined) throw new Error(`no such step: ${step}`);
        await run(this, ...(operands as never[]));
      }
      await this.describeHandlers();
      this.endSegment();
      return this.#segments;
    } finally {
      await this.closeHandlers();
      for (const peer of this.#peers.values()) peer.close();
    }
  }

  // What the handlers of a scenario are made with.

  /** A handler that listens. */
  abstract listen(name: string): Done;
  /** A handler with a new socket. */
  abstract create(name: string): Done;
  /** A handler on a connection; its peer is {@link addPeer}'s. */
  abstract open(name: string, peer: string): Done;
  /** A handler on an end of a pipe. */
  abstract pipe(name: string, peer: string, end: "read" | "write"): Done;
  /** A handler on a bound datagram socket. */
  abstract datagram(name: string): Done;
  /** What is done outside of a callback. */
  abstract perform(name: string, actions: readonly Action[]): Done;
  /** Writes down what became of each handler. */
  abstract describeHandlers(): Done;
  abstract closeHandlers(): Done;
  /** One turn, of `timeoutMs` at most. @returns whether the loop went on */
  abstract turn(timeoutMs: number): boolean | Promise<boolean>;
  /** Is no handler in the map? */
  abstract get isEmpty(): boolean;
  /** Waits until the kernel reports `condition` for the descriptor of a handler, or has so many bytes for it. */
  abstract waitForHandler(name: string, condition: string | number): Done;
  /** Where a handler is bound. */
  abstract handlerAddress(name: string): SocketAddress | undefined;

  get family(): Scenario["family"] {
    return this.scenario.family;
  }

  log(line: string): void {
    this.#lines.push(line);
  }

  endSegment(): void {
    this.#segments.push(this.#lines);
    this.#lines = [];
  }

  peer(name: string): Peer {
    const peer = this.#peers.get(name);
    if (peer === undefined) throw new Error(`no such peer: ${name}`);
    return peer;
  }

  addPeer(name: string, peer: Peer): void {
    this.#peers.set(name, peer);
  }

  waitFor(name: string, condition: string | number): Done {
    const peer = this.#peers.get(name);
    return peer === undefined ? this.waitForHandler(name, condition) : waitFor(peer.fd, condition);
  }

  addressOf(name: string): SocketAddress {
    const address = this.#peers.get(name)?.address ?? this.handlerAddress(name);
    if (address === undefined) throw new Error(`no address: ${name}`);
    return address;
  }

  /** Of peers that have one, by their names. */
  *peerAddresses(): Generator<[name: string, address: SocketAddress]> {
    for (const [name, { address }] of this.#peers) if (address !== undefined) yield [name, address];
  }

  ownerOf(address: SocketAddress): string {
    for (const [name, peer] of this.#peers) {
      const own = peer.address;
      if (own?.port !== undefined && own.port === address.port && own.host === address.host) return name;
    }
    return "somebody";
  }

  /** Turns until what is expected has come and then nothing more; `later` lines are still to be added. */
  async run(isDone: () => boolean = () => true, later = 0): Promise<void> {
    const wanted = (this.#expected[this.#segments.length]?.length ?? 0) - later;
    const deadlineMs = performance.now() + (this.#isLate ? WAIT_MS : PATIENCE_MS);
    let silent = 0;
    while (silent < 2) {
      const count = this.#lines.length;
      const waiting = !isDone() || (count < wanted && !this.isEmpty);
      if (!(await this.turn(waiting ? WAIT_MS : 0))) return;
      if (performance.now() > deadlineMs) {
        this.#isLate = true;
        if (waiting) return;
        throw new Error(`${this.scenario.id} does not come to rest`);
      }
      silent = waiting || this.#lines.length > count ? 0 : silent + 1;
    }
  }
}

const STEPS: Readonly<Record<string, (player: Player, ...operands: never[]) => Done>> = {
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
  listen: (player, name: string) => player.listen(name),
  make: (player, name: string) => player.create(name),
  open: (player, name: string, peer: string) => player.open(name, peer),
  pipe: (player, name: string, peer: string, end: "read" | "write") => player.pipe(name, peer, end),
  datagram: (player, name: string) => player.datagram(name),
  do: (player, name: string, actions: readonly Action[]) => player.perform(name, actions),

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
  wait: (player, name: string, condition: string | number) => player.waitFor(name, condition),
};
