/** Owns `FileDispatcher`, asyncore's `file_dispatcher`: a dispatcher on a file, a pipe or a terminal. */

import { State } from "../engine/channels";
import { ascii } from "./ascii";
import { Dispatcher } from "./dispatcher";
import { FileWrapper } from "./file-wrapper";

/** Reads and writes a descriptor: standard input and output, a pipe. */
export class FileDispatcher extends Dispatcher {
  /** @param fd is taken over: WASI cannot duplicate it, so that closing the channel closes it */
  constructor(fd: i32) {
    super();
    this.connected = true;
    this.setFile(fd);
  }

  /** Takes `fd` over, and comes into the map. asyncore: set_file. */
  setFile(fd: i32): void {
    this._state = State.OPEN;
    this.setEndpoint(new FileWrapper(fd));
  }

  override get className(): string {
    return ascii("FileDispatcher");
  }
}
