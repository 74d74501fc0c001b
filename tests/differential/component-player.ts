/**
 * Owns the playing of a scenario on handlers in a component, which component/program.ts makes: the steps are in this process, with
 * the peers, and what is done with handlers is a command. Leaves the steps to player.ts.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import type { SocketAddress } from "wasyncore";
import type { Answer, InetFamily, Order } from "./component/commands.js";
import { connectedTo, PATIENCE_MS, Peer } from "./peers.js";
import { Player } from "./player.js";
import type { Action, Scenario, Trace } from "./scenario.js";

/** A component that runs, and takes a command after the other. */
export class Handlers {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  #stderr = "";
  /** When it takes commands: a runtime without a cache compiles it first, for seconds. */
  readonly ready: Promise<unknown>;

  constructor(command: string, parameters: readonly string[]) {
    this.#child = spawn(command, parameters, { stdio: ["pipe", "pipe", "pipe"] });
    const { stdout, stderr } = this.#child;
    if (stdout === null || stderr === null) throw new Error("no pipes");
    stderr.setEncoding("utf8").on("data", (text: string) => (this.#stderr += text));
    this.#lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
    this.ready = this.#lines.next();
  }

  async ask(order: Order, peers: Readonly<Record<string, SocketAddress>>): Promise<Answer> {
    this.#child.stdin?.write(`${JSON.stringify({ ...order, peers })}\n`);
    const line = await this.#lines.next();
    if (line.done === true) throw new Error(`the component has ended: ${this.#stderr}`);
    const answer = JSON.parse(line.value) as Answer;
    if (answer.error !== undefined) throw new Error(`${order.do}: ${answer.error}`);
    return answer;
  }

  /** @returns its exit status, and what it has written to standard error */
  async end(): Promise<{ code: number | null; stderr: string }> {
    const ended = once(this.#child, "close") as Promise<[number | null]>;
    this.#child.stdin?.end();
    const [code] = await ended;
    return { code, stderr: this.#stderr };
  }
}

export interface ComponentPlaying {
  readonly handlers: Handlers;
  readonly usePoll: boolean;
  /** The trace that should come of it: how many lines to wait for, never which. */
  readonly expected: Trace;
}

/** Plays a scenario once. */
export function playInComponent(scenario: Scenario, playing: ComponentPlaying): Promise<Trace> {
  return new ComponentPlayer(scenario, playing).play();
}

/** States of a socket in the tables of the kernel: nothing more comes from the peer. */
const TIME_WAIT = "06";
const ENDED = new Set(["07", "08", "09", "0B"]);

class ComponentPlayer extends Player {
  readonly #handlers: Handlers;
  readonly #usePoll: boolean;
  readonly #addresses = new Map<string, SocketAddress>();
  /** Between which ports handlers are connected; their own is not known where they connect themselves. */
  readonly #places = new Map<string, Place>();
  #listener: SocketAddress | undefined;
  #isEmpty = true;

  constructor(scenario: Scenario, { handlers, usePoll, expected }: ComponentPlaying) {
    super(scenario, expected);
    this.#handlers = handlers;
    this.#usePoll = usePoll;
  }

  override async play(): Promise<Trace> {
    const { handlers } = this.scenario;
    this.#listener = (await this.#ask({ do: "begin", handlers, family: this.#inetFamily })).address;
    return super.play();
  }

  get #inetFamily(): InetFamily {
    const { family } = this;
    if (family === "unix") throw new Error("a component has no Unix sockets");
    return family;
  }

  async listen(name: string): Promise<void> {
    await this.#bound(name, { do: "listen", name });
  }

  async create(name: string): Promise<void> {
    await this.#ask({ do: "make", name });
  }

  async open(name: string, peerName: string): Promise<void> {
    if (this.#listener === undefined) throw new Error("no listener");
    const peer = new Peer({ socket: connectedTo(this.family, this.#listener) });
    this.#places.set(name, { port: this.#listener.port, peerPort: peer.address?.port });
    this.addPeer(peerName, peer);
    await this.#ask({ do: "open", name, family: this.#inetFamily });
  }

  pipe(): never {
    throw new Error("a component has no pipes");
  }

  async datagram(name: string): Promise<void> {
    await this.#bound(name, { do: "datagram", name });
  }

  async perform(name: string, actions: readonly Action[]): Promise<void> {
    for (const [action, to] of actions) {
      if (action === "connect") this.#places.set(name, { peerPort: this.addressOf(String(to)).port });
    }
    await this.#ask({ do: "perform", name, actions });
  }

  async describeHandlers(): Promise<void> {
    await this.#ask({ do: "describe" });
  }

  async closeHandlers(): Promise<void> {
    await this.#ask({ do: "close" });
  }

  async turn(timeoutMs: number): Promise<boolean> {
    return (await this.#ask({ do: "turn", timeoutMs, usePoll: this.#usePoll })).goesOn === true;
  }

  get isEmpty(): boolean {
    return this.#isEmpty;
  }

  handlerAddress(name: string): SocketAddress | undefined {
    return this.#addresses.get(name);
  }

  /** By the kernel's tables: the descriptor is another process's. */
  waitForHandler(name: string, condition: string | number): void {
    const place = this.#places.get(name);
    if (place === undefined) throw new Error(`nobody knows what ${name} is connected to`);
    const deadlineMs = performance.now() + PATIENCE_MS;
    while (performance.now() < deadlineMs) {
      if (isSo(condition, this.#stateOf(place))) return;
    }
    throw new Error(`never so: ${condition}`);
  }

  /** @returns undefined for a connection that the kernel does not know any more: it was reset, or refused */
  #stateOf({ port, peerPort }: Place): SocketState | undefined {
    const suffix = this.#inetFamily === "IPv4" ? "" : "6";
    for (const table of ["tcp", "udp"]) {
      for (const line of readFileSync(`/proc/net/${table}${suffix}`, "latin1").split("\n").slice(1)) {
        const [, local = "", remote = "", state = "", queues = ""] = line.trim().split(/\s+/);
        const isIt = portIn(remote) === peerPort && (port === undefined || portIn(local) === port);
        // Ports are used again: one that waits for its time is of an earlier connection.
        if (isIt && state !== TIME_WAIT) return { state, unread: Number.parseInt(queues.split(":")[1] ?? "", 16) };
      }
    }
    return undefined;
  }

  async #bound(name: string, order: Order): Promise<void> {
    const { address } = await this.#ask(order);
    if (address !== undefined) this.#addresses.set(name, address);
  }

  async #ask(order: Order): Promise<Answer> {
    const answer = await this.#handlers.ask(order, Object.fromEntries(this.peerAddresses()));
    this.#isEmpty = answer.isEmpty;
    for (const line of answer.lines) this.log(line);
    return answer;
  }
}

interface Place {
  readonly port?: number | undefined;
  readonly peerPort: number | undefined;
}

interface SocketState {
  readonly state: string;
  readonly unread: number;
}

function portIn(address: string): number {
  return Number.parseInt(address.slice(address.lastIndexOf(":") + 1), 16);
}

function isSo(condition: string | number, found: SocketState | undefined): boolean {
  if (found === undefined) return true;
  const { state, unread } = found;
  if (typeof condition === "number") return unread >= condition;
  if (condition === "readable") return unread > 0 || ENDED.has(state);
  if (condition === "urgent") return unread > 0;
  if (condition === "end") return ENDED.has(state);
  // A connection, and a pending error of a datagram socket, which no table shows: it is there when the peer's call has returned.
  return condition === "writable" ? state === "01" : condition === "error";
}
