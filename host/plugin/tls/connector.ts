/**
 * Owns the connections that plugins make by rules with TLS: the guest's socket is connected to a port of the host on this
 * machine, and the host connects to where the guest wanted to, with TLS. Knows no run.
 *
 * Any process of the machine can connect to such a port, so only sockets are served that a guest has announced, by the port
 * that they are bound to.
 */

import { connect as connectTcp, Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { Backend, SocketAddress } from "../../backend/backend.js";
import { openListener } from "../../net/listen.js";
import type { Socket as ListeningSocket } from "../../net/socket.js";
import { isName, plainName } from "../policy/names.js";
import type { AddressRule, Policy, TlsClientGrant } from "../policy/types.js";
import { Acceptor } from "./acceptor.js";
import { Links } from "./links.js";
import { Material } from "./material.js";
import { destroyTls, reset } from "./raw.js";
import { Relay } from "./relay.js";
import type { TlsUse } from "./use.js";

/** A connection without an announcement, and the other way round, is forgotten after this. */
const STRANGER_MS = 5000;
const ANNOUNCED_MS = 60_000;
/** So many connections may wait for their announcements. */
const STRANGERS_MAX = 64;
/** Connections that are being made. The others wait in the backlog of the host's port. */
const CONNECTING_MAX = 256;

/** What a guest's thread says before it connects. */
export interface Announced {
  /** The rule of the policy's `connect`. */
  readonly rule: number;
  /** Where to. */
  readonly address: SocketAddress;
  /** The guest's descriptor, and the port that it is bound to. */
  readonly fd: number;
  readonly port: number;
  /** Which of the host's ports it connects to. */
  readonly via: "IPv4" | "IPv6";
  readonly link: number;
}

/** What a run is given. */
export interface LentConnector {
  readonly linkMemory: SharedArrayBuffer;
  readonly IPv4: number;
  /** undefined where the machine has no IPv6: IPv6 sockets then use that of IPv4. */
  readonly IPv6: number | undefined;
}

interface ClientTls {
  readonly field: string;
  readonly grant: TlsClientGrant;
  readonly servername: string | undefined;
  readonly material: Material;
}

/** The rules of a policy that have TLS, with their certificates. */
export class TlsClients {
  readonly #use: TlsUse;
  readonly #rules = new Map<number, ClientTls>();

  /** @throws PluginError ERR_PLUGIN_TLS */
  constructor({ connect }: Pick<Policy, "connect">, use: TlsUse) {
    this.#use = use;
    for (const [index, rule] of connect.entries()) {
      if (rule.tls === undefined) continue;
      const field = `connect[${index}].tls`;
      try {
        const material = new Material(field, rule.tls, {}, use.materialHooks(field));
        this.#rules.set(index, { field, grant: rule.tls, servername: serverNameOf(rule, rule.tls), material });
      } catch (error) {
        this.close();
        throw error;
      }
    }
  }

  /** For a run; undefined where no rule has TLS. @throws OSError */
  connector(backend: Backend): TlsConnector | undefined {
    return this.#rules.size === 0 ? undefined : new TlsConnector(backend, this.#rules, this.#use);
  }

  /** Certificates are not looked at any more. */
  close(): void {
    for (const { material } of this.#rules.values()) material.close();
  }
}

function serverNameOf(rule: AddressRule, { servername }: TlsClientGrant): string | undefined {
  return servername ?? (rule.host !== undefined && isName(rule) ? plainName(rule.host) : undefined);
}

/** What is known of a connection: its announcement, or that it is there. */
interface Half {
  readonly announced?: Announced;
  readonly fd?: number;
  readonly timer: NodeJS.Timeout;
}

export class TlsConnector {
  readonly #backend: Backend;
  readonly #rules: ReadonlyMap<number, ClientTls>;
  readonly #use: TlsUse;
  readonly #links = new Links();
  readonly #sockets: ListeningSocket[] = [];
  readonly #acceptors: Acceptor[] = [];
  readonly #halves = new Map<string, Half>();
  /** What gives up those that are being made. */
  readonly #connecting = new Set<() => void>();
  readonly #stopRoom: () => void;
  #strangers = 0;
  #isClosed = false;
  readonly lent: LentConnector;

  constructor(backend: Backend, rules: ReadonlyMap<number, ClientTls>, use: TlsUse) {
    this.#backend = backend;
    this.#rules = rules;
    this.#use = use;
    this.#stopRoom = use.onRoom(this.#check);
    const ipv4 = this.#open("IPv4", "127.0.0.1");
    let ipv6: number | undefined;
    try {
      ipv6 = this.#open("IPv6", "::1");
    } catch {
      // The machine has none.
    }
    this.lent = { linkMemory: this.#links.memory, IPv4: ipv4, IPv6: ipv6 };
  }

  announce(announced: Announced): void {
    if (this.#isClosed) return;
    const key = `${announced.via} ${announced.port}`;
    const half = this.#take(key);
    if (half?.fd !== undefined) return this.#connect(half.fd, announced);
    // It did not connect.
    if (half?.announced !== undefined) this.#links.end(half.announced.link);
    const timer = setTimeout(() => {
      this.#halves.delete(key);
      this.#links.end(announced.link);
    }, ANNOUNCED_MS).unref();
    this.#halves.set(key, { announced, timer });
  }

  /** Connections that are made already go on. */
  close(): void {
    this.#isClosed = true;
    this.#stopRoom();
    for (const acceptor of this.#acceptors) acceptor.close();
    for (const giveUp of [...this.#connecting]) giveUp();
    for (const socket of this.#sockets) socket.close();
    for (const { fd, timer } of this.#halves.values()) {
      clearTimeout(timer);
      if (fd !== undefined) this.#backend.close(fd);
    }
    this.#halves.clear();
  }

  #open(via: Announced["via"], host: string): number {
    const socket = openListener({ host, port: 0 }, this.#backend);
    this.#sockets.push(socket);
    const acceptor = new Acceptor(this.#backend, socket.fd, {
      mayAccept: () => this.#connecting.size < CONNECTING_MAX && this.#use.hasRoom,
      onConnection: (fd, { port }) => this.#accepted(`${via} ${port}`, fd),
      onFailure: (code) => this.#use.report("connect", "accept", { code, message: `accept: ${code}` }),
    });
    this.#acceptors.push(acceptor);
    return socket.localAddress("inet").port;
  }

  #accepted(key: string, fd: number): void {
    const half = this.#take(key);
    if (half?.announced !== undefined) return this.#connect(fd, half.announced);
    if (half?.fd !== undefined) this.#backend.close(half.fd);
    if (this.#strangers >= STRANGERS_MAX) return void this.#backend.close(fd);
    this.#strangers++;
    const timer = setTimeout(() => {
      this.#take(key);
      this.#backend.close(fd);
    }, STRANGER_MS).unref();
    this.#halves.set(key, { fd, timer });
  }

  #take(key: string): Half | undefined {
    const half = this.#halves.get(key);
    if (half === undefined) return undefined;
    clearTimeout(half.timer);
    this.#halves.delete(key);
    if (half.fd !== undefined) this.#strangers--;
    return half;
  }

  readonly #check = (): void => {
    for (const acceptor of this.#acceptors) acceptor.check();
  };

  #connect(fd: number, { rule, address, fd: guestFd, link }: Announced): void {
    const tls = this.#rules.get(rule);
    this.#backend.release(fd);
    const inner = new Socket({ fd, allowHalfOpen: true });
    inner.setNoDelay(true);
    inner.on("error", () => undefined);
    if (tls === undefined || address.path !== undefined) {
      this.#links.end(link);
      return void reset(inner);
    }
    const { field, grant, servername, material } = tls;
    const { host, port } = address;
    const raw = connectTcp({ host, port, allowHalfOpen: true, noDelay: true });
    raw.on("error", () => undefined);
    const outer = connectTls({
      ...{ socket: raw, host, secureContext: material.context, rejectUnauthorized: grant.rejectUnauthorized },
      ...(servername === undefined ? {} : { servername }),
      ...(grant.alpn.length === 0 ? {} : { ALPNProtocols: [...grant.alpn] }),
    });
    this.#use.handshaking++;
    const end = (): void => {
      clearTimeout(timer);
      this.#use.handshaking--;
      this.#connecting.delete(giveUp);
      this.#check();
      outer.off("error", fail).off("close", closed).off("secureConnect", secure);
      outer.on("error", () => undefined);
    };
    const giveUp = (): void => {
      end();
      destroyTls(outer, raw, false);
      reset(inner);
      this.#links.end(link);
    };
    const fail = (error: Error): void => {
      if (!this.#connecting.has(giveUp)) return;
      giveUp();
      this.#use.failed(field, "connect", error, address);
    };
    const closed = (): void =>
      fail(Object.assign(new Error("the server closed the connection"), { code: "ECONNRESET" }));
    // Not while OpenSSL is reading.
    const secure = (): void => void setImmediate(begin);
    const begin = (): void => {
      if (!this.#connecting.has(giveUp)) return;
      end();
      this.#use.handshakes++;
      const relay = new Relay({
        ...{ outer, raw, inner, memory: this.#use.memory },
        isReset: () => this.#links.isReset(link),
        isClosed: () => this.#links.isClosed(link),
        setReset: () => this.#links.close(link, true),
        resetInner: () => reset(inner),
        mayLinger: () => !this.#use.isEnding,
        onEnd: () => {
          this.#links.end(link);
          this.#use.remove(relay, guestFd);
        },
      });
      this.#use.add(relay, guestFd);
    };
    const timer = setTimeout(
      () => fail(Object.assign(new Error("TLS handshake timeout"), { code: "ERR_TLS_HANDSHAKE_TIMEOUT" })),
      grant.handshakeTimeoutMs,
    );
    this.#connecting.add(giveUp);
    outer.on("error", fail).on("close", closed).on("secureConnect", secure);
  }
}
