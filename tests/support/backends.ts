/** Owns backends that are between the library and the operating system, and change what one of them says. */

import { constants } from "node:os";
import { type Addresses, type Backend, OSError, type PollSet, Ready } from "wasyncore";

/** A backend on which connects are under way until the poll set says that they have timed out. */
export function timingOut(backend: Backend): Backend {
  return {
    ...backend,
    connect: () => -constants.errno.EINPROGRESS,
    createPollSet: () => timedOut(backend.createPollSet()),
  };
}

function timedOut(set: PollSet): PollSet {
  const watched = new Set<number>();
  let ready = new Int32Array(0);
  return {
    update(fd, interest) {
      if (interest === 0) watched.delete(fd);
      else watched.add(fd);
      return 0;
    },
    wait() {
      const bits = Ready.WRITE | Ready.ERROR;
      ready = Int32Array.from([...watched].flatMap((fd) => [fd, bits, -constants.errno.ETIMEDOUT, -1]));
      return watched.size;
    },
    get ready() {
      return ready;
    },
    get alwaysReady() {
      return watched.size > 0;
    },
    watch: (onReady) => set.watch(onReady),
    beginTurn: () => set.beginTurn(),
    endTurn: () => set.endTurn(),
    close: () => set.close(),
  };
}

/** What a backend was asked to look up, and how. */
export interface Lookups {
  readonly blocking: string[];
  readonly asynchronous: string[];
}

/** A backend on which names are looked up as ever, in a list of names, or fail. */
export function namesOf(backend: Backend, names: Readonly<Record<string, string | Addresses>>): [Backend, Lookups] {
  const lookups: Lookups = { blocking: [], asynchronous: [] };
  function find(host: string): Addresses {
    const address = names[host];
    if (address !== undefined) return typeof address === "string" ? [address] : address;
    throw new OSError("ENOTFOUND", { errno: -3008, syscall: "getaddrinfo", address: host });
  }
  const changed: Backend = {
    ...backend,
    lookupSync(host) {
      lookups.blocking.push(host);
      return find(host);
    },
    async lookup(host) {
      lookups.asynchronous.push(host);
      return find(host);
    },
  };
  return [changed, lookups];
}

/** A backend whose poll sets wait by `wait`, which is given the set of `backend`. */
export function waitingBy(backend: Backend, wait: (set: PollSet, timeoutMs: number) => number): Backend {
  return {
    ...backend,
    createPollSet() {
      const set = backend.createPollSet();
      return {
        update: (fd, interest) => set.update(fd, interest),
        wait: (timeoutMs) => wait(set, timeoutMs),
        get ready() {
          return set.ready;
        },
        get alwaysReady() {
          return set.alwaysReady;
        },
        watch: (onReady) => set.watch(onReady),
        beginTurn: () => set.beginTurn(),
        endTurn: () => set.endTurn(),
        close: () => set.close(),
      };
    },
  };
}

/** A backend that writes down how long each poll was allowed to wait, in milliseconds. */
export function recordingWaits(backend: Backend): [Backend, number[]] {
  const waits: number[] = [];
  const changed = waitingBy(backend, (set, timeoutMs) => {
    waits.push(timeoutMs);
    return set.wait(timeoutMs);
  });
  return [changed, waits];
}
