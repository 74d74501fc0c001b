/** The HTTP server as a guest: on the socket that its host passes it. */

import { loop } from "wasyncore";
import { takeListener } from "wasyncore/guest";
import { HttpServer } from "./http-hello.js";

new HttpServer(takeListener());
loop();
