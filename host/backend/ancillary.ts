/**
 * Owns the seam of what sockets have besides bytes, addresses and options of one whole number: options of other kinds,
 * multicast groups, and what Unix sockets pass along. Knows no polling.
 */

/** Socket options whose value is a text. Linux. */
export type TextOption =
  /** The network interface that the socket is bound to; "" for none. Needs CAP_NET_RAW, except to bind for the first time. */
  | "SO_BINDTODEVICE"
  /** The name of the congestion control algorithm: "cubic". */
  | "TCP_CONGESTION";

/** The process that has made a connection, or listens for it. */
export interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/** Bytes of a Unix socket, and the descriptors that came with them: close-on-exec, the receiver's to close. */
export interface PassedDescriptors {
  readonly data: Uint8Array;
  readonly descriptors: readonly number[];
  /** Were there more descriptors than asked for? The kernel has closed the others. */
  readonly isTruncated: boolean;
}

/** A network interface: its name, its index, or an IPv4 address of it; "" or 0 for the system's choice. */
export type NetworkInterface = string | number;

export interface AncillaryCalls {
  getTextOption(fd: number, option: TextOption): string | number;
  setTextOption(fd: number, option: TextOption, text: string): number;
  /** getsockopt(2), by the platform's own numbers. @returns the value, at most `maxBytes` long, or -errno */
  getRawOption(fd: number, level: number, option: number, maxBytes: number): Uint8Array | number;
  /** setsockopt(2), by the platform's own numbers. */
  setRawOption(fd: number, level: number, option: number, value: Uint8Array): number;
  /**
   * Joins a multicast group, or leaves it.
   * @param group a numeric address: its family must be the socket's
   * @returns 0, or -errno: -EINVAL for what is no address, -ENODEV for what is no interface
   */
  setMembership(fd: number, group: string, networkInterface: NetworkInterface, joins: boolean): number;
  /** Chooses the interface from which multicast datagrams are sent. */
  setMulticastInterface(fd: number, networkInterface: NetworkInterface): number;
  /** Who is at the other end of a Unix socket: SO_PEERCRED, Linux. @returns -ENOTCONN where nobody is */
  peerCredentials(fd: number): PeerCredentials | number;
  /**
   * Sends `data` and, with its first byte, duplicates of `descriptors`: sendmsg(2), SCM_RIGHTS, Linux.
   * @returns bytes taken, or -errno: -EINVAL without data, or for more than 253 descriptors
   */
  sendDescriptors(fd: number, data: Uint8Array, descriptors: readonly number[]): number;
  /** Receives up to `maxBytes`, and up to `maxDescriptors` with them: recvmsg(2), SCM_RIGHTS, Linux. */
  receiveDescriptors(fd: number, maxBytes: number, maxDescriptors: number): PassedDescriptors | number;
}
