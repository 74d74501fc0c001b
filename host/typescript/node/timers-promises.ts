/** Owns node:timers/promises. */

export function setTimeout(delayMs?: number, value?: unknown): Promise<unknown> {
  return new Promise((resolve) => globalThis.setTimeout(resolve, delayMs, value));
}

export function setImmediate(value?: unknown): Promise<unknown> {
  return new Promise((resolve) => globalThis.setImmediate(resolve, value));
}
