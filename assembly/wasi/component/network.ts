/** Owns the host's network, which is fetched once. Knows nothing else. */

import { instanceNetwork } from "./sockets";

let handle: i32 = -1;

export function network(): i32 {
  if (handle < 0) handle = instanceNetwork();
  return handle;
}
