/** Owns the schemas of TLS that the host has in a plugin's place. Knows no address. */

import * as v from "valibot";
import { Problem } from "./address-text.js";
import { boolean, fields, listOf, milliseconds, plainString, readBy, string } from "./fields.js";
import { TIMER_MAX_MS } from "./timer.js";
import type { TlsClientGrant, TlsGrant } from "./types.js";

const HANDSHAKE_TIMEOUT_MS = 10_000;

/** A path, or a PEM text. */
const pem = v.pipe(
  plainString,
  v.check((text) => text !== "", "must not be empty"),
);

const alpn = v.optional(
  listOf(
    v.pipe(
      string,
      v.check((name) => {
        const length = Buffer.byteLength(name);
        return length > 0 && length < 256;
      }, "must be the name of a protocol, of 1 to 255 bytes"),
    ),
    "a list of protocol names",
  ),
  [],
);

const handshakeTimeoutMs = v.optional(milliseconds(1, TIMER_MAX_MS), HANDSHAKE_TIMEOUT_MS);

export const tlsOfServer = readBy(
  fields(
    {
      cert: pem,
      key: pem,
      alpn,
      ca: v.optional(pem),
      requestCert: v.optional(boolean, false),
      handshakeTimeoutMs,
    },
    "an object with cert and key",
  ),
  ({ ca, ...others }): TlsGrant | Problem =>
    ca !== undefined && !others.requestCert
      ? new Problem(`has "ca" and no requestCert: true, without which no client is asked for a certificate`)
      : { ...others, ca },
);

export const tlsOfClient = readBy(
  fields(
    {
      ca: v.optional(pem),
      servername: v.optional(
        v.pipe(
          string,
          v.check((name) => /^[\w.-]{1,253}$/.test(name), "must be a host name"),
        ),
      ),
      alpn,
      rejectUnauthorized: v.optional(boolean, true),
      cert: v.optional(pem),
      key: v.optional(pem),
      handshakeTimeoutMs,
    },
    "an object, which may be empty",
  ),
  ({ ca, servername, cert, key, ...others }): TlsClientGrant | Problem =>
    (cert === undefined) === (key === undefined)
      ? { ...others, ca, servername, cert, key }
      : new Problem("must have both cert and key, or neither"),
);
