/**
 * Owns the lookup of names: `wasi:sockets/ip-name-lookup`. Knows the backend seam; knows no socket.
 *
 * A component blocks its thread, on which nothing else could finish a lookup: a name is looked up at once, and its stream is ready.
 */

import { isIPv6 } from "node:net";
import { OSError } from "../backend/errors.js";
import { Failed } from "./abi.js";
import { type ErrorCode, INVALID_ARGUMENT, type SocketFailure } from "./network.js";
import type { Source } from "./watch.js";
import { Resource } from "./resources.js";
import type { SocketWorld } from "./socket-world.js";

/** What a resolver says when it might say something else later. */
const TEMPORARY = new Set(["EAI_AGAIN", "ETIMEDOUT"]);
const NAME_MAX = 253;

export class AddressStream extends Resource implements Source {
  readonly watch = undefined;
  readonly interest = 0;
  readonly deadlineNs = Infinity;
  readonly #addresses: string[];
  #failure: ErrorCode | undefined;

  constructor(addresses: readonly string[], failure: ErrorCode | undefined) {
    super(undefined);
    this.#addresses = [...addresses];
    this.#failure = failure;
  }

  isImmediate(): boolean {
    return true;
  }

  next(): string | undefined | SocketFailure {
    return this.#failure === undefined ? this.#addresses.shift() : new Failed(this.#failure);
  }

  override release(): void {
    // It holds nothing.
  }
}

export function resolveAddresses(world: SocketWorld, name: string): AddressStream | SocketFailure {
  const host = name.startsWith("[") && name.endsWith("]") && isIPv6(name.slice(1, -1)) ? name.slice(1, -1) : name;
  if (world.backend.isNumeric(host) !== 0) return new AddressStream([host], undefined);
  const ascii = asciiOf(host);
  if (ascii === undefined) return INVALID_ARGUMENT;
  const refused = world.mayLookUp(host);
  if (refused !== undefined) return refused;
  try {
    return new AddressStream(world.backend.lookupSync(ascii, 0), undefined);
  } catch (error) {
    if (!(error instanceof OSError)) throw error;
    return new AddressStream([], TEMPORARY.has(error.code) ? "temporary-resolver-failure" : "name-unresolvable");
  }
}

/** The form of a name that is looked up; undefined for a text that is no name. */
function asciiOf(name: string): string | undefined {
  if (name === "" || name.includes("\0") || /[\s/?#@:[\]\\%]/.test(name)) return undefined;
  try {
    const { hostname } = new URL(`http://${name}`);
    return hostname === "" || hostname.length > NAME_MAX ? undefined : hostname;
  } catch {
    return undefined;
  }
}
