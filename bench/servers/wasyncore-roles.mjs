// Owns what the server on wasyncore does in each role: the handler classes. Knows no command line.

import { certificate } from "./certificate.mjs";

/** Up to this size a message of one connection always finds room in the kernel: nothing has to be queued. */
const SHORT_READ_SIZE = 8192;

/**
 * @param api the package
 * @param map the map to be in
 * @returns a function for each role, which gives, or promises, what to do with an accepted socket
 */
export function makeRoles(api, { map, readSize, targetPort, importFrom }) {
  const { AsyncChat, Dispatcher, DispatcherWithSend, wrapTls } = api;

  class ShortEcho extends Dispatcher {
    handleRead() {
      const data = this.recv(readSize);
      if (data.length > 0) this.send(data);
    }
  }

  class LongEcho extends DispatcherWithSend {
    handleRead() {
      const data = this.recv(readSize);
      if (data.length > 0) this.send(data);
    }
  }

  /** As asyncore's documentation writes it: both methods are sampled, and a message takes two turns. */
  class BufferedEcho extends Dispatcher {
    buffer = new Uint8Array(0);

    readable() {
      return true;
    }

    writable() {
      return this.buffer.length > 0;
    }

    handleRead() {
      const data = this.recv(readSize);
      if (data.length > 0) this.buffer = this.buffer.length === 0 ? data : Buffer.concat([this.buffer, data]);
    }

    handleWrite() {
      this.buffer = this.buffer.subarray(this.send(this.buffer));
    }
  }

  /** Echo into one buffer of the program's. */
  class EchoInto extends DispatcherWithSend {
    static buffer = new Uint8Array(readSize);

    handleRead() {
      const { buffer } = EchoInto;
      const length = this.recvInto(buffer);
      if (length > 0) this.send(length === buffer.length ? buffer : buffer.subarray(0, length));
    }
  }

  class Pusher extends AsyncChat {
    /** Made in the role that uses it: once memory of this size is freed, malloc keeps more of what is freed later. */
    static pushed;

    constructor(socket) {
      super(socket, map);
      this.setTerminator("\n");
    }

    collectIncomingData() {}

    foundTerminator() {
      this.push(Pusher.pushed);
    }
  }

  /** As in examples/proxy.ts. */
  class Side extends AsyncChat {
    static buffer = new Uint8Array(65_536);
    peer;

    handleRead() {
      const { buffer } = Side;
      const length = this.recvInto(buffer);
      if (length > 0) this.collectIncomingData(buffer.subarray(0, length));
    }

    collectIncomingData(data) {
      const { peer } = this;
      if (peer !== undefined && !peer.push(data)) this.pauseReading();
    }

    handleConnect() {}

    handleDrain() {
      this.peer?.resumeReading();
    }

    handleEof() {
      this.peer?.endWriting();
    }

    handleClose() {
      const { peer } = this;
      this.close();
      this.peer = undefined;
      if (peer === undefined) return;
      peer.peer = undefined;
      peer.resumeReading();
      peer.closeWhenDone();
    }
  }

  // A build without it reads as AsyncChat does.
  if (!("recvInto" in Dispatcher.prototype)) delete Side.prototype.handleRead;

  /** Finds the end of the head, and answers with a constant. */
  class LeanHttp extends Dispatcher {
    static end = Buffer.from("\r\n\r\n");
    static response = Buffer.from(
      "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 22\r\nConnection: keep-alive\r\n\r\nHello from wasyncore.\n",
    );

    handleRead() {
      const data = this.recv(readSize);
      if (data.length === 0) return;
      const { length } = data;
      const ends =
        data[length - 4] === 13 && data[length - 3] === 10 && data[length - 2] === 13 && data[length - 1] === 10;
      if (data[0] === 71 && ends) this.send(LeanHttp.response);
      else this.close();
    }
  }

  const clients = new Set();

  /** As in examples/broadcast.ts. */
  class Client extends DispatcherWithSend {
    handleRead() {
      const data = this.recv(readSize);
      if (data.length === 0) return;
      for (const other of clients) if (other !== this) other.send(data);
    }

    close() {
      clients.delete(this);
      super.close();
    }
  }

  return {
    echo: () =>
      readSize > SHORT_READ_SIZE ? (socket) => new LongEcho(socket, map) : (socket) => new ShortEcho(socket, map),
    "echo-into": () => (socket) => new EchoInto(socket, map),
    buffered: () => (socket) => new BufferedEcho(socket, map),
    tls() {
      const options = { isServer: true, ...certificate() };
      return (socket) => new ShortEcho(wrapTls(socket, options), map);
    },
    push() {
      Pusher.pushed = new Uint8Array(1 << 20).map((_, i) => i);
      return (socket) => new Pusher(socket);
    },
    proxy: () => (socket) => {
      const near = new Side(socket, map);
      const far = new Side(undefined, map);
      near.peer = far;
      far.peer = near;
      far.createSocket();
      far.socket.setOption("TCP_NODELAY", 1);
      far.connect({ host: "127.0.0.1", port: targetPort });
    },
    /** The handlers of examples/portable/http-hello.ts, which are always in the default map. */
    async http() {
      const { HttpServer } = await importFrom("build/examples/portable/http-hello.js");
      return (socket) => HttpServer.prototype.handleAccepted.call(undefined, socket);
    },
    "http-lean": () => (socket) => new LeanHttp(socket, map),
    fanout: () => (socket) => clients.add(new Client(socket, map)),
  };
}
