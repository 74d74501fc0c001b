/**
 * Owns what a timeline takes out of the values of a record, which may be anything: a recording may come from anywhere. Never
 * throws. Knows values; knows no record.
 */

import type { SocketAddress } from "../backend/addresses.js";
import { inspectAddress } from "../backend/inspect.js";
import { hashOf } from "../record/hash.js";
import { Hashed } from "../record/values.js";

/** A property of what may be no object. */
export function field(of: unknown, name: string): unknown {
  return typeof of === "object" && of !== null ? (of as Record<string, unknown>)[name] : undefined;
}

/** undefined for what is no descriptor, as where a program has passed something else. */
export function descriptorIn(value: unknown): number | undefined {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 ? value : undefined;
}

/** "" for what is neither a text nor a number. */
export function textIn(value: unknown): string {
  return typeof value === "string" || typeof value === "number" ? String(value) : "";
}

/** undefined for what is no address. */
export function addressText(value: unknown): string | undefined {
  const isAddress =
    typeof field(value, "path") === "string" ||
    (typeof field(value, "host") === "string" && typeof field(value, "port") === "number");
  return isAddress ? (inspectAddress(value as SocketAddress) ?? "unnamed") : undefined;
}

/** What is known of contents, of which a recording may have the hash alone. */
export function contentsIn(data: unknown): { readonly content?: Uint8Array; readonly digest?: number } {
  if (data instanceof Uint8Array) return { content: data, digest: hashOf(data) };
  return data instanceof Hashed ? { digest: data.hash } : {};
}

/** The name of a descriptor in the snapshot of a flight recorder. */
export function openName(open: unknown): string {
  const local = addressText(field(open, "local"));
  const remote = addressText(field(open, "remote"));
  const by = textIn(field(open, "by"));
  if (field(open, "isListening") === true) return `listening ${local ?? ""}`;
  if (by === "accept") return remote === undefined ? "accepted" : `from ${remote}`;
  return remote === undefined ? (local ?? by) : `to ${remote}`;
}
