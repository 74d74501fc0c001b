/** Owns the name that a guest knows its poll by. Of a component, the poll itself is what the engine counts on. */

export { poll_oneoff as pollPortably } from "./poll-calls";
