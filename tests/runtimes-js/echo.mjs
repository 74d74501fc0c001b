/**
 * Run by echo.test.ts on Bun and on Deno: an echo server, and 20 clients in a process of their own or in the server's.
 * `echo.mjs serve LOOP POLLER` prints its port and ends after its last connection; `echo.mjs both LOOP POLLER` prints how
 * many messages came back.
 */

import process from "node:process";
import { ChannelMap, createNodeBackend, Dispatcher, DispatcherWithSend, loop, loopSync } from "wasyncore";

const CLIENTS = 20;
const MESSAGES = 50;

const [mode, how, poller] = process.argv.slice(2);
const map = new ChannelMap({ backend: createNodeBackend({ poller }) });
let closed = 0;
let messages = 0;

class Echo extends DispatcherWithSend {
  handleRead() {
    this.send(this.recv(8192));
  }
  handleClose() {
    this.close();
    if (++closed === CLIENTS) listener.close();
  }
}

class Listener extends Dispatcher {
  constructor() {
    super(undefined, map);
    this.createSocket();
    this.bind({ host: "127.0.0.1", port: 0 });
    this.listen(CLIENTS);
  }
  handleAccepted(socket) {
    new Echo(socket, map);
  }
}

class Client extends DispatcherWithSend {
  left = MESSAGES;
  constructor(address) {
    super(undefined, map);
    this.createSocket();
    this.connect(address);
  }
  handleConnect() {
    this.send(new TextEncoder().encode("hello"));
  }
  handleRead() {
    const data = this.recv(8192);
    if (data.length === 0) return;
    messages += 1;
    if (--this.left === 0) this.close();
    else this.send(data);
  }
}

const listener = new Listener();
const address = listener.socket.localAddress();
if (mode === "serve") console.log(`port ${address.port}`);
else for (let index = 0; index < CLIENTS; index++) new Client(address);
if (how === "loop") await loop({ map });
else loopSync({ map });
console.log(mode === "serve" ? "served" : `messages ${messages}`);
