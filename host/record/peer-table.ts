/**
 * Owns the peers of a recorded program, as its calls tell of them one after the other: which descriptor is which socket or
 * connection, whose bytes are whose, and when a peer began, sent and ended. Knows no record, network or world.
 */

import { constants } from "node:os";
import type { InetAddress } from "../backend/addresses.js";
import type { PeerScript, PeerStep, ServingSocket } from "./peer-scripts.js";

/** A descriptor of the program that is open. */
interface Descriptor {
  readonly type: "stream" | "dgram";
  /** Where it is bound; without a port where none is known. */
  local: InetAddress | undefined;
  requested: InetAddress | undefined;
  remote: InetAddress | undefined;
  /** The index of its {@link ServingSocket}, and since when it serves. */
  serving: number | undefined;
  servingNs: number;
  /** Of a connection. */
  peer: PeerScript | undefined;
  peerNs: number;
  /** Of datagrams: by the text of their address. */
  readonly peers: Map<string, { readonly script: PeerScript; readonly sinceNs: number }>;
}

const NO_DATA = new Uint8Array(0);

/** Ignores calls on descriptors that it does not know. */
export class PeerTable {
  readonly sockets: ServingSocket[] = [];
  readonly peers: PeerScript[] = [];
  /** The time of the call that comes next. */
  nowNs = 0;
  readonly #open = new Map<number, Descriptor>();
  /** Connections that the program makes to a listener of its own, by the listener: the next that it accepts is one of them. */
  readonly #own = new Map<number, number>();

  opened(fd: number, type: "stream" | "dgram"): void {
    this.#open.set(fd, descriptor(type));
  }

  duplicated(fd: number, copy: number): void {
    const of = this.#open.get(fd);
    if (of !== undefined) this.#open.set(copy, of);
  }

  /** Closed, or given away. */
  closed(fd: number): void {
    this.#open.delete(fd);
  }

  bound(fd: number, address: InetAddress): void {
    const of = this.#open.get(fd);
    if (of === undefined) return;
    of.local = address;
    of.requested = address;
    if (of.type === "dgram") this.#serves(of);
  }

  /** The program has asked where the socket is bound. */
  located(fd: number, address: InetAddress): void {
    const of = this.#open.get(fd);
    if (of !== undefined) of.local = address;
  }

  listens(fd: number): void {
    const of = this.#open.get(fd);
    if (of !== undefined) this.#serves(of);
  }

  accepted(listener: number, fd: number, remote: InetAddress): void {
    let of = this.#open.get(listener);
    if (of === undefined) {
      // One that was open before the recording began.
      of = descriptor("stream");
      this.#open.set(listener, of);
    }
    const serving = this.#serves(of);
    const connection = descriptor("stream");
    this.#open.set(fd, connection);
    const own = this.#own.get(serving) ?? 0;
    if (own > 0) {
      this.#own.set(serving, own - 1);
      return;
    }
    this.#begins(connection, "accepted", serving, remote, this.nowNs - of.servingNs);
  }

  /** @param result of connect(2), as -errno */
  connects(fd: number, to: InetAddress, result: number): void {
    const of = this.#open.get(fd);
    if (of === undefined) return;
    if (of.type === "dgram") {
      of.remote = result === 0 ? to : undefined;
      return;
    }
    if (of.peer !== undefined || (result < 0 && result !== -constants.errno.EINPROGRESS)) return;
    for (const each of this.#open.values()) {
      if (each.serving === undefined || each.type !== "stream" || each.local?.port !== to.port) continue;
      if (each.local.host !== to.host && !isAnyHost(each.local.host)) continue;
      this.#own.set(each.serving, (this.#own.get(each.serving) ?? 0) + 1);
      return;
    }
    this.#begins(of, "connected", undefined, to, 0);
  }

  /** @param count how many bytes; 0 at end of input; -errno */
  received(fd: number, count: number, data: Uint8Array): void {
    const of = this.#open.get(fd);
    if (of?.type === "dgram") {
      // Of a socket that is not connected the sender is not known, where there are several.
      const [only, another] = of.peers.values();
      const from = of.remote ?? (another === undefined ? only?.script.remote : undefined);
      if (count > 0 && from !== undefined) this.datagramFrom(fd, from, data);
      return;
    }
    if (count > 0) this.#step(of, "send", data);
    else if (count === 0) this.#step(of, "end", NO_DATA);
    else this.failed(fd, count);
  }

