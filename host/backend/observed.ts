/**
 * Owns one fact of this thread: how many parties are notified of every callback that the thread runs. Knows none of them.
 *
 * A callback that is run only to wait would count as activity for them: where there are any, the thread waits in its own
 * event loop and nowhere else.
 */

export const callbackObservers = { count: 0 };
