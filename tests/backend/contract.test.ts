/** Every backend of the package, and a wrapper that knows the seam alone, pass the contract. */

import { createNodeBackend } from "../../host/node/backend.js";
import { describeBackend } from "./contract.js";
import { ForwardingBackend } from "./forwarding.js";

describeBackend("over epoll", createNodeBackend({ poller: "epoll" }));
describeBackend("over epoll, without batches", createNodeBackend({ poller: "epoll", batchMin: Infinity }));
describeBackend(
  "over epoll, in batches from the first read on",
  createNodeBackend({ batchMin: 1, batchAfterReads: 0 }),
);
describeBackend("over poll", createNodeBackend({ poller: "poll" }));
describeBackend("behind a wrapper", new ForwardingBackend(createNodeBackend()));
