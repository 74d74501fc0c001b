/** The guard passes the contract of backends where everything is granted: it takes nothing from a program that keeps to its policy. */

import { createNodeBackend } from "../../../host/node/backend.js";
import { Account } from "../../../host/plugin/policy/account.js";
import { UNRESTRICTED } from "../../../host/plugin/policy/grants.js";
import { guardWith } from "../../../host/plugin/policy/guard.js";
import { parsePolicy } from "../../../host/plugin/policy/schema.js";
import { describeBackend } from "../../backend/contract.js";

for (const poller of ["epoll", "poll"] as const) {
  const { limits } = parsePolicy({
    limits: {
      maxDescriptors: "unlimited",
      maxConnections: 100_000,
      maxHostBytes: "unlimited",
      // So much that nothing waits for it, so that the tests go through everything that counts bytes.
      bytesPerSecondIn: 1e12,
      bytesPerSecondOut: 1e12,
    },
  });
  const account = new Account({ plugin: "contract", limits });
  describeBackend(`guarded, over ${poller}`, guardWith(createNodeBackend({ poller }), UNRESTRICTED, account));
}
