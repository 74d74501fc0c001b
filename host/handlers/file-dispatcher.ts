/** Owns `FileDispatcher`, asyncore's `file_dispatcher`: a dispatcher on a file, a pipe or a terminal. */

import { backendOf, type ChannelMap } from "../loop/channel-map.js";
import { OSError } from "../backend/errors.js";
import { Dispatcher } from "./dispatcher.js";
import { FileWrapper } from "../net/file-wrapper.js";
import { declareLibraryClass } from "./library.js";

/** Reads and writes a descriptor: `recv` and `send` are read(2) and write(2). */
export class FileDispatcher extends Dispatcher {
  /** @param fd duplicated and made non-blocking; the caller closes the original */
  constructor(fd: number, map?: ChannelMap) {
    super(undefined, map);
    this.setFile(fd);
  }

  /** Takes over a duplicate of `fd`, and joins the map. asyncore: set_file. */
  setFile(fd: number): void {
    const backend = backendOf(this.map);
    const file = new FileWrapper(fd, backend);
    const result = backend.setNonBlocking(file.fd, true);
    if (result < 0) {
      file.close();
      throw new OSError(backend.errorCode(result), { errno: result, syscall: "fcntl" });
    }
    this.setEndpoint(file);
  }
}

declareLibraryClass(FileDispatcher);
