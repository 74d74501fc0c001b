/** Owns the log of a test: what the library would write to the standard streams. Knows the public API alone. */

import { onTestFinished } from "vitest";
import { type LogEntry, setLogSink } from "wasyncore";

/** Collects log entries until the test ends. */
export function captureLog(): LogEntry[] {
  const entries: LogEntry[] = [];
  onTestFinished(setLogSink((entry) => void entries.push(entry)));
  return entries;
}
