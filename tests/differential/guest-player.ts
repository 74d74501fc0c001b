/**
 * Owns the playing of a scenario on the classes of assembly/guest: in this process, on the project's own host, with the
 * program in guest/ as the guest. Leaves the steps to player.ts.
 *
 * A guest finds its listeners, and every other socket that it does not open itself, open when it starts. So they are made
 * before: nothing is sent on them until the scenario comes to that.
 */

import { openSync, closeSync } from "node:fs";
import { type Backend, defaultBackend, type Socket, type SocketAddress } from "wasyncore";
import { PREVIEW1 } from "../../host/guest/module.js";
import { Preview1 } from "../../host/guest/preview1.js";
import { actionFields, encode, type Encodable, specFields } from "./guest-encoding.js";
import { boundSocket, connectedPair, Peer, pipe, waitFor } from "./peers.js";
import { Player } from "./player.js";
import type { Action, Scenario, Trace } from "./scenario.js";

/** The part of the WebAssembly API that is used here. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: object };
};

/** What guest/program.ts exports. */
interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer };
  _initialize(): void;
  makeRoom(length: number): number;
  takeLines(): number;
  play(): void;
  playTurn(timeoutMs: number, usePoll: boolean): number;
  pending(): number;
}

export interface GuestPlaying {
  readonly usePoll: boolean;
  /** The trace that should come of it: how many lines to wait for, never which. */
  readonly expected: Trace;
}

/** Makes what plays scenarios on a guest, of the module that guest/program.ts becomes. */
export function guestPlays(bytes: Uint8Array): (scenario: Scenario, playing: GuestPlaying) => Promise<Trace> {
  const module = new WebAssembly.Module(bytes);
  return (scenario, playing) => new GuestPlayer(module, scenario, playing).play();
}

const FIRST_LISTENER = 3;
const LEFT_LOOP = 1;
/** Of guest/actions.ts: what "raise scripted" fails with. WASI's EINVAL. */
const SCRIPTED_ERRNO = 28;

class GuestPlayer extends Player {
  readonly #usePoll: boolean;
  readonly #preview1: Preview1;
  readonly #exports: Exports;
  readonly #nullFd = openSync("/dev/null", "r+");
  /** Descriptors of handlers, and where they are bound. */
  readonly #fds = new Map<string, number>();
  readonly #addresses = new Map<string, SocketAddress>();
  /** The guest's number of each descriptor that it finds open. */
  readonly #numbers = new Map<string, number>();
  readonly #far = new Map<string, Peer>();
  readonly #sentAddresses = new Set<string>();
  readonly #pipeFds: number[] = [];
  #lastSocketFd = -1;

