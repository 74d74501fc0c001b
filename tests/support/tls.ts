/** Owns the certificates of the tests, and the TLS connections that they talk through. See tls/README.md. */

import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect as connectTcp } from "node:net";
import { connect as connectTls, type ConnectionOptions, createServer, type TLSSocket, type TlsOptions } from "node:tls";
import { afterEach, beforeEach, onTestFinished } from "vitest";
import { type ChannelMap, Dispatcher, type Socket, type SocketAddress, wrapTls, type WrapTlsOptions } from "wasyncore";
import { nativeTransports } from "../../host/net/tls/native.js";
import { Chat } from "./chats.js";
import { Quiet } from "./handlers.js";
import { type Mode, MODES } from "./runs.js";

const pem = (name: string): Buffer => readFileSync(new URL(`tls/${name}.pem`, import.meta.url));
const pair = (name: string): { readonly key: Buffer; readonly cert: Buffer } => ({
  key: pem(`${name}-key`),
  cert: pem(name),
});

export const CA = pem("ca");
export const SERVER = pair("server");
export const OTHER = pair("other");
export const CLIENT = pair("client");
export const STRANGER = pair("stranger");

/** A way to run a loop, and how records get to the connection. */
export interface TlsMode extends Mode {
  readonly isNative: boolean;
}

/** The ways of running a loop that TLS has, with both ways of sending records. */
export const TLS_MODES: readonly TlsMode[] = [true, false].flatMap((isNative) =>
  MODES.filter(({ blocking }) => !blocking).map((mode) => ({
    ...mode,
    name: `${mode.name}, records sent ${isNative ? "by Node" : "through a stream"}`,
    isNative,
  })),
);

/** The tests of this suite send records in one way. */
export function useTransport({ isNative }: TlsMode): void {
  beforeEach(() => {
    nativeTransports.areAllowed = isNative;
  });
  afterEach(() => {
    nativeTransports.areAllowed = true;
  });
}

export const serverOptions = { isServer: true, ...SERVER } as const;
export const clientOptions = { ca: CA, servername: "localhost" } as const;

/** Writes down as Chat does, "secure" included. */
export class TlsChat extends Chat {
  secured = 0;

  constructor(socket: Socket | undefined, map: ChannelMap) {
    super(socket, map);
    this.setTerminator("\n");
  }

  override handleSecure(): void {
    this.told.push("secure");
    this.secured += 1;
  }

  /** The codes of its errors. */
  get codes(): unknown[] {
    return this.errors.map((error) => (error as NodeJS.ErrnoException).code);
  }
}

/** A listener whose connections are what `accept` makes of them. */
export class Listener extends Quiet {
  readonly #accept: (socket: Socket) => void;

  constructor(map: ChannelMap, accept: (socket: Socket) => void) {
    super(undefined, map);
    this.#accept = accept;
    this.createSocket();
    this.bind({ host: "127.0.0.1", port: 0 });
    this.listen(128);
  }

  get port(): number {
    return this.address.port;
  }

  get address(): SocketAddress & { port: number } {
    return this.socket.localAddress() as SocketAddress & { port: number };
  }

  override handleAccepted(socket: Socket): void {
    this.#accept(socket);
  }
}

/** A listener, and the chats that it has accepted. */
export function chatServer(map: ChannelMap, options: WrapTlsOptions = serverOptions): [Listener, TlsChat[]] {
  const chats: TlsChat[] = [];
  return [new Listener(map, (socket) => chats.push(new TlsChat(wrapTls(socket, options), map))), chats];
}

/** A chat that connects. */
export function chatClient(map: ChannelMap, address: SocketAddress, options: WrapTlsOptions = clientOptions): TlsChat {
  const chat = new TlsChat(undefined, map);
  chat.createSocket();
  chat.connect(address);
  return wrapTls(chat, options);
}

/** A client of node:tls, destroyed when the test ends. Its errors are its own. */
export function nodeClient(port: number, options: ConnectionOptions = {}): TLSSocket {
  const socket = connectTls({ host: "127.0.0.1", port, ca: CA, servername: "localhost", ...options });
  socket.on("error", () => {});
  onTestFinished(() => void socket.destroy());
  return socket;
}

/** A server of node:tls, closed when the test ends. @returns its port */
export async function nodeServer(accept: (socket: TLSSocket) => void, options: TlsOptions = SERVER): Promise<number> {
  const sockets = new Set<TLSSocket>();
  const server = createServer(options, (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    accept(socket);
  });
  server.on("tlsClientError", () => {});
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as { port: number }).port;
}

/** A connection without TLS, destroyed when the test ends. */
export async function rawClient(port: number): Promise<import("node:net").Socket> {
  const socket = connectTcp({ host: "127.0.0.1", port, allowHalfOpen: true });
  socket.on("error", () => {});
  onTestFinished(() => void socket.destroy());
  await once(socket, "connect");
  return socket;
}

/** A dispatcher that writes down reads and errors. */
export class TlsRecorder extends Dispatcher {
  readonly told: string[] = [];
  readonly errors: unknown[] = [];

  override handleSecure(): void {
    this.told.push("secure");
  }

  override handleRead(): void {
    const data = this.recv(65_536);
    if (data.length > 0) this.told.push(`read ${Buffer.from(data).toString()}`);
  }

  override handleEof(): void {
    this.told.push("eof");
    this.close();
  }

  override handleClose(): void {
    this.told.push("close");
    this.close();
  }

  override handleError(error: unknown): void {
    this.errors.push(error);
    this.close();
  }
}
