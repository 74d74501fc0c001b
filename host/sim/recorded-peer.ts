/**
 * Owns a peer of a recording on a simulated host: sends what it sent when it did, and keeps what it is sent. Knows the seam of its
 * host and the world's time; knows no recording's file and no program.
 */

import {
  type Backend,
  type Family,
  type InetAddress,
  type PollSet,
  Ready,
  ReadyRow,
  type SocketAddress,
  type Watch,
} from "../backend/backend.js";
import type { PeerScript, PeerStep } from "../record/peer-scripts.js";
import { joined } from "./bytes.js";
import { E } from "./file.js";
import type { RecordedPeer } from "./recorded-world.js";
import type { Timeline } from "./timeline.js";

const RECEIVE_BYTES = 65_536;

/** What peers have in common: their script, and what has become of it. */
abstract class Peer implements RecordedPeer {
  readonly kind: PeerScript["kind"];
  readonly address: InetAddress;
  readonly messages: Uint8Array[] = [];
  readonly recorded: Uint8Array | undefined;
  state: "waiting" | "open" | "closed" = "waiting";
  failure: string | undefined;
  sentBytes = 0;
  readonly script: PeerScript;
  protected readonly timeline: Timeline;

  constructor(script: PeerScript, hasSent: boolean, timeline: Timeline) {
    this.script = script;
    this.kind = script.kind;
    this.address = script.remote;
    this.recorded = hasSent ? joined(script.sent) : undefined;
    this.timeline = timeline;
  }

  get received(): Uint8Array {
    return joined(this.messages);
  }

  /** It begins now: each of its steps comes when it came. */
  protected begin(): void {
    this.state = "open";
    const { nowNs } = this.timeline;
    for (const step of this.script.steps) {
      this.timeline.plan(nowNs + step.atNs, () => {
        if (this.state === "open") this.play(step);
      });
    }
  }

  protected abstract play(step: PeerStep): void;
}

/** One side of a connection. */
export class StreamPeer extends Peer {
  #backend: Backend | undefined;
  #fd = -1;
  #set: PollSet | undefined;
  #watch: Watch | undefined;
  #isConnecting = false;
  /** What the socket has not taken yet. */
  readonly #pending: PeerStep[] = [];
  #taken = 0;
  #left = 0;
  #isEnded = false;
  #hasEnded = false;
  #interest = 0;

  /** Connects to the program. @param from the address that it had, where its host has it */
  connect(backend: Backend, family: Exclude<Family, "unix">, to: InetAddress, from: InetAddress | undefined): void {
    const fd = backend.socket(family, "stream");
    if (fd < 0) return this.#fails(backend.errorCode(fd));
    // A port that a connection before it has had may be in use still: then it has another.
    if (from !== undefined) backend.bind(fd, from);
    this.#isConnecting = true;
    this.#opens(backend, fd);
    const result = backend.connect(fd, to);
    if (result < 0 && result !== -E.EINPROGRESS) this.#fails(backend.errorCode(result));
    else this.#listens();
  }

  /** The program has connected to it. */
  accepted(backend: Backend, fd: number): void {
    this.#opens(backend, fd);
    this.#starts();
    this.#listens();
  }

