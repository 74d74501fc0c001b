/**
 * Owns the layout and the operations of epoll_ctl(2). Knows no set.
 *
 * ```
 * struct epoll_event   x64 (packed)                others
 *                      0       4          12       0       4       8          16
 *                      | events| fd | tag |        | events|  pad  | fd | tag |
 * ```
 * The descriptor and the tag are the caller's data: the kernel returns them as they were given.
 */

export const EPOLL_CTL_ADD = 1;
export const EPOLL_CTL_DEL = 2;
export const EPOLL_CTL_MOD = 3;

/** In 32-bit words. */
export const EVENT_WORDS = process.arch === "x64" ? 3 : 4;
export const EVENT_FD = process.arch === "x64" ? 1 : 2;
export const EVENT_TAG = EVENT_FD + 1;
