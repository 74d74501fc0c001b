/**
 * Owns the playing of a scenario on the TypeScript classes, by `loop` or by `loopSync`. Knows the public API; leaves the
 * steps to player.ts.
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
import { defineHandler, describeAll, nameOf, performOutside, prepare, type Stage } from "./handlers.js";
import { anyAddress, connectedPair, Peer, pipe, waitFor } from "./peers.js";
import { Player } from "./player.js";
import type { Action, Scenario, Trace } from "./scenario.js";

/** How a scenario is played. */
export interface Playing {
  readonly usePoll: boolean;
  /** By `loopSync`, or by `loop`? */
  readonly blocking: boolean;
  /** The trace that should come of it: how many lines to wait for, never which. */
  readonly expected: Trace;
}

/** Plays a scenario once. */
export function play(scenario: Scenario, playing: Playing): Promise<Trace> {
  return new NodePlayer(scenario, playing).play();
}

class NodePlayer extends Player implements Stage {
  readonly #playing: Playing;
  readonly #map = new ChannelMap();
  readonly #handlers = new Map<string, Dispatcher>();
  /** Of handlers that are bound. */
  readonly #addresses = new Map<string, SocketAddress>();
  readonly #made = new Map<string, number>();

  constructor(scenario: Scenario, playing: Playing) {
    super(scenario, playing.expected);
    this.#playing = playing;
  }

  listen(name: string): void {
    const handler = this.#make(name);
    handler.createSocket({ family: this.family });
    this.#bind(name, handler);
    handler.listen(5);
  }

  create(name: string): void {
    this.#make(name).createSocket({ family: this.family });
  }

  open(name: string, peer: string): void {
    const [near, far] = connectedPair(this.family);
    this.addPeer(peer, new Peer({ socket: far }));
    this.#make(name, near);
  }

  pipe(name: string, peer: string, end: "read" | "write"): void {
    const { nearFd, far } = pipe(end);
    this.addPeer(peer, far);
    this.#make(name, nearFd);
    defaultBackend().close(nearFd);
  }

  datagram(name: string): void {
    const handler = this.#make(name);
    handler.createSocket({ family: this.family, type: "dgram" });
    this.#bind(name, handler);
  }

  perform(name: string, actions: readonly Action[]): void {
    performOutside(this, name, this.handler(name), actions);
  }

  describeHandlers(): void {
    describeAll(this, this.#handlers, this.#map);
  }

  closeHandlers(): void {
    closeAll({ map: this.#map, ignoreAll: true });
    this.#map[Symbol.dispose]();
    for (const handler of this.#handlers.values()) Dispatcher.prototype.close.call(handler);
  }

  get isEmpty(): boolean {
    return this.#map.size === 0;
  }

  waitForHandler(name: string, condition: string | number): void {
    waitFor(this.handler(name).fd, condition);
  }

  handlerAddress(name: string): SocketAddress | undefined {
    return this.#addresses.get(name);
  }

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

  // What the handlers use.

  adopt(spec: string, socket: Socket): void {
    const count = (this.#made.get(spec) ?? 0) + 1;
    this.#made.set(spec, count);
    this.#make(`${spec}${count}`, socket, spec);
  }

  handler(name: string): Dispatcher {
    const handler = this.#handlers.get(name);
    if (handler === undefined) throw new Error(`no such handler: ${name}`);
    return handler;
  }

  #make(name: string, socketOrFd?: Socket | number, specName = name): Dispatcher {
    const spec = this.scenario.handlers[specName];
    if (spec === undefined) throw new Error(`no such handler: ${specName}`);
    const handler = new (defineHandler(this, name, spec))(socketOrFd as never, this.#map as never);
    prepare(handler, spec);
    this.#handlers.set(name, handler);
    return handler;
  }

  #bind(name: string, handler: Dispatcher): void {
    handler.bind(anyAddress(this.family));
    this.#addresses.set(name, handler.socket.localAddress());
  }
}
