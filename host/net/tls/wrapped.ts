/**
 * Owns which sockets are to speak TLS once a handler takes them over. Knows no handler.
 */

import { checkInstance } from "../../backend/check.js";
import { Socket } from "../socket.js";
import { TlsEndpoint } from "./endpoint.js";
import { checkTlsOptions, type WrapTlsOptions } from "./options.js";

const wrapped = new WeakMap<Socket, TlsEndpoint>();

/** Puts TLS on a socket that no handler has yet. */
export function wrapSocket(socket: Socket, options: WrapTlsOptions): Socket {
  tlsOn(socket, options);
  return socket;
}

/** Puts TLS on a socket: see {@link TlsEndpoint}. @throws TypeError for anything but a stream socket without TLS */
export function tlsOn(socket: Socket, options: WrapTlsOptions, plainBytes = 0, serverName?: string): TlsEndpoint {
  checkInstance("socket", socket, Socket);
  checkTlsOptions(options);
  if (!socket.isStream) throw invalid("TLS needs a stream socket, got a datagram socket");
  if (wrapped.has(socket)) throw invalid("the socket has TLS already");
  const endpoint = new TlsEndpoint(socket, options, plainBytes, serverName);
  wrapped.set(socket, endpoint);
  return endpoint;
}

/** Moves TLS whose handshake has not begun to another socket. */
export function moveTls(former: TlsEndpoint, socket: Socket): TlsEndpoint {
  const endpoint = former.movedTo(socket);
  wrapped.set(socket, endpoint);
  return endpoint;
}

/** TLS on a socket that a handler takes over. */
export function tlsOf(socket: Socket): TlsEndpoint | undefined {
  return wrapped.get(socket);
}

function invalid(message: string): TypeError {
  return Object.assign(new TypeError(message), { code: "ERR_INVALID_ARG_VALUE" });
}
