/** The countdown, as a guest and as a program on Node: on the socket that it is passed, or on one of its own. */

import { loop } from "wasyncore";
import { takeListener } from "wasyncore/guest";
import { CountdownServer } from "./countdown.js";

new CountdownServer(takeListener("", "127.0.0.1:7007"));
loop();