  constructor(module: object, scenario: Scenario, { usePoll, expected }: GuestPlaying) {
    super(scenario, expected);
    this.#usePoll = usePoll;
    const stdio = [this.#nullFd, this.#nullFd, this.#nullFd];
    const listeners = scenario.steps.flatMap(([step, name, , end]) => {
      if (step === "pipe") this.#preparePipe(String(name), end === "read" ? "read" : "write", stdio);
      const socket = this.#prepareSocket(step, String(name));
      if (socket === undefined) return [];
      this.#fds.set(String(name), socket.fd);
      this.#numbers.set(String(name), FIRST_LISTENER + this.#numbers.size);
      return [{ fd: socket.detach(), name: String(name) }];
    });
    const [stdin = -1, stdout = -1, stderr = -1] = stdio;
    this.#preview1 = new Preview1(this.#watchedBackend(), {
      listeners,
      stdio: [{ fd: stdin }, { fd: stdout }, { fd: stderr }],
      socketExtension: true,
    });
    const { exports } = new WebAssembly.Instance(module, { [PREVIEW1]: this.#preview1.imports });
    this.#exports = exports as Exports;
    this.#preview1.attach(this.#exports.memory);
    this.#exports._initialize();
    for (const [name, spec] of Object.entries(scenario.handlers)) this.#command("spec", name, specFields(spec));
  }

  listen(name: string): void {
    this.#command("listen", name);
  }

  create(name: string): void {
    this.#command("make", name, this.family);
    this.#fds.set(name, this.#lastSocketFd);
  }

  open(name: string, peer: string): void {
    this.#addFar(name, peer);
    this.#command("open", name, this.#numbers.get(name));
  }

  pipe(name: string, peer: string, end: "read" | "write"): void {
    this.#addFar(name, peer);
    this.#command("pipe", name, end === "read" ? 0 : 1);
  }

  datagram(name: string): void {
    this.#command("open", name, this.#numbers.get(name));
  }

  perform(name: string, actions: readonly Action[]): void {
    this.#command("do", name, actionFields(actions));
  }

  describeHandlers(): void {
    this.#command("end", "");
  }

  closeHandlers(): void {
    this.#preview1.close();
    for (const fd of this.#pipeFds) defaultBackend().close(fd);
    // Those that the scenario did not come to.
    for (const peer of this.#far.values()) peer.close();
    closeSync(this.#nullFd);
  }

  get isEmpty(): boolean {
    return this.#exports.pending() === 0;
  }

  waitForHandler(name: string, condition: string | number): void {
    const fd = this.#fds.get(name);
    if (fd === undefined) throw new Error(`no such handler: ${name}`);
    waitFor(fd, condition);
  }

  handlerAddress(name: string): SocketAddress | undefined {
    return this.#addresses.get(name);
  }

  turn(timeoutMs: number): boolean {
    this.#sendAddresses();
    const result = this.#exports.playTurn(timeoutMs, this.#usePoll);
    this.#takeLines();
    if (result === 0) return true;
    this.log(`the loop raised ${result === LEFT_LOOP ? "ExitNow" : loopError(result)}`);
    return false;
  }

  /** A socket that the guest finds open when it starts. */
  #prepareSocket(step: string, name: string): Socket | undefined {
    if (step === "open") {
      const [near, far] = connectedPair(this.family);
      this.#far.set(name, new Peer({ socket: far }));
      return near;
    }
    if (step !== "listen" && step !== "datagram") return undefined;
    const socket = boundSocket(this.family, step === "datagram" ? "dgram" : "stream");
    if (step === "listen") socket.listen(5);
    this.#addresses.set(name, socket.localAddress());
    return socket;
  }

  /** A pipe is standard input or output: a guest is given no other. */
  #preparePipe(name: string, end: "read" | "write", stdio: number[]): void {
    const { nearFd, far } = pipe(end);
    this.#pipeFds.push(nearFd);
    this.#far.set(name, far);
    this.#fds.set(name, nearFd);
    stdio[end === "read" ? 0 : 1] = nearFd;
  }

  #addFar(name: string, peer: string): void {
    const far = this.#far.get(name);
    if (far === undefined) throw new Error(`no such peer: ${peer}`);
    this.addPeer(peer, far);
  }

  /** A backend that notes which socket the guest has opened last. */
  #watchedBackend(): Backend {
    const backend = defaultBackend();
    return {
      ...backend,
      socket: (family, type) => {
        this.#lastSocketFd = backend.socket(family, type);
        return this.#lastSocketFd;
      },
    };
  }

  #command(...command: Encodable[]): void {
    this.#sendAddresses();
    this.#call(command);
  }

  #call(command: readonly Encodable[]): void {
    const bytes = Buffer.from(encode(command), "latin1");
    const at = this.#exports.makeRoom(bytes.length);
    new Uint8Array(this.#exports.memory.buffer).set(bytes, at >>> 0);
    this.#exports.play();
    this.#takeLines();
  }

  /** The addresses of peers that came up since. */
  #sendAddresses(): void {
    for (const [name, { host, port }] of this.peerAddresses()) {
      if (host === undefined || this.#sentAddresses.has(name)) continue;
      this.#sentAddresses.add(name);
      this.#call(["address", name, host, port]);
    }
  }

  #takeLines(): void {
    const at = this.#exports.takeLines() >>> 0;
    const { buffer } = this.#exports.memory;
    const length = new DataView(buffer).getUint32(at - 4, true);
    const text = Buffer.from(buffer, at, length).toString("utf16le");
    for (const line of text.split("\n").slice(0, -1)) this.log(line);
  }
}

/** The name of an error that left the loop. */
function loopError(result: number): string {
  return result === -SCRIPTED_ERRNO ? "scripted" : `WASI errno ${-result}`;
}
