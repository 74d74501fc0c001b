/**
 * Owns this thread's use of the ledger. The main thread records nothing, because its descriptors end with the process.
 * Knows no call of libc.
 */

import { getEnvironmentData, isMainThread, setEnvironmentData, threadId } from "node:worker_threads";
import { Ledger } from "./ledger.js";

const KEY = "wasyncore.ledger";

/** The ledger of the thread that started this one, or a new one; passed on to the workers that this thread starts. */
export const ledger = openLedger();

function openLedger(): Ledger {
  const inherited: unknown = getEnvironmentData(KEY);
  if (inherited instanceof SharedArrayBuffer) return new Ledger(inherited);
  const made = new Ledger();
  setEnvironmentData(KEY, made.memory);
  return made;
}

/** This thread has made `fd`. */
export function recordDescriptor(fd: number): void {
  if (!isMainThread) ledger.owners[fd] = threadId;
}

/** `fd` is about to be closed or passed on: this thread does not release it any more. */
export function forgetDescriptor(fd: number): void {
  if (!isMainThread && fd >= 0) ledger.owners[fd] = 0;
}

/** This thread has made a context of asynchronous I/O. */
export function recordContext(context: number): void {
  if (!isMainThread) ledger.addContext(context, threadId);
}

/** It is about to be destroyed. */
export function forgetContext(context: number): void {
  if (!isMainThread) ledger.removeContext(context, threadId);
}
