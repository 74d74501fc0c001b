/** Owns the name that a guest knows its poll by. For WASI 0.3, the poll itself is what the engine counts on. */

export { poll_oneoff as pollPortably } from "./poll-calls";
