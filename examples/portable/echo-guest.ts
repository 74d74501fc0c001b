/** The echo server as a guest: on the socket that its host passes it. */

import { loop } from "wasyncore";
import { takeListener } from "wasyncore/guest";
import { EchoServer } from "./echo.js";

new EchoServer(takeListener());
loop();
