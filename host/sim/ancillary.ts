/** Owns what sockets of a simulated host have besides bytes and options of one number. Its numbers are Linux's. */

import type { AncillaryCalls, IntegerOption, NetworkInterface } from "../backend/backend.js";
import { ipOf, isMulticast } from "./addresses.js";
import { isLength, lengthOf } from "../backend/bytes.js";
import type { Descriptors } from "./descriptors.js";
import { E, type SimFile } from "./file.js";
import { optionOf, TYPE_NUMBER } from "./options.js";
import type { SimSocket } from "./socket.js";
import { UdpSocket } from "./udp.js";

/** SCM_MAX_FD. */
const DESCRIPTORS_MAX = 253;
const INTERFACES = ["lo", "eth0"];
const CONGESTION = ["cubic", "reno"];
const USER = 1000;

export function createAncillaryCalls(
  descriptors: Descriptors,
  socketOf: (fd: number) => SimSocket | number,
  getOption: (socket: SimSocket, option: IntegerOption) => number,
  setOption: (socket: SimSocket, option: IntegerOption, value: number) => number,
  pid: number,
): AncillaryCalls {
  function isInterface(of: NetworkInterface): boolean {
    if (of === "" || of === 0) return true;
    if (typeof of === "number") return of === 1 || of === 2;
    return INTERFACES.includes(of) || ipOf(of)?.version === 4;
  }

  return {
    getTextOption(fd, option) {
      const socket = socketOf(fd);
      if (typeof socket === "number") return socket;
      if (option === "SO_BINDTODEVICE") return socket.options.device;
      return socket.type === "stream" && socket.family !== "unix" ? socket.options.congestion : -E.ENOPROTOOPT;
    },
    setTextOption(fd, option, text) {
      const socket = socketOf(fd);
      if (typeof socket === "number") return socket;
      if (option === "SO_BINDTODEVICE") {
        if (text !== "" && !INTERFACES.includes(text)) return -E.ENODEV;
        socket.options.device = text;
        return 0;
      }
      if (socket.type !== "stream" || socket.family === "unix") return -E.ENOPROTOOPT;
      if (!CONGESTION.includes(text)) return -E.ENOENT;
      socket.options.congestion = text;
      return 0;
    },
    getRawOption(fd, level, option, maxBytes) {
      const socket = socketOf(fd);
      if (typeof socket === "number") return socket;
      if (!isLength(maxBytes)) return -E.EINVAL;
      const name = optionOf(level, option);
      let value: number;
      if (name !== undefined) value = getOption(socket, name);
      else if (`${level}.${option}` === TYPE_NUMBER) value = socket.type === "stream" ? 1 : 2;
      else return -E.ENOPROTOOPT;
      if (value < 0) return value;
      const bytes = new Uint8Array(4);
      new DataView(bytes.buffer).setInt32(0, value, true);
      return bytes.slice(0, maxBytes);
    },
    setRawOption(fd, level, option, value) {
      const socket = socketOf(fd);
      if (typeof socket === "number") return socket;
      const name = optionOf(level, option);
      if (name === undefined) return -E.ENOPROTOOPT;
      if (lengthOf(value) < 4) return -E.EINVAL;
      return setOption(socket, name, new DataView(value.buffer, value.byteOffset, 4).getInt32(0, true));
    },
    setMembership(fd, group, networkInterface, joins) {
      const socket = socketOf(fd);
      if (typeof socket === "number") return socket;
      const ip = group.includes("%") ? undefined : ipOf(group);
      if (ip === undefined || !isMulticast(ip) || socket.family !== (ip.version === 4 ? "IPv4" : "IPv6"))
        return -E.EINVAL;
      if (!isInterface(networkInterface)) return -E.ENODEV;
      return socket instanceof UdpSocket ? socket.setMembership(ip, joins) : -E.EINVAL;
    },
    setMulticastInterface(fd, networkInterface) {
      const socket = socketOf(fd);
      if (typeof socket === "number") return socket;
      return isInterface(networkInterface) ? 0 : -E.ENODEV;
    },
    peerCredentials(fd) {
      const socket = socketOf(fd);
      if (typeof socket === "number") return socket;
      const isPair = socket.family === "unix" && (socket.isPaired || socket.isListening);
      return isPair ? { pid, uid: USER, gid: USER } : -E.ENOTCONN;
    },
    sendDescriptors(fd, data, sent) {
      const socket = socketOf(fd);
      if (typeof socket === "number") return socket;
      if (lengthOf(data) === 0 || sent.length > DESCRIPTORS_MAX) return -E.EINVAL;
      const files: SimFile[] = [];
      for (const each of sent) {
        const file = descriptors.of(each);
        if (file === undefined) return -E.EBADF;
        files.push(file);
      }
      return socket.sendFiles(data, files);
    },
    receiveDescriptors(fd, maxBytes, maxDescriptors) {
      const socket = socketOf(fd);
      if (typeof socket === "number") return socket;
      if (!isLength(maxBytes) || !(maxDescriptors >= 0 && maxDescriptors <= DESCRIPTORS_MAX)) return -E.EINVAL;
      const found = socket.receiveMessage(maxBytes);
      if (typeof found === "number") return found;
      const taken: number[] = [];
      for (const file of found.files) {
        if (taken.length < maxDescriptors && descriptors.refusal() === 0) taken.push(descriptors.add(file));
        file.references -= 1;
        if (file.references === 0) file.release();
      }
      return { data: found.data, descriptors: taken, isTruncated: taken.length < found.files.length };
    },
  };
}
