/**
 * Owns a handler's membership of its map: its registration; its interest and state, which also exist outside the map; a
 * pending host name lookup; and which of its end callbacks have been called. Knows the seam in channel.ts; knows no socket
 * and no handler class.
 */

import type { Addresses } from "../backend/backend.js";
import { type ChannelMap, registrarOf } from "../loop/channel-map.js";
import type { Channel, Registration } from "../loop/channel.js";
import { Interest, State } from "../loop/engine.js";
import type { OSError } from "../backend/errors.js";
import type { Endpoint, Layer } from "../net/endpoint.js";
import { Opening } from "../loop/opening.js";
import { Lifetime } from "./lifetime.js";

/** A handler and its map, whether or not it is in the map. */
export class Membership {
  readonly map: ChannelMap;
  /** Bits of `Interest`. Setting it does not reach the engine: see {@link want}. */
  interest: number = Interest.READ;
  /** A `State` of the engine. Setting it does not reach the engine: see {@link enter}. */
  state: number = State.IDLE;
  /** Does its class use write events? If not, write interest is not registered. */
  handlesWrite = false;
  /** Have handleEof and handleClose been called for this endpoint? */
  eofHandled = false;
  closeHandled = false;
  /** How many read events nobody has handled since the channel joined the map. */
  #unread = 0;
  /** Has the handler's life ended? See Lifetime. */
  #isOver = false;
  #lifetime: Lifetime | undefined;
  /** The connect under way, or the last one, if there was one. */
  opening: Opening | undefined;
  #registration: Registration | undefined;
  #stopLookup: (() => void) | undefined;

  constructor(map: ChannelMap) {
    this.map = map;
  }

  get isMember(): boolean {
    return this.#registration !== undefined;
  }

  get lifetime(): Lifetime {
    if (this.#lifetime === undefined) {
      this.#lifetime = new Lifetime();
      if (this.#isOver) this.#lifetime.end();
    }
    return this.#lifetime;
  }

  /** Has the handler been closed, and taken over nothing since? */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Begins a new life, if the last one is over. */
  beginLife(): void {
    if (this.#isOver) this.#lifetime = undefined;
    this.#isOver = false;
  }

  endLife(): void {
    this.#isOver = true;
    this.#lifetime?.end();
  }

  /** Is a host name being looked up? */
  get isResolving(): boolean {
    return this.#stopLookup !== undefined;
  }

  /** Joins the map, after leaving it if already there. */
  join(channel: Channel, { fd, isStream, layer }: Endpoint, sampled: boolean): void {
    const { state, interest } = this;
    this.#registration?.remove();
    this.#registration = registrarOf(this.map).add(channel, { fd, state, interest, sampled, stream: isStream });
    if (layer !== undefined) this.setLayer(layer);
  }

  /** Events pass through this layer from now on. @throws LoopError ERR_TLS_LOOP_SYNC inside `loopSync` */
  setLayer(layer: Layer): void {
    try {
      this.#registration?.setLayer(layer, this.interest);
    } catch (error) {
      this.leave();
      throw error;
    }
  }

  leave(): void {
    this.stopLookup();
    this.#registration?.remove();
    this.#registration = undefined;
  }

  /** Sets whether the channel wants events of one kind of `Interest`. */
  want(kind: number, on: boolean): void {
    const interest = on ? this.interest | kind : this.interest & ~kind;
    if (interest === this.interest) return;
    this.interest = interest;
    this.#registration?.setInterest(interest);
  }

  /**
   * Records that nobody has handled a read event. From the second one on the channel is not watched for input. Not from the
   * first: under `usePoll` a hang-up that came with it is to close the channel.
   * @returns whether it was recorded before
   */
  leaveUnread(): boolean {
    this.#unread += 1;
    if (this.#unread === 1) return false;
    this.want(Interest.READ, false);
    return true;
  }

  /** Watches for input again, if it was left unread. */
  watchUnread(): void {
    if (this.#unread > 1) this.want(Interest.READ, true);
    this.#unread = 0;
  }

  /** Begins a connect. One that is under way is over: `error` makes its error. */
  beginOpening(error: () => OSError): Opening {
    if (this.opening?.hasBegun === true) this.opening.fail(error());
    const opening = this.opening?.isPending === true ? this.opening : new Opening();
    opening.hasBegun = true;
    this.opening = opening;
    return opening;
  }

  /** The outcome of the connect under way, or of the last one; without any, of one to come. */
  openingOf(isConnected: boolean): Opening {
    this.opening ??= new Opening();
    if (isConnected) this.opening.open();
    return this.opening;
  }

  /** Changes the state, in the engine as well. */
  enter(state: number): void {
    this.state = state;
    this.#registration?.setState(state);
  }

  /** Records that there is nothing more to read. */
  endInput(): void {
    this.#registration?.endInput();
  }

  /** Takes the pending error of a stream at its end: its code, or undefined. */
  takeError(): string | undefined {
    return this.#registration?.takeError();
  }

  /** Pauses a listener that is out of descriptors. @returns false if it is in no map that could pause it. */
  pause(): boolean {
    this.#registration?.pause();
    return this.isMember;
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
      this.#stopLookup = undefined;
      done(result);
    });
    // Inside `loopSync` the lookup has already completed.
    if (!answered) this.#stopLookup = stopLookup;
  }

  stopLookup(): void {
    this.#stopLookup?.();
    this.#stopLookup = undefined;
  }
}
