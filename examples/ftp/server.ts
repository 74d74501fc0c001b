/** An FTP server (RFC 959) of one directory, with passive and active transfers. See docs/servers.md. */

import { parseArgs } from "node:util";
import { parseNumber, parsePort, run } from "../program.js";
import { serve } from "../serving.js";
import { readTls, TLS_OPTIONS, TLS_USAGE } from "../tls-files.js";
import { Root } from "./root.js";
import { Session } from "./session.js";

const USAGE = `usage: ftp --root DIR [--write] [--host HOST] [--port PORT] [--user USER --password PASSWORD] [--idle-ms MS]
default: read-only; 127.0.0.1, 7021; port 0 takes a free one; anybody may come as "anonymous"; five minutes
${TLS_USAGE}`;

await run("ftp", async () => {
  const options = {
    host: { type: "string", default: "127.0.0.1" },
    port: { type: "string", default: "7021" },
    root: { type: "string" },
    write: { type: "boolean", default: false },
    user: { type: "string" },
    password: { type: "string" },
    "idle-ms": { type: "string", default: "300000" },
    ...TLS_OPTIONS,
    help: { type: "boolean", short: "h" },
  } as const;
  const { values } = parseArgs({ options });
  if (values.help === true) return console.log(USAGE);
  const { host, root, write: mayWrite, user, password } = values;
  if (root === undefined) throw new Error(`--root is missing\n${USAGE}`);
  if ((user === undefined) !== (password === undefined)) throw new Error("--user and --password go together");
  const account = user === undefined || password === undefined ? undefined : { user, password };
  const idleMs = parseNumber("idle-ms", values["idle-ms"], 1);
  const tls = readTls(values.cert, values.key, values.implicit);
  const settings = { root: Root.open(root), account, mayWrite, idleMs, tls };
  await serve(host, parsePort(values.port), (socket, { host: client = "" }) => {
    new Session(socket, client, settings);
  });
});
