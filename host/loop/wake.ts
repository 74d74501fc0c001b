/**
 * Owns how long one wake of the host's event loop may go on with turns while there is something to do. Knows nothing
 * else: it stands between the loop of handler classes and the turns of a guest, which share it.
 */

/**
 * After so many milliseconds the rest of the process has its turn, load or not: by the clock, not by a number of turns,
 * so that what handlers cost does not come into it. A round of Node's own under load takes as long; and going round, with
 * caches that know nothing of it any more, costs about as much as serving ten messages.
 */
export const WAKE_MS = 8;
