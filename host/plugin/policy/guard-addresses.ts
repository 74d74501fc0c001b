/**
 * Owns the calls that name an address or an option: connect, bind, listen, names, groups. What is not granted is refused
 * before the backend hears of it. Moves no byte.
 */

import {
  type Addresses,
  type IntegerOption,
  type Linger,
  type NetworkInterface,
  type SocketAddress,
  type TextOption,
} from "../../backend/backend.js";
import { OSError } from "../../backend/errors.js";
import type { LimitName } from "./account.js";
import { GuardDescriptors } from "./guard-descriptors.js";
import type { OpenFile } from "./open-files.js";
import { EACCES, EINPROGRESS, ENOBUFS } from "./refusals.js";

/** libuv's number for "no such name". */
const EAI_NONAME = -3008;
/** The kernel takes no larger buffer whatever is asked for. */
const BUFFER_MAX = 0x100_0000;
/** How much of an address or a name an event contains. */
const VALUE_MAX = 256;

export class GuardAddresses extends GuardDescriptors {
  /** That the system had chosen for the last datagram socket that was closed: another one may take its place there. */
  #freedPort = 0;

  override connect(fd: number, address: SocketAddress): number {
    const file = this.fileOf(fd);
    if (file === undefined || !file.isSocket) return this.inner.connect(fd, address);
    const granted = file.isDatagram ? this.grants.datagram(address) : this.grants.connect(address);
    if (granted === undefined) return this.refuseAddress(fieldOf(file, address), address);
    if (file.isDatagram || file.isConnection) return this.inner.connect(fd, granted);
    if (!this.account.take("maxConnections")) return ENOBUFS;
    const result = this.inner.connect(fd, granted);
    if (result === 0 || result === EINPROGRESS) {
      file.isConnection = true;
      this.account.count("connected");
    } else {
      this.account.give("maxConnections");
    }
    return result;
  }

  override bind(fd: number, address: SocketAddress): number {
    const file = this.fileOf(fd);
    if (file === undefined || !file.isSocket) return this.inner.bind(fd, address);
    const granted = this.grants.bind(address);
    if (granted === undefined) {
      const anywhere = this.grants.bindAnywhere(address, file.isDatagram) ?? this.#inItsPlace(file, address);
      return anywhere === undefined ? this.refuseAddress("bind", address) : this.inner.bind(fd, anywhere);
    }
    const failed = this.#keepFamily(fd, file, granted);
    if (failed < 0) return failed;
    const result = this.inner.bind(fd, granted);
    if (result === 0) file.isReachable = true;
    return result;
  }

  /** As a socket that was connected, and is not any more, does it at its port. */
  #inItsPlace({ isDatagram }: OpenFile, { host, port }: SocketAddress): SocketAddress | undefined {
    if (!isDatagram || host === undefined || port === 0 || port !== this.#freedPort) return undefined;
    const anywhere = this.grants.bindAnywhere({ host, port: 0 }, isDatagram);
    return anywhere?.host === undefined ? undefined : { host: anywhere.host, port };
  }

  override close(fd: number): number {
    const file = this.files.get(fd);
    if (file?.isDatagram === true && file.isInternet && !file.isReachable) {
      const address = this.inner.localAddress(fd);
      this.#freedPort = typeof address === "number" ? 0 : (address.port ?? 0);
    }
    return super.close(fd);
  }

