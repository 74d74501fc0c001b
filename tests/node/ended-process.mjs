/** Run by threads.test.ts: a loop on the main thread, with a process that ends in the way that is named. */

import { ChannelMap, createNodeBackend, Dispatcher, loop } from "wasyncore";

const [poller, end] = process.argv.slice(2);
const map = new ChannelMap({ backend: createNodeBackend({ poller }) });

class Client extends Dispatcher {
  constructor(address) {
    super(undefined, map);
    this.createSocket();
    this.connect(address);
  }
}

class Listener extends Dispatcher {
  constructor() {
    super(undefined, map);
    this.createSocket();
    this.bind({ host: "127.0.0.1", port: 0 });
    this.listen(1);
    new Client(this.socket.localAddress());
  }
  handleAccepted() {
    if (end === "exit in a callback") process.exit(7);
    setTimeout(() => {
      if (end === "exit in a timer") process.exit(7);
      if (end === "uncaught error") throw new Error("thrown");
      if (end === "unhandled rejection") void Promise.reject(new Error("rejected"));
      if (end === "exit code") {
        process.exitCode = 7;
        for (const channel of [...map.values()]) channel.close();
      }
    });
  }
}

if (end === "error in an exit listener") {
  process.on("exit", () => {
    throw new Error("thrown");
  });
  setTimeout(() => process.exit(7));
}
new Listener();
await loop({ map, timeoutMs: Infinity });
