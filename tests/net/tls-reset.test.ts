/** TLS connections that their peers reset are released at once. The peers run in a separate process. */

import { describe, expect, test } from "vitest";
import { eventually, openedFromNow } from "../support/descriptors.js";
import { leaveOut, missingLinux, missingTools } from "../support/missing.js";
import { start } from "../support/processes.js";
import { newMap, run } from "../support/runs.js";
import { chatServer, TLS_MODES, useTransport } from "../support/tls.js";

const missing = leaveOut("The tests of reset TLS connections", missingLinux() || missingTools("python3"));

const CONNECTIONS = 20;

/** Resets each connection right after its data: Node's own clients cannot, because they end a connection in a later iteration. */
const CLIENT = `
import socket, ssl, struct, sys
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
for _ in range(int(sys.argv[2])):
    plain = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    secure = context.wrap_socket(plain)
    for line in range(20):
        secure.sendall(b"line\\n" * 10)
    secure.close()
`;

describe.skipIf(missing !== "").each(TLS_MODES)("$name", (mode) => {
  useTransport(mode);

  test("a connection that is reset while it is answered is released at its close", async () => {
    const map = newMap();
    const [server, chats] = chatServer(map);
    const opened = openedFromNow();
    const client = start("python3", ["-c", CLIENT, String(server.port), String(CONNECTIONS)]);
    let hasEnded = false;
    void client.ended.then(() => (hasEnded = true));
    await run(mode, map, () => {
      for (const chat of chats) for (const _line of chat.messages.splice(0)) chat.push("answer\n");
      return hasEnded && chats.length === CONNECTIONS && chats.every(({ fd }) => fd < 0);
    });
    expect(await client.ended).toMatchObject({ code: 0, stderr: "" });
    await eventually(() => opened("socket"), []);
  });
});
