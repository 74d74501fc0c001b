/** Owns `FileDispatcher`, asyncore's `file_dispatcher`: a dispatcher on a file, a pipe or a terminal. */

import type { ChannelMap } from "../loop/channel-map.js";
import { Dispatcher } from "./dispatcher.js";
import { declareLibraryClass } from "./library.js";

/**
 * Reads and writes a descriptor: `recv` and `send` are read(2) and write(2). Every other class can do so as well: call its
 * `setFile`, of a `DispatcherWithSend` for a send queue, of an `AsyncChat` for terminators.
 */
export class FileDispatcher extends Dispatcher {
  /** @param fd duplicated and made non-blocking; the caller closes the original */
  constructor(fd: number, map?: ChannelMap) {
    super(undefined, map);
    this.setFile(fd);
  }
}

declareLibraryClass(FileDispatcher);
