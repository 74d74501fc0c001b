/**
 * The handlers of scenarios in a component: takes commands on standard input, a line of JSON each, and answers each with a line
 * on standard output. `../component-player.ts` gives them. Argument: `loop` or `loopSync`.
 */

import {
  ChannelMap,
  closeAll,
  defaultBackend,
  Dispatcher,
  type Family,
  loop,
  loopSync,
  Ready,
  setLogSink,
  Socket,
  type SocketAddress,
} from "wasyncore";
import { defineHandler, describeAll, nameOf, performOutside, prepare, type Stage } from "../handlers.js";
import type { Action, HandlerSpec } from "../scenario.js";
import { type Answer, type Command, loopbackAddress } from "./commands.js";

const backend = defaultBackend();
const nothing = backend.createPollSet();
/** A host notices what has arrived when it waits, and not in a wait of no time. */
const SETTLE_MS = 0.5;
const READ_BYTES = 65_536;
const LINE_END = 10;

setLogSink(() => undefined);

/** One scenario. */
class Play implements Stage {
  readonly #map = new ChannelMap();
  readonly #handlers = new Map<string, Dispatcher>();
  readonly #specs: Readonly<Record<string, HandlerSpec>>;
  readonly #family: Exclude<Family, "unix">;
  readonly #own = new Map<string, SocketAddress>();
  readonly #made = new Map<string, number>();
  peers: Readonly<Record<string, SocketAddress>> = {};
  lines: string[] = [];

  constructor(specs: Readonly<Record<string, HandlerSpec>>, family: Exclude<Family, "unix">) {
    this.#specs = specs;
    this.#family = family;
  }

  get isEmpty(): boolean {
    return this.#map.size === 0;
  }

  // What the handlers use.

  log(line: string): void {
    this.lines.push(line);
  }

  addressOf(name: string): SocketAddress {
    const address = this.peers[name] ?? this.#own.get(name);
    if (address === undefined) throw new Error(`no address: ${name}`);
    return address;
  }

  ownerOf(address: SocketAddress): string {
    for (const [name, { host, port }] of Object.entries(this.peers)) {
      if (port === address.port && host === address.host) return name;
    }
    return "somebody";
  }

  handler(name: string): Dispatcher {
    const handler = this.#handlers.get(name);
    if (handler === undefined) throw new Error(`no such handler: ${name}`);
    return handler;
  }

  adopt(spec: string, socket: Socket): void {
    const count = (this.#made.get(spec) ?? 0) + 1;
    this.#made.set(spec, count);
    this.make(`${spec}${count}`, socket, spec);
  }

  // What the player asks for.

  make(name: string, socket?: Socket, specName = name): Dispatcher {
    const spec = this.#specs[specName];
    if (spec === undefined) throw new Error(`no such handler: ${specName}`);
    const handler = new (defineHandler(this, name, spec))(socket as never, this.#map as never);
    prepare(handler, spec);
    this.#handlers.set(name, handler);
    return handler;
  }

  create(name: string, type: "stream" | "dgram"): void {
    this.make(name).createSocket({ family: this.#family, type });
  }

  /** @returns where it is bound */
  bind(name: string): SocketAddress {
    const handler = this.handler(name);
    handler.bind(loopbackAddress(this.#family));
    const address = handler.socket.localAddress();
    this.#own.set(name, address);
    return address;
  }

  perform(name: string, actions: readonly Action[]): void {
    performOutside(this, name, this.handler(name), actions);
  }

  describe(): void {
    describeAll(this, this.#handlers, this.#map);
  }

  async turn(timeoutMs: number, usePoll: boolean, blocking: boolean): Promise<boolean> {
    nothing.wait(SETTLE_MS);
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

  close(): void {
    closeAll({ map: this.#map, ignoreAll: true });
    this.#map[Symbol.dispose]();
    for (const handler of this.#handlers.values()) Dispatcher.prototype.close.call(handler);
  }
}

/** One for each family, of the connections that scenarios begin with. */
const listeners = new Map<Family, Socket>();

function listenerOf(family: Exclude<Family, "unix">): Socket {
  const known = listeners.get(family);
  if (known !== undefined) return known;
  const listener = Socket.create({ family });
  listener.bind(loopbackAddress(family));
  listener.listen(1);
  listeners.set(family, listener);
  return listener;
}

function acceptFrom(listener: Socket): Socket {
  const set = backend.createPollSet();
  try {
    set.update(listener.fd, Ready.READ);
    let accepted = listener.accept();
    for (; accepted === undefined; accepted = listener.accept()) set.wait(Infinity);
    const [socket] = accepted;
    // The host notices that it can be written to when it waits.
    set.update(listener.fd, 0);
    set.update(socket.fd, Ready.WRITE);
    while (set.wait(Infinity) === 0) continue;
    return socket;
  } finally {
    set.close();
  }
}

let current: Play | undefined;

function play(): Play {
  if (current === undefined) throw new Error("no scenario has begun");
  return current;
}

async function obey(command: Command, blocking: boolean): Promise<Partial<Answer>> {
  switch (command.do) {
    case "begin":
      current = new Play(command.handlers, command.family);
      return { address: listenerOf(command.family).localAddress() };
    case "listen": {
      play().create(command.name, "stream");
      const address = play().bind(command.name);
      play().handler(command.name).listen(5);
      return { address };
    }
    case "make":
      return play().create(command.name, "stream") ?? {};
    case "open":
      play().make(command.name, acceptFrom(listenerOf(command.family)));
      return {};
    case "datagram":
      play().create(command.name, "dgram");
      return { address: play().bind(command.name) };
    case "perform":
      return play().perform(command.name, command.actions) ?? {};
    case "describe":
      return play().describe() ?? {};
    case "turn":
      return { goesOn: await play().turn(command.timeoutMs, command.usePoll, blocking) };
    case "close":
      return play().close() ?? {};
  }
}

function* linesOf(fd: number): Generator<string, void> {
  const set = backend.createPollSet();
  set.update(fd, Ready.READ);
  let rest: Uint8Array = new Uint8Array(0);
  while (true) {
    set.wait(Infinity);
    const read = backend.readBytes(fd, READ_BYTES);
    if (typeof read === "number") continue;
    if (read.length === 0) return;
    rest = Buffer.concat([rest, read]);
    for (let end = rest.indexOf(LINE_END); end >= 0; end = rest.indexOf(LINE_END)) {
      yield Buffer.from(rest.subarray(0, end)).toString();
      rest = rest.subarray(end + 1);
    }
  }
}

process.stdout.write("ready\n");
const blocking = process.argv[2] === "loopSync";
for (const line of linesOf(0)) {
  const command = JSON.parse(line) as Command;
  let answer: Partial<Answer>;
  try {
    if (current !== undefined) current.peers = command.peers;
    answer = await obey(command, blocking);
  } catch (error) {
    answer = { error: (error as Error).stack ?? String(error) };
  }
  const { lines = [], isEmpty = true } = current ?? {};
  if (current !== undefined) current.lines = [];
  process.stdout.write(`${JSON.stringify({ ...answer, lines, isEmpty })}\n`);
}
