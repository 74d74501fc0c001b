/**
 * Owns which errno a guest gets for which refusal: the one that POSIX names for the call, so that programs handle it as
 * they would anywhere. Knows no call.
 *
 * | refused | errno | as on a system where |
 * | --- | --- | --- |
 * | an address to connect, bind or send to; a listener that was not granted | EACCES | a firewall or a permission is against it |
 * | options that lead around the policy, descriptors sent along, files without a directory | EACCES | it takes a privilege |
 * | a descriptor above `maxDescriptors`; accept above `maxConnections` | EMFILE | the process has used up its descriptors |
 * | connect above `maxConnections` | ENOBUFS | the system has no room for another connection |
 * | socket buffers above `maxHostBytes` | ENOBUFS | the system has no memory for buffers |
 * | poll tables above `maxHostBytes` | ENOMEM | the kernel has no memory for them (epoll_ctl) |
 * | a poll with more subscriptions than `maxHostBytes` has room for | EINVAL | RLIMIT_NOFILE is smaller (poll) |
 * | urgent data and descriptors of datagram sockets | EOPNOTSUPP | anywhere |
 * | bytes above the rate | EAGAIN | the socket is not ready |
 * | a name that is not in the policy | ENOTFOUND | there is no such name |
 */

import { constants } from "node:os";

const { errno } = constants;

export const EACCES = -errno.EACCES;
export const EAGAIN = -errno.EAGAIN;
export const EBADF = -errno.EBADF;
export const EMFILE = -errno.EMFILE;
export const ENOBUFS = -errno.ENOBUFS;
export const ENOMEM = -errno.ENOMEM;
export const EOPNOTSUPP = -errno.EOPNOTSUPP;
export const EINPROGRESS = -errno.EINPROGRESS;
