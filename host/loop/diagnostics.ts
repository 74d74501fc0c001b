/**
 * Owns the names and the messages of what the package publishes through Node's diagnostics_channel. Knows what a message
 * is made of; knows nobody who publishes or subscribes.
 *
 * Each is published only if it has subscribers, which the publisher checks with `hasSubscribers` first. What a subscriber
 * throws does not reach the publisher: Node reports it as an uncaught exception, after the callback.
 */

import { channel as diagnosticsChannel } from "node:diagnostics_channel";
import type { SocketAddress } from "../backend/backend.js";
import type { Channel } from "./channel.js";
import type { ChannelMap } from "./channel-map.js";

/**
 * The messages of diagnostics_channel, by the name of their channel. Times are in milliseconds.
 * @example
 * subscribe("wasyncore:close", (message) => {
 *   const { channel, bytesIn, bytesOut } = message as DiagnosticMessages["wasyncore:close"];
 *   console.log(`${channel} received ${bytesIn} bytes and sent ${bytesOut}`);
 * });
 */
export interface DiagnosticMessages {
  /** A listener has accepted a connection; no channel has taken it over yet. */
  "wasyncore:accept": {
    readonly listener: Channel;
    /** A `Socket`. */
    readonly socket: object & { readonly fd: number };
    readonly address: SocketAddress;
  };
  /** A channel has connected; its `handleConnect` is called next. */
  "wasyncore:connect": { readonly channel: Channel; readonly address: SocketAddress | undefined };
  /** A channel has been closed. The addresses and the counters are those it had before. */
  "wasyncore:close": {
    readonly channel: Channel;
    readonly fd: number;
    readonly local: SocketAddress | undefined;
    readonly remote: SocketAddress | undefined;
    readonly bytesIn: number;
    readonly bytesOut: number;
  };
  /** A callback has failed, or the socket has an error; the channel's `handleError` or `handleClose` is called next. */
  "wasyncore:error": { readonly channel: Channel; readonly error: unknown };
  /** The loop has called a channel. `callback` is "handleRead", "handleWrite", ... */
  "wasyncore:event": {
    readonly map: ChannelMap;
    readonly channel: Channel;
    readonly callback: string;
    readonly durationMs: number;
  };
  /** A timer has fired. `name` is the name of the function that it called, or "". */
  "wasyncore:timer": { readonly map: ChannelMap; readonly name: string; readonly durationMs: number };
  /** The loop has polled. Under `loop` the poll itself never waits: Node's event loop does. */
  "wasyncore:poll": { readonly map: ChannelMap; readonly durationMs: number };
  /** A turn has ended. */
  "wasyncore:turn": {
    readonly map: ChannelMap;
    /** How many channels were ready; negative where the poll failed. */
    readonly ready: number;
    /** How many callbacks were called, timers included. */
    readonly callbacks: number;
    /** Without the time of the poll. */
    readonly durationMs: number;
  };
}

/** One name, with the type of its messages. */
export interface Diagnostic<Message> {
  readonly hasSubscribers: boolean;
  publish(message: Message): void;
}

function named<Name extends keyof DiagnosticMessages>(name: Name): Diagnostic<DiagnosticMessages[Name]> {
  return diagnosticsChannel(name) as Diagnostic<DiagnosticMessages[Name]>;
}

export const accepts = named("wasyncore:accept");
export const connects = named("wasyncore:connect");
export const closes = named("wasyncore:close");
export const errors = named("wasyncore:error");
export const events = named("wasyncore:event");
export const timers = named("wasyncore:timer");
export const polls = named("wasyncore:poll");
export const turns = named("wasyncore:turn");

/** Does anybody subscribe to what turns publish? */
export function areTurnsWatched(): boolean {
  return turns.hasSubscribers || events.hasSubscribers || timers.hasSubscribers || polls.hasSubscribers;
}
