/** Owns what the tests of worlds share. Knows the public API alone. */

import { constants } from "node:fs";
import type { SimHost, SimWorld } from "../../host/sim/index.js";
import { ownText, type System, type TestDirectory } from "../backend/system.js";

/** A simulated host as the system behind a backend. */
export function simulatedSystem(world: SimWorld, host: SimHost): System {
  const { backend } = host;
  host.writeFile("/tests/system.ts", ownText());
  host.writeFile("/support/other.ts", "");
  let directories = 0;

  function directory(): TestDirectory {
    const base = `/tmp/${directories++}`;
    host.makeDirectory(base);
    return {
      open: (path) => host.open(`${base}/${path}`),
      create: (path) => host.open(`${base}/${path}`, constants.O_RDWR | constants.O_CREAT),
      write: (path, text) => host.writeFile(`${base}/${path}`, text),
      read: (path) => new TextDecoder().decode(host.readFile(`${base}/${path}`)),
      link(path, target) {
        const fd = host.open(base);
        const failed = backend.symlinkBeneath(fd, path, target);
        backend.close(fd);
        if (failed < 0) throw new Error(backend.errorCode(failed));
      },
    };
  }

  return {
    isLinux: true,
    loopback: "lo",
    credentials: { pid: host.pid, uid: 1000, gid: 1000 },
    openDirectory: () => host.open("/tests"),
    openFile: () => host.open("/tests/system.ts"),
    directory,
    close: (fd) => void backend.close(fd),
    read: (fd, target) => backend.read(fd, target),
    write: (fd, data) => void backend.write(fd, data),
    async outcomeOf(promise) {
      const [outcome] = await Promise.allSettled([promise, world.run({ untilMs: world.nowMs + 1000 })]);
      if (outcome.status === "rejected") throw outcome.reason;
      return outcome.value;
    },
    identityOf(fd) {
      const status = backend.status(fd);
      return typeof status === "number" ? status : status.inode;
    },
  };
}

/** Connects one host to another. @returns the descriptors of both ends */
export function connected(world: SimWorld, one: SimHost, other: SimHost): [number, number] {
  const listener = other.backend.socket("IPv4", "stream");
  other.backend.bind(listener, { host: other.address, port: 9 });
  other.backend.listen(listener, 1);
  const end = one.backend.socket("IPv4", "stream");
  one.backend.connect(end, { host: other.address, port: 9 });
  world.runSync({ untilMs: world.nowMs + 5000 });
  const accepted = other.backend.accept(listener);
  if (typeof accepted === "number") throw new Error(other.backend.errorCode(accepted));
  return [end, accepted.fd];
}

/** What has arrived, or why nothing has. */
export function textFrom(host: SimHost, fd: number): string {
  const bytes = host.backend.receive(fd, 100);
  return typeof bytes === "number" ? host.backend.errorCode(bytes) : Buffer.from(bytes).toString();
}
