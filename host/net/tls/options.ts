/**
 * Owns the options of TLS: Node's own, and the two that are ours; and the secure contexts made of them, which are kept as
 * long as the options object is. Knows no socket.
 */

import type {
  CommonConnectionOptions,
  ConnectionOptions,
  SecureContext,
  SecureContextOptions,
  TlsOptions,
  TLSSocketOptions,
} from "node:tls";
import { checkBoolean, checkMs, checkObject } from "../../backend/check.js";
import { nodeCrypto, nodeTls } from "./builtin.js";

export type { TLSSocket } from "node:tls";

/** What both sides of a connection may be given beside the options of node:tls. */
export interface TlsExtras {
  /**
   * How long the handshake may take, in milliseconds. Default 120,000; 0 and Infinity set no limit. After it, `handleError`
   * gets an error with the code ERR_TLS_HANDSHAKE_TIMEOUT.
   */
  readonly handshakeTimeoutMs?: number;
  /**
   * Is an end of the connection without the peer's close_notify an error, ERR_TLS_TRUNCATED, and not an ordinary end of
   * input? Default false: many peers send none.
   */
  readonly requireCloseNotify?: boolean;
}

/** The client's side: the options of `tls.connect`, without those that say where to connect. */
export interface TlsClientOptions
  extends
    TlsExtras,
    SecureContextOptions,
    CommonConnectionOptions,
    Pick<ConnectionOptions, "checkServerIdentity" | "minDHSize" | "pskCallback" | "servername" | "session"> {
  readonly isServer?: false;
  readonly requestOCSP?: boolean;
}

/** The server's side: the options of `tls.createServer`, without those of listening. */
export interface TlsServerOptions
  extends
    TlsExtras,
    SecureContextOptions,
    CommonConnectionOptions,
    Pick<TlsOptions, "ALPNCallback" | "pskCallback" | "pskIdentityHint"> {
  readonly isServer: true;
  /** A `tls.Server`, which need not listen, for its events `newSession`, `resumeSession`, `OCSPRequest`. */
  readonly server?: NonNullable<TLSSocketOptions["server"]>;
}

/**
 * Node's options, and {@link TlsExtras}. The secure context that is made of them is kept as long as this object is: pass the
 * same object for every connection, and another one for another certificate.
 */
export type WrapTlsOptions = TlsClientOptions | TlsServerOptions;

const HANDSHAKE_TIMEOUT_MS = 120_000;

const contexts = new WeakMap<object, SecureContext>();

/** @throws TypeError, RangeError for options of ours; what node:tls throws for a certificate or a key it cannot use */
export function checkTlsOptions(options: unknown): asserts options is WrapTlsOptions {
  checkObject("options", options);
  const { isServer, handshakeTimeoutMs, requireCloseNotify, handshakeTimeout } = options;
  if (handshakeTimeout !== undefined) {
    throw Object.assign(new TypeError(`unknown option "handshakeTimeout": did you mean "handshakeTimeoutMs"?`), {
      code: "ERR_UNKNOWN_OPTION",
    });
  }
  if (isServer !== undefined) checkBoolean("options.isServer", isServer);
  if (requireCloseNotify !== undefined) checkBoolean("options.requireCloseNotify", requireCloseNotify);
  if (handshakeTimeoutMs !== undefined) checkMs("options.handshakeTimeoutMs", handshakeTimeoutMs, true);
  checkIdentity(options as unknown as WrapTlsOptions);
  // Here, so that a bad certificate is an error of the call, and not of the first connection.
  contextOf(options as unknown as WrapTlsOptions);
}

/** Node takes a server without a certificate, and each of its handshakes fails. Of what else may do, nothing is refused. */
function checkIdentity(options: WrapTlsOptions): void {
  if (options.isServer !== true) return;
  const { cert, ciphers = nodeTls().DEFAULT_CIPHERS, key, pfx, privateKeyIdentifier } = options;
  const { pskCallback, secureContext, SNICallback } = options;
  if ([pfx, pskCallback, secureContext, SNICallback].some((each) => each !== undefined)) return;
  // Anonymous cipher suites need no certificate. What is no text is refused with the rest of the options.
  if (typeof ciphers !== "string" || !ciphers.includes("!aNULL")) return;
  const hasKey = key !== undefined || privateKeyIdentifier !== undefined;
  if (cert !== undefined && hasKey) return;
  const missing = cert === undefined ? (hasKey ? `"cert"` : `"key" and "cert"`) : `"key"`;
  const message = `a server of TLS needs ${missing}, or "pfx", "secureContext", "SNICallback" or "pskCallback": without them every handshake fails`;
  throw Object.assign(new TypeError(message), { code: "ERR_INVALID_ARG_VALUE" });
}

/** 0 where there is no limit. */
export function handshakeTimeoutOf({ handshakeTimeoutMs = HANDSHAKE_TIMEOUT_MS }: WrapTlsOptions): number {
  return handshakeTimeoutMs === Infinity ? 0 : handshakeTimeoutMs;
}

/** The secure context of these options, made on first use. Renegotiation, which TLS 1.2 and older have, is off. */
export function contextOf(options: WrapTlsOptions): SecureContext {
  if (options.secureContext !== undefined) return options.secureContext;
  let context = contexts.get(options);
  if (context === undefined) {
    const secureOptions = (options.secureOptions ?? 0) | nodeCrypto().constants.SSL_OP_NO_RENEGOTIATION;
    const defaults = options.isServer === true ? serverDefaults() : {};
    context = createContext({ ...defaults, ...options, secureOptions });
    contexts.set(options, context);
  }
  return context;
}

/** What OpenSSL says of a certificate does not name the option. @throws what Node throws, with Node's code */
function createContext(options: SecureContextOptions): SecureContext {
  try {
    return nodeTls().createSecureContext(options);
  } catch (error) {
    if (error instanceof Error) {
      const given = ["cert", "key", "ca", "crl", "pfx"].filter((name) => name in options);
      error.message = `TLS options that Node cannot use (given: ${given.join(", ") || "no certificate"}): ${error.message}`;
    }
    throw error;
  }
}

/** Node's defaults of `tls.createServer`. Sessions of another program are not resumed. */
function serverDefaults(): SecureContextOptions {
  const program = nodeCrypto().createHash("sha256").update(process.argv.join(" ")).digest("hex");
  return { honorCipherOrder: true, sessionIdContext: program.slice(0, 32) };
}
