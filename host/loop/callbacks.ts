/** Owns which callback of a channel each of the engine's kinds of events calls. Knows the channel seam alone. */

import type { Channel } from "./channel.js";
import { Kind } from "./engine.js";

const NAMES: Readonly<Record<number, string>> = {
  [Kind.ACCEPT]: "handleAccept",
  [Kind.CONNECT]: "handleConnect",
  [Kind.READ]: "handleRead",
  [Kind.WRITE]: "handleWrite",
  [Kind.EXCEPTIONAL]: "handleExpt",
  [Kind.CLOSE]: "handleClose",
  [Kind.ERROR]: "handleError",
};

/** The name of the callback for a kind of event. */
export function callbackName(kind: number): string {
  return NAMES[kind] ?? "";
}

/** Calls the callback for a kind of event without a result. */
export function callBack(channel: Channel, kind: number): unknown {
  switch (kind) {
    case Kind.READ:
      return channel.handleReadEvent();
    case Kind.WRITE:
      return channel.handleWriteEvent();
    case Kind.CONNECT:
      return channel.handleConnectEvent();
    case Kind.EXCEPTIONAL:
      return channel.handleExptEvent();
    default:
      return channel.handleCloseEvent();
  }
}
