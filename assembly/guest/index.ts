/** Owns the public API that only guests have: re-exports only. */

export { environmentVariable, programArguments } from "./environment";
export { exitNow, takeError } from "./errors";
export { guestAbort, guestConsole, guestDate, guestPerformance, guestSeed, guestTrace } from "./globals";
export { listeners, takeListener } from "./listeners";
export { pending, turn } from "./loop";
