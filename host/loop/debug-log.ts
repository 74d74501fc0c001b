/**
 * Owns the lines that NODE_DEBUG asks for: `wasyncore` for the life of channels, `wasyncore:turn`, `wasyncore:poll` and
 * `wasyncore:handlers`. Knows the messages of diagnostics.ts, which it subscribes to.
 */

import { subscribe } from "node:diagnostics_channel";
import { debuglog } from "node:util";
import { inspectAddress } from "../backend/inspect.js";
import { nameForLog, withoutControls } from "../backend/log.js";
import { compactTraceback } from "../backend/traceback.js";
import type { DiagnosticMessages } from "./diagnostics.js";

type Lines = { readonly [Name in keyof DiagnosticMessages]?: (message: DiagnosticMessages[Name]) => string };

const SECTIONS: Readonly<Record<string, Lines>> = {
  wasyncore: {
    "wasyncore:accept": ({ listener, socket, address }) =>
      `accept ${nameForLog(listener)} from ${inspectAddress(address) ?? "an unnamed socket"} fd=${socket.fd}`,
    "wasyncore:connect": ({ channel }) => `connect ${nameForLog(channel)} fd=${channel.fd}`,
    "wasyncore:close": ({ channel, fd, bytesIn, bytesOut }) =>
      `close ${nameForLog(channel)} fd=${fd} in=${bytesIn} out=${bytesOut}`,
    "wasyncore:error": ({ channel, error }) => {
      const { type, message } = compactTraceback(error);
      return `error ${nameForLog(channel)} ${type}: ${message}`;
    },
  },
  "wasyncore:turn": {
    "wasyncore:turn": ({ ready, callbacks, durationMs }) =>
      `turn ready=${ready} callbacks=${callbacks} ${durationMs.toFixed(3)} ms`,
  },
  "wasyncore:poll": { "wasyncore:poll": ({ durationMs }) => `poll ${durationMs.toFixed(3)} ms` },
  "wasyncore:handlers": {
    "wasyncore:event": ({ channel, callback, durationMs }) =>
      `${callback} ${nameForLog(channel)} ${durationMs.toFixed(3)} ms`,
    "wasyncore:timer": ({ name, durationMs }) =>
      `timer ${name === "" ? "(unnamed)" : name} ${durationMs.toFixed(3)} ms`,
  },
};

let isStarted = false;

/** Prints what NODE_DEBUG asks for, from now on. May be called again. */
export function startDebugLog(): void {
  if (isStarted) return;
  isStarted = true;
  for (const [section, lines] of Object.entries(SECTIONS)) {
    const log = debuglog(section);
    // Absent on runtimes that do not read NODE_DEBUG.
    if (log.enabled !== true) continue;
    for (const [name, line] of Object.entries(lines)) {
      subscribe(name, (message) => log("%s", withoutControls((line as (message: unknown) => string)(message))));
    }
  }
}
