/**
 * Owns the two calls from the engine to whoever holds the handlers. Knows only their shape: engine.wasm passes them on to
 * its host, a guest to the handler classes in its own module.
 */

export { Kind, Verdict } from "../shared/abi";

/** Samples a channel's interest: bits of READ and WRITE. */
export type Ask = (slot: i32) => i32;

/** Delivers an event. @returns bits of {@link Verdict}. */
export type Deliver = (slot: i32, kind: i32, detail: i32) => i32;

function askNobody(slot: i32): i32 {
  return 0;
}

function deliverToNobody(slot: i32, kind: i32, detail: i32): i32 {
  return 0;
}

export let ask: Ask = askNobody;
export let deliver: Deliver = deliverToNobody;

export function setUpcalls(askCall: Ask, deliverCall: Deliver): void {
  ask = askCall;
  deliver = deliverCall;
}
