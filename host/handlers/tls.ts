/** Owns `wrapTls` and `startTls`: TLS on a socket or a channel, from the start or in the middle of a conversation. */

import { checkAnyOf, checkInstance } from "../backend/check.js";
import type { WrapTlsOptions } from "../net/tls/options.js";
import { Socket } from "../net/socket.js";
import { tlsOn } from "../net/tls/wrapped.js";
import { Dispatcher, layTls } from "./dispatcher.js";

/**
 * Puts TLS on a connection from its start. Handlers read and write plaintext; `handleSecure` is called after the handshake.
 *
 * - A socket that no channel has yet: the channel that takes it over speaks TLS, so that what its constructor pushes is
 *   encrypted as well.
 * - A channel that is connecting or connected, or will connect: `this.connect(address); wrapTls(this, {})`.
 *
 * A failed handshake is an error for `handleError`, with Node's code.
 *
 * @example
 * const options = { isServer: true, key, cert } as const;
 * handleAccepted(socket: Socket): void {
 *   new Session(wrapTls(socket, options));
 * }
 * @param options those of `tls.connect`, or with `isServer` those of `tls.createServer`, and {@link WrapTlsOptions}
 * @returns the first argument
 * @throws TypeError for anything but a stream socket without TLS; what node:tls throws for a certificate or a key;
 * LoopError ERR_TLS_LOOP_SYNC inside `loopSync`
 */
export function wrapTls<T extends Socket | Dispatcher>(target: T, options: WrapTlsOptions): T {
  checkAnyOf("target", target, "a Socket or a Dispatcher of this package", [Socket, Dispatcher]);
  if (target instanceof Socket) tlsOn(target, options);
  else layTls(target, options, false);
  return target;
}

/**
 * Starts TLS in the middle of a conversation: after STARTTLS, STLS or AUTH TLS. Pending output is sent first, unencrypted.
 * What was read from the peer and not delivered is dropped: it came unencrypted, and must not be taken for what comes after
 * the handshake. What arrives unencrypted from now on ends the connection.
 *
 * @example
 * this.push("220 go ahead\r\n");
 * startTls(this, { isServer: true, key, cert });
 * @throws as {@link wrapTls}; Error ERR_TLS_OUTPUT_PENDING while the output of a producer is pending
 */
export function startTls(channel: Dispatcher, options: WrapTlsOptions): void {
  checkInstance("channel", channel, Dispatcher);
  layTls(channel, options, true);
}
