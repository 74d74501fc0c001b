/** The echo server as a program, for a guest and for Node. It listens on the socket that it is passed, or opens one. */

import { loop } from "wasyncore";
import { takeListener } from "wasyncore/guest";
import { EchoServer } from "./echo.js";

new EchoServer(takeListener("", "127.0.0.1:7007"));
loop();
