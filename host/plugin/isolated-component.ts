/**
 * Owns a component as an isolated plugin, from inside its thread: what answers its calls is made of what it is granted. Knows host/component;
 * loaded for components alone.
 */

import { type CompiledComponent, ComponentHost, partsFor, withListeners } from "../component/index.js";
import { createGrantedWith } from "./grant.js";
import type { ProgramKind } from "./isolated-thread.js";
import type { LimitName } from "./policy/account.js";

const HOST_BYTES = "maxHostBytes" satisfies LimitName;

export async function componentKind(component: CompiledComponent): Promise<ProgramKind<ComponentHost>> {
  const parts = await partsFor(component);
  return {
    grant: (system, grant, control, hooks) =>
      createGrantedWith(
        system,
        grant,
        control,
        hooks,
        ({ backend, process, args, stdio, listeners, directories, account }) =>
          new ComponentHost(
            backend,
            {
              args,
              env: Object.entries(withListeners(backend, process.env, listeners)),
              stdio,
              random: process.random,
              // What it may bind and connect is held to the policy by the backend.
              sockets: { listeners, mayOpen: true, onRefused: () => undefined },
              directories,
              hostBytes: {
                take: (count) => account.take(HOST_BYTES, count),
                give: (count) => account.give(HOST_BYTES, count),
              },
              mayPoll: process.maySubscribe,
            },
            parts,
          ),
      ),
    make: (host) => ({
      get memoryBytes() {
        return host.memoryBytes;
      },
      run() {
        const code = host.run(component);
        host.flush();
        return code;
      },
    }),
  };
}
