/** An echo server on a Unix socket. Ctrl-C aborts its loop, so that it can remove the socket's file before it exits. */

import { rmSync } from "node:fs";
import { parseArgs } from "node:util";
import { closeAll, Dispatcher, DispatcherWithSend, loop, type Socket } from "wasyncore";
import { run } from "./program.js";

const USAGE = "usage: unix-echo PATH";

class EchoHandler extends DispatcherWithSend {
  override handleRead(): void {
    const data = this.recv(65536);
    if (data.length > 0) this.send(data);
  }
}

class UnixEchoServer extends Dispatcher {
  constructor(path: string) {
    super();
    this.createSocket({ family: "unix" });
    this.bind({ path });
    this.listen(128);
  }

  override handleAccepted(socket: Socket): void {
    new EchoHandler(socket);
  }
}

async function serve(path: string): Promise<void> {
  const stop = new AbortController();
  new UnixEchoServer(path);
  try {
    for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => stop.abort());
    console.log(`listening on ${path}`);
    await loop({ signal: stop.signal });
  } finally {
    closeAll();
    rmSync(path, { force: true });
  }
}

await run("unix-echo", async () => {
  const options = { help: { type: "boolean", short: "h", default: false } } as const;
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  if (values.help) return console.log(USAGE);
  const [path, ...rest] = positionals;
  if (path === undefined || path === "" || rest.length > 0) throw new Error(USAGE);
  await serve(path);
});
