/** Owns the loading of node:tls and node:crypto, on first use: they take longer to load than the rest of the package. */

export function nodeTls(): typeof import("node:tls") {
  return process.getBuiltinModule("node:tls");
}

export function nodeCrypto(): typeof import("node:crypto") {
  return process.getBuiltinModule("node:crypto");
}
