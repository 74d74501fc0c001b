/** Owns the options of `connect`, their checks, and which addresses need a look-up. Knows the seam; knows no channel. */

import type { Backend, Family, InetAddress, SocketAddress } from "../backend/backend.js";
import { checkMs, checkOptions, rangeError } from "../backend/check.js";
import { OSError } from "../backend/errors.js";

/** Options of `Dispatcher.connect`. Any other name is refused. */
export interface ConnectOptions {
  /** The connect fails with ETIMEDOUT after this time, the look-up of a name included. Default: as long as it takes. */
  readonly connectTimeoutMs?: number | undefined;
  /** 4 or 6: only addresses of this family of a host name are tried. Default 0: both. */
  readonly family?: 0 | 4 | 6 | undefined;
  /**
   * How long one address of a name is tried before the next one is tried as well, if it has not failed by then. Default
   * 250, RFC 8305's value and that of Node's `autoSelectFamilyAttemptTimeout`.
   */
  readonly attemptDelayMs?: number | undefined;
}

const CONNECT_OPTIONS = ["connectTimeoutMs", "family", "attemptDelayMs"] as const;

/** @throws TypeError, RangeError */
export function checkConnectOptions(options: ConnectOptions): void {
  checkOptions("options", options, CONNECT_OPTIONS);
  const { connectTimeoutMs, family, attemptDelayMs } = options;
  if (connectTimeoutMs !== undefined) checkMs("connectTimeoutMs", connectTimeoutMs, true);
  if (attemptDelayMs !== undefined) checkMs("attemptDelayMs", attemptDelayMs);
  if (family === undefined || family === 0 || family === 4 || family === 6) return;
  throw rangeError("family", "0, 4 or 6", family);
}

/** Is the host of this address a name? */
export function isHostName(backend: Backend, address: SocketAddress): address is InetAddress {
  return address.path === undefined && address.host !== "" && backend.isNumeric(address.host) === 0;
}

/** The family of a socket that connects to this address; IPv4 where that is not known yet. */
export function familyOfAddress(backend: Backend, { host, path }: SocketAddress): Family {
  if (path !== undefined) return "unix";
  return backend.isNumeric(host) === 6 ? "IPv6" : "IPv4";
}

export function connectError(code: string, { host, port, path }: SocketAddress, hint?: string): OSError {
  return new OSError(code, { syscall: "connect", address: host, port, path, hint });
}
