/**
 * Holds the epoll set to reporting no event of a file that is closed under its watched number and open under another: to
 * nobody, and not again and again. Such a file cannot be removed by epoll_ctl(2).
 */

import { spawn } from "node:child_process";
import { closeSync, readdirSync, readFileSync } from "node:fs";
import { describe, expect, onTestFinished, test } from "vitest";
import { type Backend, Ready } from "../../host/backend/backend.js";
import { platformConstants } from "../../host/node/constants.js";
import { createNodeBackend } from "../../host/node/backend.js";
import { loadLibc } from "../../host/node/libc.js";
import { leaveOut, missingLinux } from "../support/missing.js";
import { bytes, closeOwned, connectedPair, owned, ownedPair, ownedSet, PATIENCE_MS, wait } from "../backend/support.js";

const { READ, WRITE } = Ready;

/** How many registrations of `fd` the epoll sets of this process have. */
function registrations(fd: number): number {
  let count = 0;
  for (const set of readdirSync("/proc/self/fdinfo")) {
    let info: string;
    try {
      info = readFileSync(`/proc/self/fdinfo/${set}`, "utf8");
    } catch {
      continue; // The directory's own descriptor is closed by now.
    }
    for (const [, target] of info.matchAll(/^tfd:\s*(\d+)/gm)) if (Number(target) === fd) count++;
  }
  return count;
}

/** A duplicate that the backend does not know of. */
function hiddenDuplicate(backend: Backend, fd: number): number {
  return owned(backend, loadLibc().fcntl(fd, platformConstants().F_DUPFD_CLOEXEC, 0));
}

const missing = leaveOut("The tests of stale events of epoll(7)", missingLinux());

describe.skipIf(missing !== "")("a file that is closed under its watched number", () => {
  const backend = createNodeBackend({ poller: "epoll" });

  /** A set that watches one end of a connection and one of a pair of Unix sockets. */
  function watchedPairs() {
    const set = ownedSet(backend);
    const { client, server } = connectedPair(backend);
    const [one, other] = ownedPair(backend, backend.socketPair("stream"));
    set.update(one, READ);
    set.update(server, READ);
    return { set, client, server, one, other };
  }

  test("is removed with its last descriptor", () => {
    const set = ownedSet(backend);
    const { client, server } = connectedPair(backend);
    set.update(server, READ);
    expect(registrations(server)).toBe(1);
    closeOwned(backend, server);
    expect(registrations(server)).toBe(0);
    closeOwned(backend, client);
    expect(wait(set, 0)).toEqual([]);
  });

  test("is removed at once where the backend has duplicated it", () => {
    const set = ownedSet(backend);
    const { server } = connectedPair(backend);
    owned(backend, backend.duplicate(server));
    set.update(server, READ);
    closeOwned(backend, server);
    expect(registrations(server)).toBe(0);
  });

  test.each(["the backend", "other code"])("and that %s closes reports nothing to the number's next owner", (who) => {
    const { set, client, server, one, other } = watchedPairs();
    hiddenDuplicate(backend, server);
    closeOwned(backend, server, who === "the backend" ? undefined : closeSync);
    set.update(server, 0);
    const next = owned(backend, backend.socket("IPv4", "dgram"));
    expect(next).toBe(server);
    set.update(next, READ);
    expect(registrations(server)).toBe(2);

    expect(backend.send(client, bytes("late"))).toBe(4);
    expect(wait(set)).toEqual([]);
    expect(registrations(server)).toBe(1);
    // What else it watches it goes on watching.
    expect(wait(set, 0)).toEqual([]);
    backend.send(other, bytes("x"));
    expect(wait(set)).toEqual([{ fd: one, bits: READ, error: 0, readable: -1 }]);
    set.update(next, READ | WRITE);
    expect(wait(set)).toContainEqual({ fd: next, bits: WRITE, error: 0, readable: -1 });
  });

  test("does not keep a loop awake that watches the set, nor end the watch", async () => {
    const { set, client, server, one, other } = watchedPairs();
    hiddenDuplicate(backend, server);
    closeOwned(backend, server);

    const found: number[] = [];
    let wakes = 0;
    const heard = new Promise<void>((resolve) => {
      const watch = set.watch(() => {
        wakes++;
        found.push(...wait(set, 0).map(({ fd }) => fd));
        if (wakes === 1) {
          // The set is another one now; from here on only this wakes it.
          setImmediate(() => setImmediate(() => backend.send(other, bytes("x"))));
        }
        if (found.length > 0) resolve();
      });
      onTestFinished(() => watch.stop());
      backend.send(client, bytes("late"));
    });
    await heard;
    expect(found).toEqual([one]);
    expect(wakes).toBe(2);
  });

  test("is left to a child process that has inherited it", async () => {
    const set = ownedSet(backend);
    const { client, server } = connectedPair(backend);
    set.update(server, READ);
    const child = spawn(process.execPath, ["-e", "process.stdin.resume()"], { stdio: [server, "ignore", "inherit"] });
    const ended = new Promise((resolve) => child.once("exit", resolve));
    onTestFinished(async () => {
      child.kill("SIGKILL");
      await ended;
    });
    closeOwned(backend, server);
    expect(registrations(server)).toBe(1);
    backend.shutdown(client, "write");
    const endMs = performance.now() + PATIENCE_MS;
    while (registrations(server) > 0 && performance.now() < endMs) expect(wait(set, 1000)).toEqual([]);
    expect(registrations(server)).toBe(0);
  });
});
