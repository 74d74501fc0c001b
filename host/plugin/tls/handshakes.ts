/**
 * Owns the handshakes of a listening socket: begins them, limits their time and their number, and passes on the connections
 * that have become secure. Knows certificates by their secure context; knows no guest.
 */

import { Socket } from "node:net";
import { performance } from "node:perf_hooks";
import { type SecureContext, TLSSocket } from "node:tls";
import type { SocketAddress } from "../../backend/backend.js";
import { destroyTls } from "./raw.js";
import type { TlsUse } from "./use.js";

/** Unfinished handshakes of a listening socket. Each takes some 60 KiB. */
const HANDSHAKES_MAX = 256;
/** When there are so many, some of those that have taken longer than this make room. */
const PATIENCE_MS = 1000;
/** How often, and how many at a time. */
const EVICTION_MS = 100;
const EVICTED_MAX = 32;

/** A connection after its handshake. */
export interface Secured {
  readonly tls: TLSSocket;
  readonly raw: Socket;
  readonly address: SocketAddress;
}

export interface HandshakeOptions {
  readonly field: string;
  readonly alpn: readonly string[];
  /** Are clients without a certificate that `ca` has signed refused? */
  readonly requestCert: boolean;
  readonly timeoutMs: number;
}

interface Pending {
  readonly sinceMs: number;
  readonly raw: Socket;
  /** The peer's address without its port. */
  readonly host: string;
  readonly fail: (error: Error, resets?: boolean) => void;
}

/** node:tls has this on every TLSSocket, and uses it for `tls.Server`; its types do not mention it. */
interface Verifying {
  readonly ssl?: { verifyError?: () => NodeJS.ErrnoException | null };
}

export class Handshakes {
  readonly #use: TlsUse;
  readonly #onSecure: (secured: Secured) => void;
  readonly #onRoom: () => void;
  /** The oldest first. */
  readonly #pending = new Set<Pending>();
  #evicting: NodeJS.Timeout | undefined;

  /** @param onRoom a handshake is over */
  constructor(use: TlsUse, onSecure: (secured: Secured) => void, onRoom: () => void) {
    this.#use = use;
    this.#onSecure = onSecure;
    this.#onRoom = onRoom;
  }

  /** May one more begin? If not, `onRoom` is called when it may. */
  get hasRoom(): boolean {
    if (this.#pending.size < HANDSHAKES_MAX) return true;
    this.#evicting ??= setTimeout(this.#beforeEviction, EVICTION_MS).unref();
    return false;
  }

  /** Owns the descriptor from now on. */
  begin(fd: number, address: SocketAddress, context: SecureContext, options: HandshakeOptions): void {
    const raw = new Socket({ fd, allowHalfOpen: true });
    raw.setNoDelay(true);
    // Its errors are the session's as well.
    raw.on("error", () => undefined);
    const tls = new TLSSocket(raw, {
      isServer: true,
      secureContext: context,
      requestCert: options.requestCert,
      rejectUnauthorized: options.requestCert,
      ALPNProtocols: [...options.alpn],
    });
    tls.disableRenegotiation();
    const end = (): void => {
      clearTimeout(timer);
      this.#use.handshaking--;
      this.#pending.delete(pending);
      tls.off("error", failed).off("_tlsError", failed).off("close", closed).off("end", closed).off("secure", secure);
    };
    const fail = (error: Error, resets = false): void => {
      if (!this.#pending.has(pending)) return;
      end();
      // It may report more errors.
      tls.on("error", () => undefined);
      destroyTls(tls, raw, resets);
      this.#use.failed(options.field, "handshake", error, address);
      this.#onRoom();
    };
    const failed = (error: Error): void => fail(error);
    const closed = (): void => fail(coded("ECONNRESET", "the peer closed the connection before it was secure"));
    const secure = (): void => {
      const error = options.requestCert ? unverified(tls) : undefined;
      if (error !== undefined) return fail(error);
      // A peer that ends now has ended a connection, and not its handshake.
      tls.off("end", closed);
      // OpenSSL is reading.
      setImmediate(() => {
        if (!this.#pending.has(pending)) return;
        end();
        this.#use.handshakes++;
        this.#onSecure({ tls, raw, address });
        this.#onRoom();
      });
    };
    const timer = setTimeout(
      () => fail(coded("ERR_TLS_HANDSHAKE_TIMEOUT", "TLS handshake timeout")),
      options.timeoutMs,
    );
    timer.unref();
    const host = address.path ?? address.host;
    const pending: Pending = { sinceMs: performance.now(), raw, host, fail };
    this.#pending.add(pending);
    this.#use.handshaking++;
    tls.on("error", failed).on("_tlsError", failed).on("close", closed).on("end", closed).on("secure", secure);
    tls.read(0);
  }

  close(): void {
    clearTimeout(this.#evicting);
    for (const { fail } of [...this.#pending]) {
      fail(coded("ECONNABORTED", "the listening socket was closed"), true);
    }
  }

  /** What has arrived while the host was busy is read first: the host's own delay is not the clients'. */
  readonly #beforeEviction = (): void => void setImmediate(this.#evict);

  /**
   * Some of those that take long give way to others: whoever opens connections and does not go on keeps nobody else out for
   * long. Those of the address with the most unfinished handshakes go first, then those that have sent least, then the oldest:
   * a client that is only slow, or waits for a busy host, is the last.
   */
  readonly #evict = (): void => {
    this.#evicting = undefined;
    const limitMs = performance.now() - PATIENCE_MS;
    const counts = new Map<string, number>();
    for (const { host } of this.#pending) counts.set(host, (counts.get(host) ?? 0) + 1);
    const countOf = ({ host }: Pending): number => counts.get(host) ?? 0;
    // Stable: they are in the order of their beginning.
    const ranked = [...this.#pending].toSorted((a, b) => countOf(b) - countOf(a) || a.raw.bytesRead - b.raw.bytesRead);
    // The better half stays, even where nobody else has taken long yet.
    const late = ranked.slice(0, HANDSHAKES_MAX / 2).filter(({ sinceMs }) => sinceMs <= limitMs);
    for (const { fail } of late.slice(0, EVICTED_MAX)) {
      fail(coded("ERR_TLS_HANDSHAKE_TIMEOUT", "too many unfinished handshakes"), true);
    }
    if (this.hasRoom) this.#onRoom();
  };
}

/** undefined where the peer's certificate is accepted. */
function unverified(tls: TLSSocket): Error | undefined {
  const { ssl } = tls as unknown as Verifying;
  if (ssl?.verifyError === undefined) return coded("ERR_TLS_UNVERIFIED", "the client's certificate cannot be verified");
  return ssl.verifyError() ?? undefined;
}

function coded(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}
