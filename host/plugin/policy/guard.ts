/**
 * Owns the guard: a wrapper of a backend that holds a plugin to its policy. The wrapper is all that a guest is given, and
 * every call on sockets, descriptors, names and polling goes through it. Puts its parts together.
 */

import type { Backend, Clock, PollSet } from "../../backend/backend.js";
import { OSError } from "../../backend/errors.js";
import type { Account } from "./account.js";
import { type Grants, grantsOf } from "./grants.js";
import { GuardBytes } from "./guard-bytes.js";
import { GuardedPollSet, SET_BYTES, type SetContext } from "./guard-polling.js";
import { coarseClock } from "./process-options.js";
import type { Policy } from "./types.js";

class GuardedBackend extends GuardBytes {
  readonly #clock: Clock;
  readonly #context: SetContext;

  constructor(inner: Backend, grants: Grants, account: Account, resolutionMs: number) {
    super(inner, grants, account);
    this.#clock = coarseClock(inner.clock, resolutionMs);
    this.#context = {
      inner,
      account,
      resolutionMs,
      fileOf: (fd) => this.fileOf(fd),
      closed: (set) => this.sets.delete(set),
    };
  }

  override get clock(): Clock {
    return this.#clock;
  }

  /** @throws OSError ENOMEM above `maxHostBytes`, and what the backend throws */
  override createPollSet(): PollSet {
    if (!this.account.take("maxHostBytes", SET_BYTES)) throw new OSError("ENOMEM", { syscall: "epoll_create1" });
    try {
      const set = new GuardedPollSet(this.#context);
      this.sets.add(set);
      return set;
    } catch (error) {
      this.account.give("maxHostBytes", SET_BYTES);
      throw error;
    }
  }
}

/**
 * Holds everything that is done through a backend to a policy.
 *
 * Descriptors that it makes are charged to the account and given back when they are closed. Those that the host hands over
 * are charged by `adopt`; those that it only lends, such as its standard streams, are not.
 * @param policy whose names have been looked up, see `pinNames`
 * @throws PolicyError for a policy with a name that has not
 */
export function guardBackend(backend: Backend, policy: Policy, account: Account): Backend {
  return guardWith(backend, grantsOf(policy), account, policy.clocks.resolutionMs);
}

/** The same with grants that no policy contains. */
export function guardWith(backend: Backend, grants: Grants, account: Account, resolutionMs = 0): Backend {
  return new GuardedBackend(backend, grants, account, resolutionMs);
}
