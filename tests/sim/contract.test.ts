/** The backend of a simulated host passes the contract of the seam, alone and behind a wrapper. */

import type { Backend } from "../../host/backend/backend.js";
import { SimWorld } from "../../host/sim/index.js";
import { describeBackend } from "../backend/contract.js";
import { ForwardingBackend } from "../backend/forwarding.js";
import { simulatedSystem } from "./support.js";

for (const [name, wrapped] of [
  ["simulated", (backend) => backend],
  ["simulated, behind a wrapper", (backend) => new ForwardingBackend(backend)],
] as const satisfies (readonly [string, (backend: Backend) => Backend])[]) {
  // The contract sets times of files that are to be in the past.
  const world = new SimWorld({ start: new Date("2030-01-01") });
  const host = world.host("10.0.0.1");
  describeBackend(name, wrapped(host.backend), simulatedSystem(world, host));
}
