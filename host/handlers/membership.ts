/**
 * Owns a handler's membership of its map: its registration; its interest and state, which also exist outside the map; a
 * pending host name lookup; and which of its end callbacks have been called. Knows the seam in channel.ts; knows no socket
 * and no handler class.
 */

import type { Addresses } from "../backend/backend.js";
import { type ChannelMap, registrarOf } from "../loop/channel-map.js";
import type { Channel } from "../loop/channel.js";
import { Interest, State } from "../loop/engine.js";
import type { OSError } from "../backend/errors.js";
import type { Endpoint, Layer } from "../net/endpoint.js";
import { Member } from "../loop/member.js";
import { Opening } from "../loop/opening.js";
import type { Acceptance } from "./acceptance.js";
import { Lifetime } from "./lifetime.js";

/** The parts of a membership's bits: two values, how often input was left unread, and what is true of it. */
const Bits = {
  INTEREST: 0b11,
  STATE: 0b1100,
  UNREAD: 0b11_0000,
  HANDLES_WRITE: 1 << 6,
  EOF_HANDLED: 1 << 7,
  CLOSE_HANDLED: 1 << 8,
  IS_OVER: 1 << 9,
} as const;
const STATE_SHIFT = 2;
const UNREAD_ONCE = 1 << 4;

/** What few channels have. */
interface Rarities {
  lifetime?: Lifetime | undefined;
  opening?: Opening | undefined;
  stopLookup?: (() => void) | undefined;
  acceptance?: Acceptance | undefined;
}

/**
 * A handler and its map, whether or not it is in the map. Every connection has one, and most are idle: so it has few fields,
 * and is its own registration.
 */
export class Membership extends Member {
  readonly map: ChannelMap;
  /** See {@link Bits}. */
  #bits: number = Interest.READ | (State.IDLE << STATE_SHIFT);
  #rarities: Rarities | undefined;

  constructor(map: ChannelMap) {
    super();
    this.map = map;
  }

  /** Bits of `Interest`. Setting it does not reach the engine: see {@link want}. */
  get interest(): number {
    return this.#bits & Bits.INTEREST;
  }

  set interest(interest: number) {
    this.#bits = (this.#bits & ~Bits.INTEREST) | interest;
  }

