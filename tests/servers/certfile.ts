/** Owns the certificate of CPython's tests, by its path in a driver's request: the key and the certificate in one file. */

import { readFileSync } from "node:fs";
import type { TlsServerOptions } from "wasyncore";

const loaded = new Map<string, TlsServerOptions>();

/** What load_cert_chain of the original reads. */
export function loadCertChain(certfile: string): TlsServerOptions {
  let options = loaded.get(certfile);
  if (options === undefined) {
    const pem = readFileSync(certfile);
    options = { isServer: true, key: pem, cert: pem };
    loaded.set(certfile, options);
  }
  return options;
}
