/**
 * Owns a listening socket whose TLS the host terminates: takes its connections, and hands those that are secure to the guest
 * through a queue that runs are lent in place of the socket. It outlives runs, as the socket does. Knows no run.
 */

import { Socket } from "node:net";
import type { Backend, SocketAddress } from "../../backend/backend.js";
import { OSError } from "../../backend/errors.js";
import type { Socket as ListeningSocket } from "../../net/socket.js";
import type { TlsGrant } from "../policy/types.js";
import { Acceptor } from "./acceptor.js";
import type { LentTls } from "./guest-sockets.js";
import { Handshakes, type Secured } from "./handshakes.js";
import { HANDED_BYTES, Links, readHanded, writeHanded } from "./links.js";
import { Material } from "./material.js";
import { destroyTls } from "./raw.js";
import { ReadWatch } from "./read-watch.js";
import { Relay } from "./relay.js";
import { QUEUE_MAX, type TlsUse } from "./use.js";

/** Certificates of a grant, and what is to be done with them. */
export class TlsSettings {
  readonly field: string;
  readonly grant: TlsGrant;
  readonly material: Material;

  /** @throws PluginError ERR_PLUGIN_TLS */
  constructor(field: string, grant: TlsGrant, use: TlsUse) {
    this.field = field;
    this.grant = grant;
    const options = { honorCipherOrder: true, sessionIdContext: "wasyncore" };
    this.material = new Material(field, grant, options, use.materialHooks(field));
  }

  close(): void {
    this.material.close();
  }
}

export class TlsListener {
  readonly #backend: Backend;
  readonly #use: TlsUse;
  readonly #links = new Links();
  readonly #handshakes: Handshakes;
  readonly #lent: LentTls;
  /** The host's end of the queue, and the guest's. */
  readonly #queueFds: readonly [host: number, guest: number];
  /** Secure, and not in the queue yet. */
  readonly #waiting: Secured[] = [];
  readonly #wakeUps: ReadWatch;
  readonly #stopRoom: () => void;
  readonly #record = new Uint8Array(HANDED_BYTES);
  #settings: TlsSettings;
  #queueMax = QUEUE_MAX;
  /** How many were put in the queue, modulo 2^32. */
  #queued = 0;
  #acceptor: Acceptor | undefined;

  /** Takes no connections before {@link open}. @throws OSError where there is no descriptor for the queue */
  constructor(backend: Backend, socket: ListeningSocket, settings: TlsSettings, use: TlsUse) {
    this.#backend = backend;
    this.#use = use;
    this.#settings = settings;
    const ends = backend.socketPair("stream");
    if (typeof ends === "number") throw new OSError(backend.errorCode(ends), { errno: ends, syscall: "socketpair" });
    this.#queueFds = ends;
    this.#lent = { linkMemory: this.#links.memory, address: socket.localAddress(), family: socket.family };
    this.#wakeUps = new ReadWatch(backend, ends[0], this.#onTaken);
    this.#stopRoom = use.onRoom(() => this.#acceptor?.check());
    this.#handshakes = new Handshakes(use, this.#onSecure, () => this.#acceptor?.check());
  }

  /** What a run gets in place of the socket. */
  get lent(): { readonly fd: number; readonly tls: LentTls } {
    return { fd: this.#queueFds[1], tls: this.#lent };
  }

  get settings(): TlsSettings {
    return this.#settings;
  }

  /** Begins to take connections of the socket, or goes on with other settings. */
  open(socket: ListeningSocket, settings: TlsSettings, backlog: number): void {
    if (settings !== this.#settings) this.#settings.close();
    this.#settings = settings;
    this.#queueMax = Math.min(backlog, QUEUE_MAX);
    this.#wakeUps.set(true);
    this.#acceptor ??= new Acceptor(this.#backend, socket.fd, {
      mayAccept: () => this.#mayAccept,
      onConnection: (fd, address) => this.#accepted(fd, address),
      onFailure: (code) => this.#use.report(this.#settings.field, "accept", { code, message: `accept: ${code}` }),
    });
  }

