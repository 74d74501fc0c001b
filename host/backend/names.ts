/** Owns the seam of host names. Knows no descriptor. */

export interface NameCalls {
  /** 4 or 6 for a numeric address, 0 for a name. "fe80::1%eth0" is numeric. */
  isNumeric(host: string): 0 | 4 | 6;
  /**
   * The first address of a host name, numeric. `family` 0 takes either. Blocks.
   * @throws OSError with code ENOTFOUND (or EAI_AGAIN, ...) and syscall "getaddrinfo"
   */
  lookupSync(host: string, family: 0 | 4 | 6): string;
  /** The same on the host's event loop. */
  lookup(host: string, family: 0 | 4 | 6): Promise<string>;
}
