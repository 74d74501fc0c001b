/** Owns the seam of host names. Knows no descriptor. */

/** At least one numeric address. */
export type Addresses = readonly [first: string, ...others: string[]];

export interface NameCalls {
  /** 4 or 6 for a numeric address, 0 for a name. "fe80::1%eth0" is numeric. */
  isNumeric(host: string): 0 | 4 | 6;
  /**
   * The addresses of a host name: at least one, numeric, each once, in the resolver's order of preference. `family` 0 takes
   * both families. Blocks.
   * @throws OSError with code ENOTFOUND (or EAI_AGAIN, ...) and syscall "getaddrinfo"
   */
  lookupSync(host: string, family: 0 | 4 | 6): Addresses;
  /** The same on the host's event loop. */
  lookup(host: string, family: 0 | 4 | 6): Promise<Addresses>;
}
