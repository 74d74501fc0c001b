/** Owns the situations in which a loop calls each callback. Knows the public API alone. */

import type { ChannelMap } from "wasyncore";
import { Acting, type Callback } from "./handlers.js";
import { bytes, connectedPair, connectingTo, listener } from "./sockets.js";

/** Makes a handler and a peer whose behaviour makes the loop call `where`, in which the handler does `act`. */
export function provoke(where: Callback, act: (self: Acting) => void, map: ChannelMap): Acting {
  const handler = new Acting(where, act, map);
  if (where === "handleAccept" || where === "handleAccepted") {
    const [socket, address] = listener();
    handler.setSocket(socket);
    connectingTo(address);
    return handler;
  }
  if (where === "handleConnect") {
    const [, address] = listener();
    handler.createSocket();
    handler.connect(address);
    return handler;
  }
  const [near, far] = connectedPair();
  handler.setSocket(near);
  if (where === "handleRead") far.send(bytes("x"));
  if (where === "handleExpt") far.sendOutOfBand(bytes("!"));
  if (where === "handleClose") far.close();
  return handler;
}
