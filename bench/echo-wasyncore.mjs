// Owns the echo server on wasyncore: the smallest that its documentation would show. Knows nothing of who measures it.
//
// usage: node bench/echo-wasyncore.mjs [--sync] [--use-poll] [--alone] [PORT]
//   --sync       loopSync, which blocks, instead of loop, which runs on Node's own event loop
//   --use-poll   deliver channel by channel instead of all reads first
//   --alone      each call by itself: no batches
//   PORT         0, the default, takes a free port; the line on stdout tells which

import { parseArgs } from "node:util";
import { ChannelMap, createNodeBackend, Dispatcher, loop, loopSync, socketMap } from "wasyncore";

class EchoHandler extends Dispatcher {
  handleRead() {
    const data = this.recv(8192);
    if (data.length > 0) this.send(data);
  }
}

class EchoServer extends Dispatcher {
  constructor(host, port, map) {
    super(undefined, map);
    this.createSocket();
    this.setReuseAddr();
    this.bind({ host, port });
    this.listen(1024);
  }

  handleAccepted(socket) {
    new EchoHandler(socket, this.map);
  }
}

const { values, positionals } = parseArgs({
  options: {
    sync: { type: "boolean", default: false },
    "use-poll": { type: "boolean", default: false },
    alone: { type: "boolean", default: false },
  },
  allowPositionals: true,
});

const map = values.alone ? new ChannelMap({ backend: createNodeBackend({ batchMin: Infinity }) }) : socketMap;
const server = new EchoServer("127.0.0.1", Number(positionals[0] ?? 0), map);
const { host, port } = server.socket.localAddress();
console.log(`listening on ${host}:${port}`);

const options = { map, usePoll: values["use-poll"] };
if (values.sync) loopSync(options);
else await loop(options);
