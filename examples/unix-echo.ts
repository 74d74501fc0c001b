/** An echo server on a Unix socket. Ctrl-C ends its loop through a signal, so that it can remove the socket's file. */

import { rmSync } from "node:fs";
import { parseArgs } from "node:util";
import { closeAll, Dispatcher, DispatcherWithSend, loop, OSError, type Socket } from "wasyncore";

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

try {
  const options = { help: { type: "boolean", short: "h" } } as const;
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  const [path, ...rest] = positionals;
  if (values.help === true) console.log(USAGE);
  else if (path === undefined || path === "" || rest.length > 0) throw new Error(USAGE);
  else await serve(path);
} catch (error) {
  const inUse = error instanceof OSError && error.code === "EADDRINUSE";
  console.error(`unix-echo: ${inUse ? `${error.path} is there already` : (error as Error).message}`);
  process.exitCode = 1;
}
