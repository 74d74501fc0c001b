// Owns the certificate of the servers with TLS: that of the tests, on the curve P-256.

import { readFileSync } from "node:fs";

const read = (name) => readFileSync(new URL(`../../tests/support/tls/${name}.pem`, import.meta.url));

export const certificate = () => ({ key: read("server-key"), cert: read("server") });
