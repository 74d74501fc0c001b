/** A program that needs what a component has not. */

import { createServer } from "node:http";

createServer().listen(0);
