/** A copy of standard input to standard output, as a guest and, unchanged, as a program on Node. */

import { loop } from "wasyncore";
import { Copier } from "./stdio-handlers.js";

new Copier(0);
loop();
