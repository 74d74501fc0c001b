/** A guest that connects to a port of 127.0.0.1, its argument, and tells what it is sent. */

import { Dispatcher, loop } from "wasyncore";
import { programArguments } from "wasyncore/guest";

class Client extends Dispatcher {
  override handleConnect(): void {
    console.error("connected");
  }

  override handleRead(): void {
    const data = this.recv(4096);
    if (data.length > 0) console.error(`read ${data.length} bytes`);
  }

  override handleClose(): void {
    console.error("close");
    this.close();
  }
}

const client = new Client();
client.createSocket();
client.connect({ host: "127.0.0.1", port: parseInt(programArguments()[1] as string) as i32 });
loop();
