/**
 * Owns connecting to one of several addresses of a host name, as RFC 8305 says ("Happy Eyeballs"): the addresses are tried
 * in the resolver's order with the families in turns, each a little after the one before it, or at once when that one
 * fails. The first connection wins; the others are closed. Knows sockets and the loop; knows no handler class.
 */

import type { Addresses, Backend } from "../backend/backend.js";
import { OSError } from "../backend/errors.js";
import { type ChannelMap, backendOf, registrarOf } from "../loop/channel-map.js";
import type { Channel, ChannelDescription, Registration } from "../loop/channel.js";
import { Interest, State } from "../loop/engine.js";
import type { Timer } from "../loop/timer.js";
import { Socket } from "../net/socket.js";
import { connectError } from "./connect-options.js";

const ATTEMPT_DELAY_MS = 250;

/** Who is notified of the end: of a race, or of one attempt. At most one of the two is called, once. */
interface Outcome<E> {
  /** @param socket connected; the callee's from then on */
  readonly won: (socket: Socket) => void;
  /**
   * @param error of a race: the one of the first address, when every address has failed; or what keeps the race from going
   * on, such as an engine without memory
   */
  readonly lost: (error: E) => void;
}

/** What a race is about, and whom it notifies. */
export interface RaceOptions extends Outcome<unknown> {
  readonly map: ChannelMap;
  readonly addresses: Addresses;
  readonly port: number;
  readonly attemptDelayMs?: number | undefined;
}

export class ConnectRace {
  readonly #options: RaceOptions;
  readonly #backend: Backend;
  readonly #waiting: string[];
  readonly #attempts = new Set<Attempt>();
  readonly #errors: OSError[] = [];
  #timer: Timer | undefined;
  #isOver = false;

  /** `lost` and `won` may be called from inside {@link start}. */
  constructor(options: RaceOptions) {
    this.#options = options;
    this.#backend = backendOf(options.map);
    this.#waiting = interleaved(options.addresses, (host) => this.#backend.isNumeric(host));
  }

  /** Tries the first address. */
  start(): void {
    this.#tryNext();
  }

