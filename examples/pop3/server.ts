/** A POP3 server (RFC 1939) of one mailbox: a maildir, or two sample messages. See docs/servers.md. */

import { parseArgs } from "node:util";
import { parseNumber, parsePort, run } from "../program.js";
import { serve } from "../serving.js";
import { readTls, TLS_OPTIONS, TLS_USAGE } from "../tls-files.js";
import { Maildir, SampleMailbox } from "./mailbox.js";
import { Session } from "./session.js";

const USAGE = `usage: pop3 [--host HOST] [--port PORT] [--user USER] [--password PASSWORD] [--maildir DIR] [--idle-ms MS]
default: 127.0.0.1, 7110; port 0 takes a free one; user "user", password "password"; two sample messages;
ten minutes
${TLS_USAGE}`;

await run("pop3", async () => {
  const options = {
    host: { type: "string", default: "127.0.0.1" },
    port: { type: "string", default: "7110" },
    user: { type: "string", default: "user" },
    password: { type: "string", default: "password" },
    maildir: { type: "string" },
    "idle-ms": { type: "string", default: "600000" },
    ...TLS_OPTIONS,
    help: { type: "boolean", short: "h" },
  } as const;
  const { values } = parseArgs({ options });
  if (values.help === true) return console.log(USAGE);
  const { host, user, password, maildir } = values;
  const mailbox = maildir === undefined ? new SampleMailbox() : await Maildir.open(maildir);
  const idleMs = parseNumber("idle-ms", values["idle-ms"], 1);
  const tls = readTls(values.cert, values.key, values.implicit);
  await serve(host, parsePort(values.port), (socket) => {
    new Session(socket, { user, password }, mailbox, tls).idleTimeoutMs = idleMs;
  });
});
