/**
 * The contract of the seam, played inside a component on its own backend. Left out are files and paths beneath a directory: there
 * are none.
 */

import { type Backend, defaultBackend, Ready } from "wasyncore";
import { describeBadInput } from "../backend/bad-input.js";
import { describeNames } from "../backend/names.js";
import { describeOptions } from "../backend/options.js";
import { describePolling } from "../backend/polling.js";
import { describeSockets } from "../backend/sockets.js";
import { ERRNO, PATIENCE_MS } from "../backend/support.js";
import type { System } from "../backend/system.js";
import { runCollected } from "./contract-runner.js";

const real = defaultBackend();

/** Connected pairs are of TCP and UDP over the loopback: there are no Unix sockets. The listener is made once. */
const listener = real.socket("IPv4", "stream");
real.bind(listener, { host: "127.0.0.1", port: 0 });
real.listen(listener, 1);

/**
 * A host notices what has arrived, and that a new socket can be written to, when it waits, and not in a wait of no time: until
 * then a call is -EAGAIN.
 */
const SETTLE_MS = 10;
const SENDS_MAX = 5;
/** A wait may end early. */
const TRIES_MAX = 100;
const nothing = real.createPollSet();
/** How often a call that receives is tried while something that was sent has not been received: a busy host delivers late. */
const RECEIVES_MAX = 50;
let isUnderWay = false;

function settled<Arguments extends unknown[]>(
  call: (...values: Arguments) => number,
): (...values: Arguments) => number {
  return (...values) => {
    for (let sends = 1; ; sends++) {
      const result = call(...values);
      nothing.wait(SETTLE_MS);
      if (result >= 0) isUnderWay = true;
      if (result !== -ERRNO.EAGAIN || sends === SENDS_MAX) return result;
    }
  };
}

function delivered<Arguments extends unknown[], Result>(
  call: (...values: Arguments) => Result,
): (...values: Arguments) => Result {
  return (...values) => {
    let result = call(...values);
    for (let tries = 0; isUnderWay && result === -ERRNO.EAGAIN && tries < RECEIVES_MAX; tries++) {
      nothing.wait(SETTLE_MS);
      result = call(...values);
    }
    isUnderWay = false;
    return result;
  };
}

const backend: Backend = {
  ...real,
  send: settled(real.send),
  sendTo: settled(real.sendTo),
  sendVector: settled(real.sendVector),
  write: settled(real.write),
  shutdown: settled(real.shutdown),
  recv: delivered(real.recv),
  receive: delivered(real.receive),
  recvFrom: delivered(real.recvFrom),
  receiveFrom: delivered(real.receiveFrom),
  /** Unknown while it connects. */
  localAddress(fd) {
    let address = real.localAddress(fd);
    for (let tries = 0; address === -ERRNO.EINVAL && tries < TRIES_MAX; tries++) {
      nothing.wait(SETTLE_MS);
      address = real.localAddress(fd);
    }
    return address;
  },
  socketPair(type) {
    const one = real.socket("IPv4", type);
    if (type === "dgram") {
      const other = real.socket("IPv4", type);
      const [here, there] = [one, other].map((fd) => {
        real.bind(fd, { host: "127.0.0.1", port: 0 });
        return real.localAddress(fd);
      });
      if (typeof here !== "object" || typeof there !== "object") return -ERRNO.EIO;
      real.connect(one, there);
      real.connect(other, here);
      return [one, other];
    }
    const to = real.localAddress(listener);
    if (typeof to === "object") real.connect(one, to);
    const set = real.createPollSet();
    for (const [fd, interest] of [
      [listener, Ready.READ],
      [one, Ready.WRITE],
    ] as const) {
      set.update(fd, interest);
      for (let tries = 0; tries < TRIES_MAX && set.wait(PATIENCE_MS) === 0; tries++) continue;
      set.update(fd, 0);
    }
    set.close();
    const accepted = real.accept(listener);
    return typeof accepted === "number" ? accepted : [one, accepted.fd];
  },
};

const absent = (): never => {
  throw new Error("ENOSYS: there is no system behind this backend");
};

const system: System = {
  isLinux: false,
  loopback: "lo",
  credentials: { pid: 1, uid: undefined, gid: undefined },
  openDirectory: absent,
  openFile: absent,
  directory: absent,
  close: absent,
  read: absent,
  write: absent,
  outcomeOf: (promise) => promise,
  identityOf: absent,
};

describePolling(backend, system);
describeSockets(backend);
describeOptions(backend);
describeNames(backend, system);
describeBadInput(backend);

const SET = "a poll set > ";
await runCollected([
  // A host reports once more what was read: docs/runtimes.md.
  `${SET}goes on saying so while it is so`,
  // It reports neither hang-ups nor errors: a read finds them. There is no urgent data.
  `${SET}tells with a hang-up that`,
  `${SET}reports a reset as ERROR`,
  `${SET}tells with a hang-up how much`,
  `${SET}a hang-up is reported`,
  `${SET}urgent data`,
  "stream sockets > take and give one urgent byte",
  // There are no pipes, no files, no duplicates and no Unix sockets; nothing closes a descriptor but the backend.
  `${SET}a pipe whose`,
  `${SET}an empty pipe`,
  `${SET}a regular file`,
  `${SET}to stop watching`,
  `${SET}a number closed behind its back`,
  `${SET}a number used again for a regular file`,
  `${SET}a closed duplicate`,
  `${SET}a number that a duplicate`,
  "stream sockets > carry bytes both ways over unix",
  "datagram sockets > tell who sent, over unix",
  "datagram sockets > have an unnamed sender",
  // Options that wasi:sockets 0.2 does not have: ENOPROTOOPT.
  "options > SO_REUSEPORT",
  "options > SO_OOBINLINE",
  "options > lingering",
  "options > the type",
  "options > SO_ERROR is 0 without an error",
]);
