/**
 * Owns the peers of a recording in a world: which host each is on, which socket of the program it goes to, and when it begins.
 * Knows hosts and their addresses; leaves what a peer does to it, and what is in the recording to host/record.
 */

import { type InetAddress, Ready, type SocketAddress } from "../backend/backend.js";
import { checkInstance, checkOptions, checkString, rangeError } from "../backend/check.js";
import { openRecordingFile } from "../record/files.js";
import type { PeerScript, PeerScripts } from "../record/peer-scripts.js";
import { readPeers } from "../record/peers.js";
import { RecordingReader, sourceOf } from "../record/reader.js";
import { type Endpoint, type Ip, ipOf, isAny, isLoopback, isMulticast } from "./addresses.js";
import type { Machine } from "./host.js";
import { DatagramPeer, StreamPeer } from "./recorded-peer.js";
import type { RecordedOptions, RecordedPeer, RecordedWorld } from "./recorded-world.js";
import type { Timeline } from "./timeline.js";

const NS_PER_MS = 1e6;
const BACKLOG = 4096;
const DEFAULT_ADDRESS = "10.0.0.1";

/** What is needed of the world. */
export interface Ground {
  readonly timeline: Timeline;
  host(address: string, addresses?: readonly string[]): Machine;
  /** A host with an address that no other has. */
  freshHost(): Machine;
  addName(name: string, address: string): void;
}

/** @throws TypeError, RangeError, RecordingError, an error of node:fs */
export function peersIn(ground: Ground, recording: string | Uint8Array, options: RecordedOptions): RecordedWorld {
  if (typeof recording !== "string") checkInstance("recording", recording, Uint8Array);
  checkOptions("options", options as unknown, ["address"]);
  if (options.address !== undefined) checkString("options.address", options.address);
  const source = typeof recording === "string" ? openRecordingFile(recording) : sourceOf(recording);
  try {
    return new Stage(ground, readPeers(new RecordingReader(source)), options.address).world;
  } finally {
    source.close();
  }
}

class Stage {
  readonly world: RecordedWorld;
  readonly #ground: Ground;
  readonly #scripts: PeerScripts;
  readonly #host: Machine;
  /** Of the program's sockets, those that have not been met again. */
  readonly #unmet: Set<number>;
  readonly #peersOf = new Map<number, (StreamPeer | DatagramPeer)[]>();

  constructor(ground: Ground, scripts: PeerScripts, address: string | undefined) {
    this.#ground = ground;
    this.#scripts = scripts;
    this.#unmet = new Set(scripts.sockets.keys());
    const hosts = [...new Set(scripts.sockets.map(({ host }) => host))].filter(isOwnable);
    const [first, ...others] = address === undefined ? hosts : [address, ...hosts.filter((each) => each !== address)];
    this.#host = ground.host(first ?? DEFAULT_ADDRESS, others);
    for (const [name, addresses] of scripts.names) {
      if (name !== "localhost") for (const each of addresses) ground.addName(name, each);
    }
    if (this.#host.opened !== undefined) {
      throw rangeError(
        "options.address",
        "a host that no other recording is played to",
        JSON.stringify(this.#host.address),
      );
    }
    this.#host.opened = (type, at) => this.#opened(type, at);
    this.world = {
      host: this.#host,
      peers: this.#makePeers(),
      durationMs: scripts.durationNs / NS_PER_MS,
    };
  }

  #makePeers(): RecordedPeer[] {
    const { hasSent, peers: scripts } = this.#scripts;
    const answerers = new Map<string, StreamPeer[]>();
    const made = scripts.map((script) => {
      const { kind, remote, socket } = script;
      const peer =
        kind === "datagrams" ? this.#datagramPeer(script) : new StreamPeer(script, hasSent, this.#ground.timeline);
      if (socket !== undefined) this.#add(this.#peersOf, socket, peer);
      if (kind === "connected" && peer instanceof StreamPeer)
        this.#add(answerers, `${remote.host} ${remote.port}`, peer);
      return peer;
    });
    for (const peers of answerers.values()) this.#answer(peers);
    return made;
  }

