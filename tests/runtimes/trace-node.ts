/** The handlers that tell what they are told, on Node: `node trace-node.js loop|loopSync PORT`. */

import { loop, loopSync } from "wasyncore";
import { TraceServer } from "./trace-handlers.js";

const [how, port] = process.argv.slice(2);
const server = new TraceServer();
server.createSocket();
server.bind({ host: "127.0.0.1", port: Number(port) });
server.listen(128);
if (how === "loopSync") loopSync();
else await loop();
