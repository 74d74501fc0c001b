/// <reference types="node" preserve="true" />

/**
 * Owns what a program gets by the name of "wasyncore/guest" on Node: re-exports only. In a guest the same names come from
 * assembly/guest, so that one source is a guest and a program on Node.
 */

export { listeners, takeListener, type PassedSocket } from "./listeners.js";
export { exitNow, pending, turn } from "./loop.js";
export { environmentVariable, programArguments, takeError } from "./process.js";
