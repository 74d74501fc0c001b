/** The servers of examples/ in one component, by name: the first parameter. FTP has its files in memory. */

import { MemoryFiles } from "../../sim/memory-files.js";
import { Session } from "../../../examples/ftp/session.js";
import { serve } from "../../../examples/serving.js";

const [name = ""] = process.argv.splice(2, 1);
// The path of the program that was started, as an example sees it.
process.argv[1] = process.argv[1]?.replace("tests/typescript/programs/servers.ts", `examples/${name}.ts`) ?? "";

switch (name) {
  case "echo-server":
    await import("../../../examples/echo-server.js");
    break;
  case "pop3":
    await import("../../../examples/pop3/server.js");
    break;
  case "smtp":
    await import("../../../examples/smtp/server.js");
    break;
  case "proxy":
    await import("../../../examples/proxy.js");
    break;
  case "broadcast":
    await import("../../../examples/broadcast.js");
    break;
  case "udp-echo":
    await import("../../../examples/udp-echo.js");
    break;
  case "ftp": {
    const settings = { root: new MemoryFiles(), account: undefined, mayWrite: true, idleMs: 300_000, tls: undefined };
    await serve("127.0.0.1", 0, (socket, { host = "" }) => void new Session(socket, host, settings));
    break;
  }
  default:
    throw new Error(`there is no example ${name}`);
}
