/** Owns what the tests of worlds share. Knows the public API alone. */

import type { SimHost, SimWorld } from "../../host/sim/index.js";
import { ownText, type System } from "../backend/system.js";

/** A simulated host as the system behind a backend. */
export function simulatedSystem(world: SimWorld, host: SimHost): System {
  const { backend } = host;
  host.writeFile("/tests/system.ts", ownText());
  host.writeFile("/support/other.ts", "");
  return {
    isLinux: true,
    loopback: "lo",
    credentials: { pid: host.pid, uid: 1000, gid: 1000 },
    openDirectory: () => host.open("/tests"),
    openFile: () => host.open("/tests/system.ts"),
    close: (fd) => void backend.close(fd),
    read: (fd, target) => backend.read(fd, target),
    write: (fd, data) => void backend.write(fd, data),
    async outcomeOf(promise) {
      const [outcome] = await Promise.allSettled([promise, world.run({ untilMs: world.nowMs + 1000 })]);
      if (outcome.status === "rejected") throw outcome.reason;
      return outcome.value;
    },
    // Written to by one, read by the other: nothing else shows that they are one pipe.
    identityOf: () => "a pipe",
  };
}
