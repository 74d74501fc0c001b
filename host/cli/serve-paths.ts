/**
 * Owns relative paths in the policies of a file: they are relative to the file. Changes nothing that is no path: what is wrong is
 * left for the schema to report.
 */

import { resolve } from "node:path";
import { splitName } from "../plugin/policy/address-text.js";

type Fields = Record<string, unknown>;

/** The policy with absolute paths. */
export function rebased(policy: Fields, directory: string): Fields {
  const changed: Fields = { ...policy };
  const change = (field: string, rebase: (value: unknown, directory: string) => unknown): void => {
    const value = changed[field];
    if (Array.isArray(value)) changed[field] = value.map((each: unknown) => rebase(each, directory));
  };
  change("listen", listener);
  change("connect", rule);
  change("bind", rule);
  change("dirs", granted);
  return changed;
}

/** "[NAME=]ADDRESS", or an object with an address, and with files for TLS. */
function listener(value: unknown, directory: string): unknown {
  if (typeof value === "string") {
    const [name, address] = splitName(value);
    const absolute = listenPath(address, directory);
    return name === undefined ? absolute : `${name}=${absolute}`;
  }
  return within(value, (fields) => ({
    ...fields,
    ...(typeof fields["address"] === "string"
      ? { address: listenPath(fields["address"], directory) }
      : { address: within(fields["address"], (address) => withPath(address, "path", directory)) }),
    ...("tls" in fields ? { tls: within(fields["tls"], (tls) => tlsFiles(tls, directory)) } : {}),
  }));
}

/** Whatever has a slash in it is a path here. */
function listenPath(address: string, directory: string): string {
  return address.includes("/") && !isAbstract(address) ? resolve(directory, address) : address;
}

/** HOST:PORTS, where a host may be a network with a slash; a path that is relative begins with a dot. */
function rule(value: unknown, directory: string): unknown {
  if (typeof value === "string") return /^\.\.?\//.test(value) ? resolve(directory, value) : value;
  return within(value, (fields) => withPath(fields, "path", directory));
}

/** "HOST::GUEST[:ro]", or an object with host. */
function granted(value: unknown, directory: string): unknown {
  if (typeof value !== "string") return within(value, (fields) => withPath(fields, "host", directory));
  const [, host = "", rest = ""] = /^(.*?)(::.*)$/s.exec(value) ?? [];
  return host === "" || rest === "" ? value : resolve(directory, host) + rest;
}

function tlsFiles(tls: Fields, directory: string): Fields {
  return withPath(withPath(tls, "cert", directory), "key", directory);
}

/** The field as an absolute path, if it is a path. A certificate may be there as its text. */
function withPath(fields: Fields, field: string, directory: string): Fields {
  const path = fields[field];
  if (typeof path !== "string" || path === "" || isAbstract(path) || path.includes("-----BEGIN ")) return fields;
  return { ...fields, [field]: resolve(directory, path) };
}

function isAbstract(path: string): boolean {
  return path.startsWith("@") || path.startsWith("\0");
}

function within(value: unknown, change: (fields: Fields) => Fields): unknown {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? change(value as Fields) : value;
}