  /** A `State` of the engine. Setting it does not reach the engine: see {@link enter}. */
  get state(): number {
    return (this.#bits & Bits.STATE) >> STATE_SHIFT;
  }

  set state(state: number) {
    this.#bits = (this.#bits & ~Bits.STATE) | (state << STATE_SHIFT);
  }

  /** Does its class use write events? If not, write interest is not registered. */
  get handlesWrite(): boolean {
    return (this.#bits & Bits.HANDLES_WRITE) !== 0;
  }

  set handlesWrite(on: boolean) {
    this.#bits = on ? this.#bits | Bits.HANDLES_WRITE : this.#bits & ~Bits.HANDLES_WRITE;
  }

  /** Has handleEof been called for this endpoint? */
  get eofHandled(): boolean {
    return (this.#bits & Bits.EOF_HANDLED) !== 0;
  }

  set eofHandled(on: boolean) {
    this.#bits = on ? this.#bits | Bits.EOF_HANDLED : this.#bits & ~Bits.EOF_HANDLED;
  }

  /** Has handleClose been called for this endpoint? */
  get closeHandled(): boolean {
    return (this.#bits & Bits.CLOSE_HANDLED) !== 0;
  }

  set closeHandled(on: boolean) {
    this.#bits = on ? this.#bits | Bits.CLOSE_HANDLED : this.#bits & ~Bits.CLOSE_HANDLED;
  }

  /** Has the handler been closed, and taken over nothing since? See Lifetime. */
  get isOver(): boolean {
    return (this.#bits & Bits.IS_OVER) !== 0;
  }

  get lifetime(): Lifetime {
    const rarities = (this.#rarities ??= {});
    if (rarities.lifetime === undefined) {
      rarities.lifetime = new Lifetime();
      if (this.isOver) rarities.lifetime.end();
    }
    return rarities.lifetime;
  }

  /** Begins a new life, if the last one is over. */
  beginLife(): void {
    if (this.isOver && this.#rarities !== undefined) this.#rarities.lifetime = undefined;
    this.#bits &= ~Bits.IS_OVER;
  }

  endLife(): void {
    this.#bits |= Bits.IS_OVER;
    this.#rarities?.lifetime?.end();
  }

  /** Is a host name being looked up? */
  get isResolving(): boolean {
    return this.#rarities?.stopLookup !== undefined;
  }

  /** Of a listener: what handleAccept accepts while it is being called; used again by the next call. */
  get acceptance(): Acceptance | undefined {
    return this.#rarities?.acceptance;
  }

  set acceptance(acceptance: Acceptance | undefined) {
    (this.#rarities ??= {}).acceptance = acceptance;
  }

  /** The connect under way, or the last one, if there was one. */
  get opening(): Opening | undefined {
    return this.#rarities?.opening;
  }

  /** Joins the map, after leaving it if already there. Where it fails, it may be in the map all the same: the caller leaves. */
  join(channel: Channel, { fd, isStream, layer }: Endpoint, sampled: boolean): void {
    const { state, interest } = this;
    this.remove();
    registrarOf(this.map).add(channel, { fd, state, interest, sampled, stream: isStream }, this);
    if (layer !== undefined) this.layOn(layer);
  }

  /** Events pass through this layer from now on. @throws LoopError ERR_TLS_LOOP_SYNC inside `loopSync` */
  layOn(layer: Layer): void {
    this.setLayer(layer, this.interest);
  }

  leave(): void {
    this.stopLookup();
    this.remove();
  }

  /** Sets whether the channel wants events of one kind of `Interest`. */
  want(kind: number, on: boolean): void {
    const bits = on ? this.#bits | kind : this.#bits & ~kind;
    if (bits === this.#bits) return;
    this.#bits = bits;
    this.setInterest(this.interest);
  }

  /**
   * Records that nobody has handled a read event. From the second one on the channel is not watched for input. Not from the
   * first: under `usePoll` a hang-up that came with it is to close the channel.
   * @returns whether it was recorded before
   */
  leaveUnread(): boolean {
    if ((this.#bits & Bits.UNREAD) === 0) {
      this.#bits |= UNREAD_ONCE;
      return false;
    }
    this.#bits |= Bits.UNREAD;
    this.want(Interest.READ, false);
    return true;
  }

  /** Watches for input again, if it was left unread. */
  watchUnread(): void {
    if ((this.#bits & Bits.UNREAD) === Bits.UNREAD) this.want(Interest.READ, true);
    this.#bits &= ~Bits.UNREAD;
  }

  /** Begins a connect. One that is under way is over: `error` makes its error. */
  beginOpening(error: () => OSError): Opening {
    const rarities = (this.#rarities ??= {});
    const former = rarities.opening;
    if (former?.hasBegun === true) former.fail(error());
    const opening = rarities.opening?.isPending === true ? rarities.opening : new Opening();
    opening.hasBegun = true;
    rarities.opening = opening;
    return opening;
  }

  /** The outcome of the connect under way, or of the last one; without any, of one to come. */
  openingOf(isConnected: boolean): Opening {
    const opening = ((this.#rarities ??= {}).opening ??= new Opening());
    if (isConnected) opening.open();
    return opening;
  }

  /** Changes the state, in the engine as well. */
  enter(state: number): void {
    this.state = state;
    this.setState(state);
  }

  /** Handles the rejection of a callback's promise: see `Registrar.follow`. */
  follow(channel: Channel, result: unknown, fail?: (error: unknown) => void): void {
    registrarOf(this.map).follow(channel, result, fail);
  }

  /** Makes an error leave the loop: see `Registrar.leaveLoop`. */
  leaveLoop(error: unknown): void {
    registrarOf(this.map).leaveLoop(error);
  }

  /** Looks up a host name; {@link leave} and {@link stopLookup} cancel it. See `Registrar.lookup`. */
  lookup(channel: Channel, host: string, family: 0 | 4 | 6, done: (result: Addresses | OSError) => void): void {
    let answered = false;
    const stopLookup = registrarOf(this.map).lookup(channel, host, family, (result) => {
      answered = true;
      if (this.#rarities !== undefined) this.#rarities.stopLookup = undefined;
      done(result);
    });
    // Inside `loopSync` the lookup has already completed.
    if (!answered) (this.#rarities ??= {}).stopLookup = stopLookup;
  }

  stopLookup(): void {
    const rarities = this.#rarities;
    if (rarities?.stopLookup === undefined) return;
    rarities.stopLookup();
    rarities.stopLookup = undefined;
  }
}
