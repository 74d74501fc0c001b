/**
 * Imported before a program of the pages runs: its channels bind to free ports of 127.0.0.1, which are written to
 * descriptor 3 once clients can reach them, and connect to the port in PEER_PORT. loopback.py does the same for Python.
 */

import { writeSync } from "node:fs";
import { Dispatcher } from "wasyncore";

const { bind, listen, connect } = Dispatcher.prototype;

Dispatcher.prototype.bind = function bindToFreePort() {
  bind.call(this, { host: "127.0.0.1", port: 0 });
  if (this.socket.type === "dgram") reportPort(this);
};

Dispatcher.prototype.listen = function listenAndReport(backlog) {
  listen.call(this, backlog);
  reportPort(this);
};

Dispatcher.prototype.connect = function connectToPeer() {
  return connect.call(this, { host: "127.0.0.1", port: Number(process.env.PEER_PORT) });
};

function reportPort({ socket }) {
  writeSync(3, `${socket.localAddress().port}\n`);
}
