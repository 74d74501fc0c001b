/** An SMTP server (RFC 5321) that takes every message: into a maildir, or to standard output. See docs/servers.md. */

import { hostname } from "node:os";
import { parseArgs } from "node:util";
import { parseNumber, parsePort, run } from "../program.js";
import { serve } from "../serving.js";
import { readTls, TLS_OPTIONS, TLS_USAGE } from "../tls-files.js";
import { Session } from "./session.js";
import { Maildir, Printer } from "./store.js";

const USAGE = `usage: smtp [--host HOST] [--port PORT] [--maildir DIR] [--name NAME] [--max-bytes BYTES] [--idle-ms MS]
default: 127.0.0.1, 7025; port 0 takes a free one; prints messages; the name of this host; 10 MiB; five minutes
${TLS_USAGE}`;

await run("smtp", async () => {
  const options = {
    host: { type: "string", default: "127.0.0.1" },
    port: { type: "string", default: "7025" },
    maildir: { type: "string" },
    name: { type: "string", default: hostname() },
    "max-bytes": { type: "string", default: String(10 * 2 ** 20) },
    "idle-ms": { type: "string", default: "300000" },
    ...TLS_OPTIONS,
    help: { type: "boolean", short: "h" },
  } as const;
  const { values } = parseArgs({ options });
  if (values.help === true) return console.log(USAGE);
  const { host, maildir, name } = values;
  const store = maildir === undefined ? new Printer() : await Maildir.open(maildir);
  const sizeMax = parseNumber("max-bytes", values["max-bytes"]);
  const idleMs = parseNumber("idle-ms", values["idle-ms"], 1);
  const settings = { name, store, sizeMax, idleMs, tls: readTls(values.cert, values.key, values.implicit) };
  await serve(host, parsePort(values.port), (socket, { host: client = "" }) => {
    new Session(socket, client, settings);
  });
});