  /** Takes no more connections. */
  pause(): void {
    this.#acceptor?.close();
  }

  /** To be called when no run has it any more. Connections that a run has accepted, and closed, end by themselves. */
  close(): void {
    this.#settings.close();
    this.pause();
    this.#stopRoom();
    this.#handshakes.close();
    for (const secured of this.#waiting.splice(0)) resetSecured(secured);
    // What nobody has accepted.
    const [host, guest] = this.#queueFds;
    while (this.#backend.recv(guest, this.#record) === HANDED_BYTES) {
      const { fd } = readHanded(this.#record);
      this.#use.reset(fd);
      this.#backend.close(fd);
    }
    this.#wakeUps.close();
    this.#backend.close(host);
    this.#backend.close(guest);
  }

  /** The others wait in the kernel's backlog. */
  get #mayAccept(): boolean {
    const isBehind = this.#queueLength + this.#waiting.length >= this.#queueMax;
    return !isBehind && this.#use.hasRoom && this.#handshakes.hasRoom;
  }

  get #queueLength(): number {
    return (this.#queued - this.#links.taken) >>> 0;
  }

  #accepted(fd: number, address: SocketAddress): void {
    const { field, grant, material } = this.#settings;
    this.#backend.release(fd);
    try {
      this.#handshakes.begin(fd, address, material.context, {
        field,
        alpn: grant.alpn,
        requestCert: grant.requestCert,
        timeoutMs: grant.handshakeTimeoutMs,
      });
    } catch (error) {
      this.#backend.close(fd);
      this.#use.failed(field, "handshake", error, address);
    }
  }

  readonly #onSecure = (secured: Secured): void => {
    secured.tls.on("error", ignore).on("_tlsError", ignore);
    this.#waiting.push(secured);
    this.#hand();
  };

  readonly #onTaken = (): void => {
    // Each is a byte for a connection that was taken; their number is in the links.
    this.#backend.recv(this.#queueFds[0], this.#record);
    this.#hand();
    this.#acceptor?.check();
  };

  #hand(): void {
    while (this.#queueLength < QUEUE_MAX) {
      const secured = this.#waiting.shift();
      if (secured === undefined) return;
      if (secured.tls.destroyed) continue;
      const failed = this.#handOver(secured);
      if (failed === undefined) continue;
      this.#use.report(this.#settings.field, "accept", { code: failed, message: `socketpair: ${failed}` });
      resetSecured(secured);
    }
  }

  /** @returns the code of the error; undefined where it is in the queue */
  #handOver({ tls, raw, address }: Secured): string | undefined {
    const backend = this.#backend;
    const link = this.#links.make();
    const pair = link < 0 ? undefined : backend.socketPair("stream");
    if (typeof pair === "number") {
      this.#links.discard(link);
      return backend.errorCode(pair);
    }
    if (pair === undefined) return "ENFILE";
    const [host, guest] = pair;
    backend.release(host);
    const inner = new Socket({ fd: host, allowHalfOpen: true });
    // It belongs to the thread that takes it.
    backend.release(guest);
    const sent = backend.send(this.#queueFds[0], writeHanded({ fd: guest, link, address }));
    if (sent !== HANDED_BYTES) {
      inner.destroy();
      backend.close(guest);
      this.#links.discard(link);
      return "ENOBUFS";
    }
    this.#queued++;
    const relay = new Relay({
      outer: tls,
      raw,
      inner,
      memory: this.#use.memory,
      isReset: () => this.#links.isReset(link),
      setReset: () => this.#links.close(link, true),
      isClosed: () => this.#links.isClosed(link),
      resetInner: () => this.#links.resetByPeer(link),
      mayLinger: () => !this.#use.isEnding,
      onEnd: () => {
        this.#links.end(link);
        this.#use.remove(relay, guest);
      },
    });
    this.#use.add(relay, guest);
    return undefined;
  }
}

function resetSecured({ tls, raw }: Secured): void {
  destroyTls(tls, raw, true);
}

function ignore(): void {}
