/** Owns the counters that say what the engine has done. Knows nothing of who counts. */

import { Statistics } from "../shared/abi";

export const statistics = changetype<Statistics>(memory.data(offsetof<Statistics>(), 8));