  #opens(backend: Backend, fd: number): void {
    this.#backend = backend;
    this.#fd = fd;
    const set = backend.createPollSet();
    this.#set = set;
    this.#watch = set.watch(() => {
      if (set.wait(0) > 0) this.#ready(backend, set.ready[ReadyRow.ERROR] ?? 0);
      this.#listens();
    });
  }

  /** Waits for what it can go on with. */
  #listens(): void {
    if (this.#fd < 0) return;
    const writes = this.#isConnecting || this.#pending.length > 0;
    const interest = (this.#isEnded ? 0 : Ready.READ) | (writes ? Ready.WRITE : 0);
    if (interest !== this.#interest) this.#set?.update(this.#fd, interest);
    this.#interest = interest;
  }

  #starts(): void {
    this.#isConnecting = false;
    this.#left = this.script.steps.length;
    this.begin();
  }

  /** @param error what the wait has found, as -errno */
  #ready(backend: Backend, error: number): void {
    const failed = error || -backend.getOption(this.#fd, "SO_ERROR");
    if (failed < 0) return this.#fails(backend.errorCode(failed));
    if (this.#isConnecting) {
      if (typeof backend.remoteAddress(this.#fd) === "number") return;
      this.#starts();
    }
    this.#reads(backend);
    this.#writes(backend);
  }

  #reads(backend: Backend): void {
    while (this.#fd >= 0 && !this.#isEnded) {
      const data = backend.receive(this.#fd, RECEIVE_BYTES);
      if (typeof data === "number") {
        if (data !== -E.EAGAIN) this.#fails(backend.errorCode(data));
        return;
      }
      if (data.length > 0) this.messages.push(data.slice());
      else this.#isEnded = true;
    }
    this.#closesWhenOver();
  }

  protected play(step: PeerStep): void {
    this.#pending.push(step);
    const backend = this.#backend;
    if (backend === undefined) return;
    this.#writes(backend);
    this.#listens();
  }

  #writes(backend: Backend): void {
    while (this.#fd >= 0) {
      const step = this.#pending[0];
      if (step === undefined) return this.#closesWhenOver();
      const { kind, data } = step;
      if (kind === "reset") {
        backend.setLinger(this.#fd, { on: true, seconds: 0 });
        return this.#closes();
      }
      if (kind === "end") {
        backend.shutdown(this.#fd, "write");
        this.#hasEnded = true;
      } else {
        const rest = data.subarray(this.#taken);
        const count = kind === "urgent" ? backend.sendOutOfBand(this.#fd, rest) : backend.send(this.#fd, rest);
        if (count < 0) {
          if (count !== -E.EAGAIN) this.#fails(backend.errorCode(count));
          return;
        }
        this.sentBytes += count;
        this.#taken += count;
        if (this.#taken < data.length) return;
      }
      this.#taken = 0;
      this.#pending.shift();
      this.#left -= 1;
    }
  }

  /** The program has ended its side, and there is nothing left to send; or both have ended. */
  #closesWhenOver(): void {
    if (this.#isEnded && (this.#hasEnded || this.#left === 0)) this.#closes();
  }

  #fails(code: string): void {
    this.failure = code;
    this.#closes();
  }

  #closes(): void {
    this.state = "closed";
    this.#watch?.stop();
    this.#set?.close();
    if (this.#fd >= 0) this.#backend?.close(this.#fd);
    this.#fd = -1;
  }
}

/** Where a {@link DatagramPeer} is. */
export interface DatagramPlace {
  readonly backend: Backend;
  readonly bound: InetAddress;
  /** Called before it sends: what is sent to this address reaches the program. */
  readonly reach: (to: SocketAddress) => void;
}

/** Who exchanges datagrams with a socket of the program. */
export class DatagramPeer extends Peer {
  readonly #backend: Backend;
  readonly #fd: number;
  readonly #reach: (to: SocketAddress) => void;
  #to: SocketAddress | undefined;

  constructor(script: PeerScript, hasSent: boolean, timeline: Timeline, { backend, bound, reach }: DatagramPlace) {
    super(script, hasSent, timeline);
    this.#backend = backend;
    this.#reach = reach;
    this.#fd = backend.socket(bound.host.includes(":") ? "IPv6" : "IPv4", "dgram");
    const result = this.#fd < 0 ? this.#fd : backend.bind(this.#fd, bound);
    if (result < 0) {
      this.failure = backend.errorCode(result);
      this.state = "closed";
      return;
    }
    const set = backend.createPollSet();
    set.update(this.#fd, Ready.READ);
    set.watch(() => {
      set.wait(0);
      this.#reads();
    });
  }

  /** Sends to the program from now on. */
  start(to: SocketAddress): void {
    if (this.state !== "waiting") return;
    this.#to = to;
    this.#reach(to);
    this.begin();
  }

  #reads(): void {
    while (true) {
      const found = this.#backend.receiveFrom(this.#fd, RECEIVE_BYTES);
      if (typeof found === "number") return;
      this.messages.push(found.data.slice());
      if (this.script.answers) this.start(found.address);
    }
  }

  protected play({ data }: PeerStep): void {
    if (this.#to === undefined) return;
    const count = this.#backend.sendTo(this.#fd, data, this.#to);
    if (count >= 0) this.sentBytes += count;
    else this.failure = this.#backend.errorCode(count);
  }
}
