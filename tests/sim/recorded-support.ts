/** Owns the recording of a program with clients, its playing in a world, and an echo server. Knows nothing of what is tested. */

import { ChannelMap, defaultBackend, Dispatcher, DispatcherWithSend, loop, type Socket } from "../../host/index.js";
import { record, type RecordOptions } from "../../host/record/index.js";
import { type RecordedPeer, SimWorld } from "../../host/sim/index.js";

/** A program that can be recorded: it runs until it has nothing to do. */
export type Program = (map: ChannelMap, onListen: (port: number) => void) => void;

export const text = (data: Uint8Array | undefined): string => Buffer.from(data ?? []).toString();
export const answers = (peers: readonly RecordedPeer[]): string[] => peers.map(({ received }) => text(received));

/** Records a program on the operating system, with clients that talk to it. */
export async function recorded(
  program: Program,
  clients: (port: number, map: ChannelMap) => void,
  options: RecordOptions = { sent: true },
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  const recorder = record(defaultBackend(), (chunk) => chunks.push(chunk.slice()), options);
  const map = new ChannelMap({ backend: recorder.backend });
  const others = new ChannelMap();
  program(map, (port) => clients(port, others));
  await Promise.all([loop({ map, timeoutMs: Infinity }), loop({ map: others, timeoutMs: Infinity })]);
  recorder.end();
  return Buffer.concat(chunks);
}

/** Plays a recording's peers against a program. */
export async function played(
  recording: Uint8Array | string,
  program: Program,
  world = new SimWorld(),
): Promise<Played> {
  const { host, peers, durationMs } = world.from(recording);
  host.start(({ backend }) => {
    const map = new ChannelMap({ backend });
    program(map, () => undefined);
    return loop({ map });
  });
  await world.run({ untilMs: durationMs + 60_000 });
  return { peers, world };
}

export interface Played {
  readonly peers: readonly RecordedPeer[];
  readonly world: SimWorld;
}

/** Accepts so many connections, and makes a handler for each. */
export class Server extends Dispatcher {
  #left: number;
  readonly #accept: (socket: Socket, map: ChannelMap) => void;

  constructor(
    map: ChannelMap,
    count: number,
    accept: (socket: Socket, map: ChannelMap) => void,
    onListen: (port: number) => void,
  ) {
    super(undefined, map);
    this.#left = count;
    this.#accept = accept;
    this.createSocket();
    this.bind({ host: "127.0.0.1", port: 0 });
    this.listen(10);
    onListen((this.socket.localAddress() as { port: number }).port);
  }

  override handleAccepted(socket: Socket): void {
    this.#accept(socket, this.map);
    this.#left -= 1;
    if (this.#left === 0) this.close();
  }
}

export class Echo extends DispatcherWithSend {
  prefix = "";
  override handleRead(): void {
    const data = this.recv(4096);
    if (data.length > 0) this.send(Buffer.concat([Buffer.from(this.prefix), data]));
  }
  override handleClose(): void {
    this.close();
  }
}

/** Sends its lines one after the other, each when the last has been answered; then closes. */
export class Client extends DispatcherWithSend {
  readonly #lines: string[];
  #awaited = 0;

  constructor(port: number, map: ChannelMap, lines: readonly string[]) {
    super(undefined, map);
    this.#lines = [...lines];
    this.createSocket();
    this.connect({ host: "127.0.0.1", port });
  }
  override handleConnect(): void {
    this.#next();
  }
  override handleRead(): void {
    this.#awaited -= this.recv(4096).length;
    if (this.#awaited <= 0) this.#next();
  }
  override handleClose(): void {
    this.close();
  }
  #next(): void {
    const line = this.#lines.shift();
    if (line === undefined) return this.close();
    this.#awaited = line.length;
    this.send(Buffer.from(line));
  }
}

export const echo =
  (count: number, prefix = ""): Program =>
  (map, onListen) =>
    void new Server(map, count, (socket, of) => void (new Echo(socket, of).prefix = prefix), onListen);