  /** [::] has the IPv4 addresses of the machine as well, unless the socket is for IPv6 alone. @returns 0 or -errno */
  #keepFamily(fd: number, file: OpenFile, { host, port }: SocketAddress): number {
    if (file.family !== "IPv6" || host === undefined || this.grants.everything) return 0;
    const isEverywhere = /^[0:]+$/.test(host);
    if (!isEverywhere || this.grants.bind({ host: "0.0.0.0", port }) !== undefined) return 0;
    return this.inner.setOption(fd, "IPV6_V6ONLY", 1);
  }

  override listen(fd: number, backlog: number): number {
    const file = this.fileOf(fd);
    // A socket that is not bound would get a port of its own.
    if (file?.isSocket === true && !file.isReachable && !this.grants.everything) {
      const address = this.inner.localAddress(fd);
      return this.refuseAddress("bind", typeof address === "number" ? { path: "" } : address);
    }
    const result = this.inner.listen(fd, backlog);
    if (result === 0 && file !== undefined) file.isListening = true;
    return result;
  }

  protected refuseAddress(limit: LimitName, address: SocketAddress): number {
    this.account.refuse(limit, textOfAddress(address));
    return EACCES;
  }

  override lookupSync(host: string, family: 0 | 4 | 6): Addresses {
    return this.#isOpen(host) ? this.inner.lookupSync(host, family) : this.#pinned(host, family);
  }

  override async lookup(host: string, family: 0 | 4 | 6): Promise<Addresses> {
    return this.#isOpen(host) ? await this.inner.lookup(host, family) : this.#pinned(host, family);
  }

  #isOpen(host: string): boolean {
    return this.inner.isNumeric(host) !== 0 || this.grants.name(host) === "any";
  }

  /** @throws OSError ENOTFOUND for a name that is not granted, or has no address of that family */
  #pinned(host: string, family: 0 | 4 | 6): Addresses {
    const granted = this.grants.name(host);
    if (granted === undefined) this.account.refuse("connect", host.slice(0, VALUE_MAX));
    const addresses = typeof granted === "object" ? granted : [];
    const [first, ...others] = addresses.filter((each) => family === 0 || this.inner.isNumeric(each) === family);
    if (first !== undefined) return [first, ...others];
    throw new OSError("ENOTFOUND", { errno: EAI_NONAME, syscall: "getaddrinfo", address: host });
  }

  override setOption(fd: number, option: IntegerOption, value: number): number {
    if (option !== "SO_RCVBUF" && option !== "SO_SNDBUF") return this.inner.setOption(fd, option, value);
    const file = this.fileOf(fd);
    if (file === undefined) return this.inner.setOption(fd, option, value);
    // What is no number is 0 to the backend.
    const wanted = Math.min(Math.max(0, Math.trunc(value) || 0), BUFFER_MAX);
    const more = wanted - file.bufferBytes[option];
    if (more > 0 && !this.account.take("maxHostBytes", more)) return ENOBUFS;
    const result = this.inner.setOption(fd, option, value);
    if (result === 0) {
      file.bufferBytes[option] = wanted;
      if (more < 0) this.account.give("maxHostBytes", -more);
    } else if (more > 0) {
      this.account.give("maxHostBytes", more);
    }
    return result;
  }

  /** A socket that lingers blocks the thread in its close, for as long as the plugin says. */
  override setLinger(fd: number, linger: Linger): number {
    const file = this.fileOf(fd);
    const isReset = linger.on && linger.seconds === 0;
    if (file === undefined || isReset || !linger.on || this.grants.everything) {
      const result = this.inner.setLinger(fd, linger);
      if (result === 0 && file !== undefined) file.linger = undefined;
      return result;
    }
    const result = this.inner.setLinger(fd, { on: false, seconds: 0 });
    if (result === 0) file.linger = linger;
    return result;
  }

  override getLinger(fd: number): Linger | number {
    return this.fileOf(fd)?.linger ?? this.inner.getLinger(fd);
  }

  override setTextOption(fd: number, option: TextOption, text: string): number {
    return option === "SO_BINDTODEVICE" && !this.grants.everything
      ? this.#refuseOption(option)
      : this.inner.setTextOption(fd, option, text);
  }

  override getRawOption(fd: number, level: number, option: number, maxBytes: number): Uint8Array | number {
    if (this.grants.everything) return this.inner.getRawOption(fd, level, option, maxBytes);
    return this.#refuseOption(`${level}/${option}`);
  }

  override setRawOption(fd: number, level: number, option: number, value: Uint8Array): number {
    if (this.grants.everything) return this.inner.setRawOption(fd, level, option, value);
    return this.#refuseOption(`${level}/${option}`);
  }

  #refuseOption(name: string): number {
    this.account.refuse("options", name);
    return EACCES;
  }

  override setMembership(fd: number, group: string, networkInterface: NetworkInterface, joins: boolean): number {
    if (this.grants.group(group)) return this.inner.setMembership(fd, group, networkInterface, joins);
    this.account.refuse("udp", group.slice(0, VALUE_MAX));
    return EACCES;
  }
}

/** The field of the policy that would grant it. */
export function fieldOf(file: OpenFile, { path }: SocketAddress): LimitName {
  return file.isDatagram && path === undefined ? "udp" : "connect";
}

/** For an event; not longer than an address can be. */
function textOfAddress({ host, port, path }: SocketAddress): string {
  if (path !== undefined) return path.replaceAll("\0", "@").slice(0, VALUE_MAX);
  const text = host.slice(0, VALUE_MAX);
  return text.includes(":") ? `[${text}]:${port}` : `${text}:${port}`;
}
