/**
 * Owns what test_smtpd does to its channels: it makes them itself, and calls handle_read, so that what a command
 * throws reaches the test. Knows SMTPServer and SMTPChannel.
 */

import type { Socket } from "wasyncore";
import { SMTPChannel } from "./smtpd-channel.js";
import type { ChannelOptions, Peer } from "./smtpd-conversation.js";
import type { SMTPServer } from "./smtpd-server.js";

/** What was thrown. */
interface Raised {
  readonly name: string;
  readonly message: string;
}

class DirectChannel extends SMTPChannel {
  /** What the mock of a socket has of its peer. */
  override peer: Peer = ["peer-address", "peer-port"];
  readonly #direct: Direct;

  constructor(direct: Direct, conn: Socket) {
    super(direct.server, conn, direct.nextOptions);
    this.#direct = direct;
  }

  override handleError(error: unknown): void {
    this.#direct.raise(error);
  }
}

export class Direct {
  readonly server: SMTPServer;
  /** What the next channel is made with. */
  nextOptions: ChannelOptions = {};
  channel: DirectChannel | null = null;
  raised: Raised | null = null;

  /** Makes the channels of `server` from now on. */
  constructor(server: SMTPServer) {
    this.server = server;
    server.direct = this;
    server.makeChannel = (conn) => this.#make(conn);
  }

  raise(error: unknown): void {
    const { name, message } = error instanceof Error ? error : new Error(String(error));
    this.raised = { name, message };
  }

  #make(conn: Socket): void {
    try {
      this.channel = new DirectChannel(this, conn);
    } catch (error) {
      conn.close();
      this.raise(error);
    }
  }
}