  /** Ends all attempts. Nobody is notified any more. */
  cancel(): void {
    this.#isOver = true;
    this.#timer?.cancel();
    for (const attempt of this.#attempts) attempt.abandon();
    this.#attempts.clear();
  }

  /** Tries addresses until one is under way; notifies of the end when there is none left. */
  #tryNext(): void {
    this.#timer?.cancel();
    while (!this.#isOver) {
      const host = this.#waiting.shift();
      if (host === undefined) {
        if (this.#attempts.size === 0) this.#end(() => this.#options.lost(this.#failure()));
        return;
      }
      if (this.#try(host)) return;
    }
  }

  /** @returns whether the attempt is under way, or has won */
  #try(host: string): boolean {
    const { map, port, attemptDelayMs = ATTEMPT_DELAY_MS } = this.#options;
    let socket: Socket | undefined;
    try {
      socket = Socket.create({ family: this.#backend.isNumeric(host) === 6 ? "IPv6" : "IPv4" }, this.#backend);
      if (socket.connect({ host, port })) {
        this.#win(socket);
        return true;
      }
      const attempt = new Attempt(map, socket, (error) => connectError(error, { host, port }), {
        won: (socket) => this.#win(socket),
        lost: (error) => this.#lose(attempt, error),
      });
      this.#attempts.add(attempt);
      if (this.#waiting.length > 0) this.#timer = map.callLater(attemptDelayMs, () => this.#tryNext());
      return true;
    } catch (error) {
      // Out of the map before they are closed.
      if (!(error instanceof OSError)) this.cancel();
      socket?.close();
      if (error instanceof OSError) this.#errors.push(error);
      else this.#end(() => this.#options.lost(error));
      return false;
    }
  }

  #win(socket: Socket): void {
    this.#end(() => this.#options.won(socket));
  }

  #lose(attempt: Attempt, error: OSError): void {
    this.#attempts.delete(attempt);
    this.#errors.push(error);
    this.#tryNext();
  }

  /** What the channel's callbacks throw leaves the loop: it does not belong to an attempt. */
  #end(notify: () => void): void {
    this.cancel();
    try {
      notify();
    } catch (error) {
      registrarOf(this.#options.map).leaveLoop(error);
    }
  }

  /** The first error; where there are several, its cause has them all. */
  #failure(): OSError {
    const [first, ...others] = this.#errors;
    if (first === undefined) throw new Error("a race without addresses");
    if (others.length > 0) first.cause = new AggregateError(this.#errors, "every address of the name has failed");
    return first;
  }
}

/** One connect under way: a channel of its own. */
class Attempt implements Channel {
  readonly fd: number;
  /** Nobody follows the promise of an attempt. */
  readonly signal = new AbortController().signal;
  readonly #socket: Socket;
  readonly #error: (code: string) => OSError;
  readonly #outcome: Outcome<OSError>;
  readonly #registration: Registration;
  #isOver = false;
  #failure: OSError | undefined;

  constructor(map: ChannelMap, socket: Socket, error: (code: string) => OSError, outcome: Outcome<OSError>) {
    this.#socket = socket;
    this.fd = socket.fd;
    this.#error = error;
    this.#outcome = outcome;
    const registering = {
      fd: socket.fd,
      state: State.CONNECTING,
      interest: Interest.NONE,
      sampled: false,
      stream: true,
    };
    this.#registration = registrarOf(map).add(this, registering);
  }

  toString(): string {
    const { address, port } = this.#error("ECONNABORTED");
    return `<Attempt ${address}:${port}>`;
  }

  /** Closes the socket, and notifies nobody. */
  abandon(): void {
    if (this.#leave()) this.#socket.close();
  }

  handleConnectEvent(): void {
    if (this.#leave()) this.#outcome.won(this.#socket);
  }

  /** The loop has made the error, and passes it on by {@link handleErrorEvent} or, where the peer is gone, by this. */
  handleCloseEvent(): void {
    this.#fail(this.#failure ?? this.#error("ECONNABORTED"));
  }

  handleErrorEvent(error: unknown): void {
    if (error instanceof OSError) this.#fail(error);
    else throw error;
  }

  socketError(code: string): OSError {
    this.#failure = this.#error(code);
    return this.#failure;
  }

  close(): void {
    this.#fail(this.#error("ECONNABORTED"));
  }

  describe(): ChannelDescription {
    return { state: "connecting", ...known(this.#socket), bytesIn: 0, bytesOut: 0 };
  }

  sampleInterest(): number {
    return Interest.NONE;
  }

  handleAcceptEvent(): boolean {
    return false;
  }

  handleSecureEvent(): void {}

  handleReadEvent(): void {}

  handleWriteEvent(): void {}

  handleExptEvent(): void {}

  #fail(error: OSError): void {
    if (!this.#leave()) return;
    this.#socket.close();
    this.#outcome.lost(error);
  }

  /** @returns false if it had left already */
  #leave(): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    this.#registration.remove();
    return true;
  }
}

function known(socket: Socket): Pick<ChannelDescription, "local" | "remote"> {
  const { local, remote } = socket.addresses();
  return { local, remote };
}

/** RFC 8305, section 4: the families in turns, beginning with that of the first address. */
export function interleaved(addresses: Addresses, familyOf: (host: string) => 0 | 4 | 6): string[] {
  const family = familyOf(addresses[0]);
  const same = addresses.filter((host) => familyOf(host) === family);
  const others = addresses.filter((host) => familyOf(host) !== family);
  const all: string[] = [];
  for (let i = 0; i < Math.max(same.length, others.length); i++) {
    for (const host of [same[i], others[i]]) if (host !== undefined) all.push(host);
  }
  return all;
}
