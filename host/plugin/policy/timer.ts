/** Owns how long a timer of Node's can be. Knows no policy. */

/** A timer of more fires at once. */
export const TIMER_MAX_MS = 0x7fffffff;
