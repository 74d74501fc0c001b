/** Owns how `wasyncore serve` and `wasyncore ctl` put into words what happens to plugins. Knows no plugin. */

import { addressText } from "../net/listen.js";
import type { InheritedSocketInfo } from "../plugin/inherited.js";
import type { ListenerSnapshot } from "../plugin/listeners.js";
import type { PolicyEvent } from "../plugin/policy/account.js";
import type { PluginEnding } from "../plugin/run.js";
import type { TlsEvent } from "../plugin/tls/use.js";
import { memoryText } from "../plugin/trap-memory.js";

/** "web=127.0.0.1:8080" */
export function listenerText({ name, address }: Pick<ListenerSnapshot, "name" | "address">): string {
  // An abstract name begins with a NUL.
  const text = addressText(address).replace("\0", "@");
  return name === undefined ? text : `${name}=${text}`;
}

export function upText(listeners: readonly ListenerSnapshot[]): string {
  return listeners.length === 0 ? "up" : `up, listening on ${listeners.map(listenerText).join(", ")}`;
}

/** A line, and for a trap its backtrace in further ones. */
export function endingText(ending: PluginEnding): string {
  switch (ending.kind) {
    case "exit":
      return `exited with ${ending.code}`;
    case "trap":
      return [`trapped: ${ending.error.message}${memoryText(ending.memory)}`, ...framesOf(ending.error)].join("\n");
    case "limit":
      return `ended: it was above ${ending.limit}, with ${ending.value}`;
    case "failed":
      return `failed: ${ending.error.message}`;
    default:
      return ending.isGraceful ? "stopped" : "stopped; connections that were still open have been reset";
  }
}

function framesOf({ frames }: Extract<PluginEnding, { kind: "trap" }>["error"]): string[] {
  return frames.map(({ function: name, index, offset }) => {
    const place = `function ${index}, at 0x${offset.toString(16)}`;
    return name === "" ? `  in ${place}` : `  in ${name} (${place})`;
  });
}

export function limitText({ limit, value, count }: PolicyEvent): string {
  const times = count === 1 ? "" : `, ${count} times`;
  return `held to its policy: ${limit} (${value}${times})`;
}

/** What became of a handshake, of a connection or of changed certificates. */
export function tlsText({ field, kind, message, address, count }: TlsEvent): string {
  const peer = address === undefined ? "" : ` ${addressText(address)}`;
  return `${field}: ${kind}${peer}: ${message}${count === 1 ? "" : ` (${count} times)`}`;
}

export function unusedText({ fd, name, address }: InheritedSocketInfo): string {
  return address === undefined
    ? `descriptor ${fd} (${name}) is no listening socket: it is not used`
    : `no plugin listens on the socket ${name} (${listenerText({ name: undefined, address })}): who connects to it waits`;
}
