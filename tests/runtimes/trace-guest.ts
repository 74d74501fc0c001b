/** The handlers that tell what they are told, as a guest. */

import { loop } from "wasyncore";
import { takeListener } from "wasyncore/guest";
import { TraceServer } from "./trace-handlers.js";

new TraceServer(takeListener());
loop();
