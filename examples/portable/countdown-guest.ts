/** The countdown as a program, for a guest and for Node. It listens on the socket that it is passed, or opens one. */

import { loop } from "wasyncore";
import { takeListener } from "wasyncore/guest";
import { CountdownServer } from "./countdown.js";

new CountdownServer(takeListener("", "127.0.0.1:7007"));
loop();