  /** @param data undefined where the recording does not have it */
  sent(fd: number, count: number, data: Uint8Array | undefined): void {
    const of = this.#open.get(fd);
    if (of?.type === "dgram") {
      if (of.remote !== undefined) this.datagramTo(fd, of.remote, count, data);
      return;
    }
    const { peer } = of ?? {};
    if (count < 0) return this.failed(fd, count);
    if (peer !== undefined) note(peer, data, count);
  }

  /** An urgent byte was received. */
  urgent(fd: number, data: Uint8Array): void {
    this.#step(this.#open.get(fd), "urgent", data);
  }

  /** A call has failed: perhaps because the peer has reset the connection, or has refused it. @param error -errno */
  failed(fd: number, error: number): void {
    const { ECONNRESET, EPIPE, ECONNREFUSED } = constants.errno;
    if (![ECONNRESET, EPIPE, ECONNREFUSED].includes(-error)) return;
    this.#step(this.#open.get(fd), "reset", NO_DATA);
  }

  datagramTo(fd: number, to: InetAddress, count: number, data: Uint8Array | undefined): void {
    const of = this.#open.get(fd);
    if (of === undefined || of.type !== "dgram" || count < 0) return;
    note(this.#datagrams(of, to, true).script, data, count);
  }

  datagramFrom(fd: number, from: InetAddress, data: Uint8Array): void {
    const of = this.#open.get(fd);
    if (of === undefined || of.type !== "dgram") return;
    const { script, sinceNs } = this.#datagrams(of, from, false);
    script.steps.push({ atNs: this.nowNs - sinceNs, kind: "send", data });
  }

  /** @returns the index of its {@link ServingSocket} */
  #serves(of: Descriptor): number {
    if (of.serving !== undefined) return of.serving;
    of.serving = this.sockets.length;
    of.servingNs = this.nowNs;
    this.sockets.push({ type: of.type, port: of.requested?.port ?? 0, host: of.requested?.host ?? "" });
    return of.serving;
  }

  #begins(
    of: Descriptor,
    kind: PeerScript["kind"],
    socket: number | undefined,
    remote: InetAddress,
    beganNs: number,
  ): PeerScript {
    const answers = kind === "connected";
    const script: PeerScript = { kind, socket, remote, beganNs, answers, steps: [], sent: [], sentBytes: 0 };
    of.peer = script;
    of.peerNs = this.nowNs;
    this.peers.push(script);
    return script;
  }

  #step(of: Descriptor | undefined, kind: PeerStep["kind"], data: Uint8Array): void {
    const { peer, peerNs } = of ?? {};
    if (peer === undefined || peerNs === undefined) return;
    const last = peer.steps.at(-1)?.kind;
    // An end is read again and again.
    if (last === "reset" || (last === "end" && kind !== "reset")) return;
    peer.steps.push({ atNs: this.nowNs - peerNs, kind, data });
  }

  /** @param answers is it the program that begins? */
  #datagrams(of: Descriptor, remote: InetAddress, answers: boolean): { script: PeerScript; sinceNs: number } {
    const key = `${remote.host} ${remote.port}`;
    const known = of.peers.get(key);
    if (known !== undefined) return known;
    // One that was bound by its first datagram is not looked for: the program begins.
    const socket = answers ? undefined : of.serving;
    const beganNs = answers ? 0 : this.nowNs - of.servingNs;
    const script: PeerScript = {
      kind: "datagrams",
      socket,
      remote,
      beganNs,
      answers,
      steps: [],
      sent: [],
      sentBytes: 0,
    };
    this.peers.push(script);
    const made = { script, sinceNs: this.nowNs };
    of.peers.set(key, made);
    return made;
  }
}

function descriptor(type: "stream" | "dgram"): Descriptor {
  return {
    type,
    local: undefined,
    requested: undefined,
    remote: undefined,
    serving: undefined,
    servingNs: 0,
    peer: undefined,
    peerNs: 0,
    peers: new Map(),
  };
}

function note(peer: PeerScript, data: Uint8Array | undefined, count: number): void {
  peer.sentBytes += count;
  if (data !== undefined) peer.sent.push(data.subarray(0, count));
}

const isAnyHost = (host: string): boolean => host === "0.0.0.0" || host === "::";