  #add<K, P>(to: Map<K, P[]>, key: K, peer: P): void {
    const known = to.get(key);
    if (known === undefined) to.set(key, [peer]);
    else known.push(peer);
  }

  /** The host of a peer: with the address that it had, where that can be. */
  #machineFor(ip: Ip | undefined): Machine {
    if (ip === undefined || !isOwnable(ip.text) || this.#host.owns(ip)) return this.#ground.freshHost();
    return this.#ground.host(ip.text);
  }

  #datagramPeer(script: PeerScript): DatagramPeer {
    const { remote } = script;
    const ip = ipOf(remote.host);
    const machine = this.#machineFor(ip);
    const bound = { host: remote.host.includes(":") ? "::" : "0.0.0.0", port: remote.port };
    if (ip !== undefined) this.#host.route({ ip, port: remote.port }, machine);
    return new DatagramPeer(script, this.#scripts.hasSent, this.#ground.timeline, {
      backend: machine.backend,
      bound,
      reach: (to) => this.#lead(machine, to),
    });
  }

  /** Listens where the program connected to: each connection is answered by the next peer, and none after the last. */
  #answer(peers: readonly StreamPeer[]): void {
    // Where every connect was refused, nobody listens.
    const waiting = peers.filter(({ script }) => !wasRefused(script));
    const [first] = peers;
    const ip = first === undefined ? undefined : ipOf(first.address.host);
    if (first === undefined || ip === undefined) return;
    const { port } = first.address;
    const machine = this.#machineFor(ip);
    this.#host.route({ ip, port }, machine);
    if (waiting.length === 0) return;
    const { backend } = machine;
    const fd = backend.socket(ip.version === 6 ? "IPv6" : "IPv4", "stream");
    backend.setOption(fd, "SO_REUSEADDR", 1);
    backend.bind(fd, { host: ip.version === 6 ? "::" : "0.0.0.0", port });
    backend.listen(fd, BACKLOG);
    const set = backend.createPollSet();
    set.update(fd, Ready.READ);
    const watch = set.watch(() => {
      set.wait(0);
      while (waiting.length > 0) {
        const connection = backend.accept(fd);
        if (typeof connection === "number") return;
        waiting.shift()?.accepted(backend, connection.fd);
      }
      watch.stop();
      set.close();
      backend.close(fd);
    });
  }

  /** A socket of the program listens, or is bound: the peers that were its begin when they did. */
  #opened(type: "stream" | "dgram", at: Endpoint): void {
    const index = this.#met(type, at.port);
    if (index === undefined) return;
    this.#unmet.delete(index);
    const { timeline } = this.#ground;
    for (const peer of this.#peersOf.get(index) ?? []) {
      timeline.plan(timeline.nowNs + peer.script.beganNs, () => {
        if (peer instanceof StreamPeer) this.#connect(peer, at);
        else peer.start(this.#reachable(at, ipOf(peer.address.host)));
      });
    }
  }

  /** The one with its port; or else the first of those that had any. */
  #met(type: "stream" | "dgram", port: number): number | undefined {
    const { sockets } = this.#scripts;
    const unmet = [...this.#unmet].filter((index) => sockets[index]?.type === type);
    return unmet.find((index) => sockets[index]?.port === port) ?? unmet.find((index) => sockets[index]?.port === 0);
  }

  #connect(peer: StreamPeer, at: Endpoint): void {
    const { address } = peer;
    const ip = ipOf(address.host);
    if (ip === undefined) return;
    const machine = this.#machineFor(ip);
    const to = this.#reachable(at, ip);
    this.#lead(machine, to);
    const from = machine.owns(ip) ? { host: ip.text, port: address.port } : undefined;
    peer.connect(machine.backend, ip.version === 6 ? "IPv6" : "IPv4", to, from);
  }

  /** What a peer's host sends there reaches the program: a loopback address is that of the program's host. */
  #lead(machine: Machine, { host = "", port = 0 }: SocketAddress): void {
    const ip = ipOf(host);
    if (ip !== undefined) machine.route({ ip, port }, this.#host);
  }

  /** Where a peer with an address reaches a socket of the program. */
  #reachable({ ip, port }: Endpoint, from: Ip | undefined): InetAddress {
    if (!isAny(ip)) return { host: ip.text, port };
    const version = from?.version ?? 4;
    if (from !== undefined && isLoopback(from)) return { host: version === 6 ? "::1" : "127.0.0.1", port };
    const own = this.#host.addresses.find((each) => ipOf(each)?.version === version);
    return { host: own ?? (version === 6 ? "::1" : this.#host.address), port };
  }
}

function isOwnable(host: string): boolean {
  const ip = ipOf(host);
  return ip !== undefined && !isAny(ip) && !isLoopback(ip) && !isMulticast(ip);
}

function wasRefused({ steps, sentBytes }: PeerScript): boolean {
  return sentBytes === 0 && steps[0]?.kind === "reset";
}
