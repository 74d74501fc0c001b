/** A TCP proxy that buffers little: while one side reads slowly, the other is not read. */

import { isIPv6 } from "node:net";
import { parseArgs } from "node:util";
import { AsyncChat, Dispatcher, loop, type Socket, type SocketAddress } from "wasyncore";
import { isProgram, PORT_MAX, run } from "./program.js";

const USAGE = `usage: proxy --to HOST:PORT [--listen HOST:PORT] [--verbose]
default: listens on 127.0.0.1:7007; port 0 takes a free one; write an IPv6 address in brackets: [::1]:7007
--verbose logs when a side is paused and, for each connection, how much was buffered at most and the size of the process`;

/** One of the two connections that the proxy joins; it pushes what it reads to the other one, its peer. */
class Side extends AsyncChat {
  static readonly #buffer = new Uint8Array(65_536);
  peer: Side | undefined;
  /** The longest that the output queue has been, in bytes. */
  held = 0;
  readonly #verbose: boolean;

  constructor(socket: Socket | undefined, verbose: boolean) {
    super(socket);
    this.#verbose = verbose;
  }

  /** `push` sends what it can, and copies the rest: one buffer is enough for all connections. */
  override handleRead(): void {
    const length = this.recvInto(Side.#buffer);
    if (length > 0) this.collectIncomingData(Side.#buffer.subarray(0, length));
  }

  override collectIncomingData(data: Uint8Array): void {
    const { peer } = this;
    if (peer === undefined || peer.push(data)) return;
    this.pauseReading();
    if (this.#verbose) this.log(`${peer} reads slowly: paused ${this}`);
  }

  override handleConnect(): void {}

  override push(data: Uint8Array): boolean {
    const more = super.push(data);
    this.held = Math.max(this.held, this.outBufferLength);
    return more;
  }

  override handleDrain(): void {
    this.peer?.resumeReading();
  }

  /** One direction has ended; the other goes on. */
  override handleEof(): void {
    this.peer?.endWriting();
  }

  /** One side has closed: the other closes when its queue is sent. */
  override handleClose(): void {
    const { peer } = this;
    this.close();
    this.peer = undefined;
    if (peer === undefined) return;
    peer.peer = undefined;
    peer.resumeReading();
    peer.closeWhenDone();
    if (!this.#verbose) return;
    const { maxRSS } = process.resourceUsage();
    this.log(`held ${Math.max(this.held, peer.held)} bytes of a direction at the most; the process had ${maxRSS} KiB`);
  }
}

export class Proxy extends Dispatcher {
  constructor(
    listen: SocketAddress,
    readonly to: SocketAddress,
    readonly verbose: boolean,
  ) {
    super();
    this.createSocket({ family: familyOf(listen) });
    this.setReuseAddr();
    this.bind(listen);
    this.listen(128);
  }

  override handleAccepted(socket: Socket): void {
    const near = new Side(socket, this.verbose);
    const far = new Side(undefined, this.verbose);
    near.peer = far;
    far.peer = near;
    far.createSocket({ family: familyOf(this.to) });
    try {
      far.connect(this.to);
    } catch (error) {
      far.handleError(error);
    }
  }
}

function familyOf({ host = "" }: SocketAddress): "IPv4" | "IPv6" {
  return isIPv6(host) ? "IPv6" : "IPv4";
}

/** "HOST:PORT" */
function parseAddress(option: string, text: string): SocketAddress {
  const match = /^(?:\[(.+)\]|([^:]+)):(\d+)$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > PORT_MAX) throw new Error(`--${option} must be HOST:PORT, got "${text}"`);
  return { host: match[1] ?? match[2] ?? "", port };
}

async function main(): Promise<void> {
  const options = {
    listen: { type: "string", default: "127.0.0.1:7007" },
    to: { type: "string" },
    verbose: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  } as const;
  const { listen, to, verbose, help } = parseArgs({ options }).values;
  if (help) return console.log(USAGE);
  if (to === undefined) throw new Error(`--to is missing\n${USAGE}`);
  const proxy = new Proxy(parseAddress("listen", listen), parseAddress("to", to), verbose);
  const { host, port } = proxy.socket.localAddress();
  console.log(`listening on ${host}:${port}`);
  await loop();
}

if (isProgram(import.meta.url)) await run("proxy", main);
