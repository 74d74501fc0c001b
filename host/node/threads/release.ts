/**
 * Owns the release of descriptors and contexts that a thread leaves behind, however it ends. Knows which calls of libc
 * make and close them; knows no poll set and no socket.
 *
 * A thread that has imported this package releases what its workers leave behind, after a worker's "exit" event: by then
 * none of its code runs. A worker whose parent has not imported the package releases its own at its end, but not if it is
 * ended by `terminate()`, after which no code runs in it.
 */

import { isMainThread, threadId, type Worker as NodeWorker } from "node:worker_threads";
import { destroyContext } from "../batch/submission.js";
import { platformConstants } from "../constants.js";
import { type Libc, loadLibc } from "../libc.js";
import type { Possessions } from "./ledger.js";
import { ledger } from "./records.js";

// At import, so that no worker of this thread is missed.
process.on("worker", (worker: NodeWorker) => {
  const { threadId: thread } = worker;
  ledger.addThread(thread, threadId);
  worker.once("exit", () => release(ledger.takeThread(thread), loadLibc));
});

function release({ descriptors, contexts }: Possessions, libcOf: () => Libc): void {
  if (descriptors.length === 0 && contexts.length === 0) return;
  const { close, linux } = libcOf();
  if (linux !== undefined) for (const context of contexts) destroyContext(linux, context);
  for (const fd of descriptors) close(fd);
}

let recording: Libc | undefined;

/**
 * Wraps `libc` to record the descriptors that a worker thread makes and closes; on the main thread it is `libc` itself.
 * The ends of pipe(2) are not recorded: they are passed to the caller, who owns them.
 */
export function recordingLibc(libc: Libc): Libc {
  if (isMainThread) return libc;
  recording ??= record(libc);
  return recording;
}

function record(libc: Libc): Libc {
  const { linux } = libc;
  const { F_DUPFD_CLOEXEC } = platformConstants();
  const { owners } = ledger;
  // What is stored below is stored without a call in between: V8 may end a thread at the entry of a function.
  let isOver = false;
  if (!ledger.hasThread(threadId)) {
    process.on("exit", () => {
      isOver = true;
      release(ledger.takeThread(threadId), () => libc);
    });
  }

  return {
    ...libc,
    socket(domain, type, protocol) {
      const fd = libc.socket(domain, type, protocol);
      if (fd >= 0) owners[fd] = threadId;
      return fd;
    },
    socketpair(domain, type, protocol, descriptors) {
      const result = libc.socketpair(domain, type, protocol, descriptors);
      if (result >= 0 && descriptors instanceof Int32Array) {
        const [one = -1, other = -1] = descriptors;
        owners[one] = threadId;
        owners[other] = threadId;
      }
      return result;
    },
    accept(fd, address, length) {
      const accepted = libc.accept(fd, address, length);
      if (accepted >= 0) owners[accepted] = threadId;
      return accepted;
    },
    fcntl(fd, command, value) {
      const result = libc.fcntl(fd, command, value);
      if (command === F_DUPFD_CLOEXEC && result >= 0) owners[result] = threadId;
      return result;
    },
    close(fd) {
      // All have been closed, and the number may belong to another thread by now.
      if (isOver) return 0;
      if (fd >= 0) owners[fd] = 0;
      return libc.close(fd);
    },
    linux:
      linux === undefined
        ? undefined
        : {
            ...linux,
            accept4(fd, address, length, flags) {
              const accepted = linux.accept4(fd, address, length, flags);
              if (accepted >= 0) owners[accepted] = threadId;
              return accepted;
            },
            epoll_create1(flags) {
              const fd = linux.epoll_create1(flags);
              if (fd >= 0) owners[fd] = threadId;
              return fd;
            },
          },
  };
}
