/**
 * Owns socket options: those that wasi:sockets has are the host's; of the others a socket remembers what was set, where
 * nothing that a program sees depends on it, and refuses the rest. Knows descriptors; knows no bytes.
 */

import type { IntegerOption, Linger } from "../backend/backend.js";
import { type Descriptor, Stage } from "./descriptors.js";
import { ERRNO, errnoOf } from "./errors.js";

const NS_PER_S = 1e9;

const INT_MAX = 0x7fffffff;

/** How one option of the host is read and set, and the highest value that Linux takes for it. */
interface HostOption {
  readonly max: number;
  get(descriptor: Descriptor): number | undefined;
  set(descriptor: Descriptor, value: number): void;
}

const HOST_OPTIONS: Readonly<Partial<Record<IntegerOption, HostOption>>> = {
  SO_KEEPALIVE: {
    max: INT_MAX,
    get: ({ tcp }) => (tcp === undefined ? undefined : Number(tcp.keepAliveEnabled())),
    set: ({ tcp }, value) => tcp?.setKeepAliveEnabled(value !== 0),
  },
  TCP_KEEPIDLE: {
    max: 32_767,
    get: ({ tcp }) => (tcp === undefined ? undefined : tcp.keepAliveIdleTime() / NS_PER_S),
    set: ({ tcp }, value) => tcp?.setKeepAliveIdleTime(value * NS_PER_S),
  },
  TCP_KEEPINTVL: {
    max: 32_767,
    get: ({ tcp }) => (tcp === undefined ? undefined : tcp.keepAliveInterval() / NS_PER_S),
    set: ({ tcp }, value) => tcp?.setKeepAliveInterval(value * NS_PER_S),
  },
  TCP_KEEPCNT: {
    max: 127,
    get: ({ tcp }) => tcp?.keepAliveCount(),
    set: ({ tcp }, value) => tcp?.setKeepAliveCount(value),
  },
  SO_RCVBUF: {
    max: INT_MAX,
    get: ({ tcp, udp }) => (tcp ?? udp)?.receiveBufferSize(),
    set: ({ tcp, udp }, value) => (tcp ?? udp)?.setReceiveBufferSize(value),
  },
  SO_SNDBUF: {
    max: INT_MAX,
    get: ({ tcp, udp }) => (tcp ?? udp)?.sendBufferSize(),
    set: ({ tcp, udp }, value) => (tcp ?? udp)?.setSendBufferSize(value),
  },
  IP_TTL: { max: 255, get: hopLimit, set: setHopLimit },
  IPV6_UNICAST_HOPS: { max: 255, get: hopLimit, set: setHopLimit },
};

function hopLimit({ tcp, udp }: Descriptor): number | undefined {
  return tcp === undefined ? udp?.unicastHopLimit() : tcp.hopLimit();
}

function setHopLimit({ tcp, udp }: Descriptor, value: number): void {
  if (tcp === undefined) udp?.setUnicastHopLimit(value);
  else tcp.setHopLimit(value);
}

/**
 * What a program sets out of habit, and would not notice: an address may be used again by the host's own choice, and small
 * messages are sent as the host sees fit. The value at first.
 */
const REMEMBERED: Readonly<Partial<Record<IntegerOption, number>>> = {
  SO_REUSEADDR: 0,
  TCP_NODELAY: 0,
};

export function getOption(descriptor: Descriptor, option: IntegerOption): number {
  if (option === "SO_ACCEPTCONN") return Number(descriptor.stage === Stage.LISTENING);
  const remembered = REMEMBERED[option];
  if (remembered !== undefined) return descriptor.options.get(option) ?? remembered;
  try {
    return HOST_OPTIONS[option]?.get(descriptor) ?? -ERRNO.ENOPROTOOPT;
  } catch (thrown) {
    return errnoOf(thrown);
  }
}

export function setOption(descriptor: Descriptor, option: IntegerOption, value: number): number {
  if (REMEMBERED[option] !== undefined) {
    descriptor.options.set(option, Number(value !== 0));
    return 0;
  }
  const hosts = HOST_OPTIONS[option];
  if (hosts === undefined) return -ERRNO.ENOPROTOOPT;
  if (value < 0 || value > hosts.max) return -ERRNO.EINVAL;
  try {
    hosts.set(descriptor, value);
    return 0;
  } catch (thrown) {
    return errnoOf(thrown);
  }
}

export function getLinger(_descriptor: Descriptor): Linger {
  return { on: false, seconds: 0 };
}

/** It is off: what is unsent is sent after `close`. Nothing else can be asked for. */
export function setLinger(_descriptor: Descriptor, { on }: Linger): number {
  return on ? -ERRNO.ENOPROTOOPT : 0;
}
