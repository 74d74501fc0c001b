/**
 * Owns how a guest's thread and its world talk: one of both runs at a time, so that a run depends on its seed alone. Knows
 * messages; knows neither a guest nor a host.
 */

import type { Backend } from "../backend/backend.js";

/** What the thread asks for. */
export type Request =
  | { readonly kind: "call"; readonly name: string; readonly args: readonly unknown[] }
  | { readonly kind: "clock"; readonly name: "monotonicNs" | "realtimeNs" | "threadCpuNs" }
  | { readonly kind: "set" }
  | { readonly kind: "update"; readonly set: number; readonly fd: number; readonly interest: number }
  | { readonly kind: "wait"; readonly set: number; readonly timeoutMs: number }
  | { readonly kind: "close"; readonly set: number }
  | { readonly kind: "exit"; readonly code: number }
  | { readonly kind: "failure"; readonly failure: Failure };

/** What it is answered. */
export interface Reply {
  readonly result?: unknown;
  /** What the call has put into its target. */
  readonly filled?: Uint8Array;
  readonly failure?: Failure;
}

/** The parts of an error that can be sent to another thread. */
export interface Failure {
  readonly message: string;
  readonly code: string | undefined;
  readonly errno: number | undefined;
  readonly syscall: string | undefined;
  readonly address: string | undefined;
}

/** Which argument a call fills. Its length is sent in its place. */
export const TARGETS: Readonly<Record<string, number>> = {
  recv: 1,
  read: 1,
  peek: 1,
  recvFrom: 1,
  recvOutOfBand: 1,
  readFrom: 1,
} satisfies Partial<Record<keyof Backend, number>>;

export function failureOf(error: unknown): Failure {
  const { message, code, errno, syscall, address } = Object(error) as Record<string, unknown>;
  const text = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);
  return {
    message: text(message) ?? String(error),
    code: text(code),
    errno: typeof errno === "number" ? errno : undefined,
    syscall: text(syscall),
    address: text(address),
  };
}

/** Whose turn it is: a word that both see. */
export class Baton {
  readonly words: Int32Array<SharedArrayBuffer>;

  constructor(words: Int32Array<SharedArrayBuffer> = new Int32Array(new SharedArrayBuffer(4))) {
    this.words = words;
  }

  /** The other goes on. @param to whose turn it is: 0 the world's, 1 the thread's */
  pass(to: number): void {
    Atomics.store(this.words, 0, to);
    Atomics.notify(this.words, 0);
  }

  /** Waits until it is this one's turn. @returns false where it is not in so many milliseconds */
  await(own: number, timeoutMs = Infinity): boolean {
    return Atomics.wait(this.words, 0, 1 - own, timeoutMs) !== "timed-out";
  }
}
