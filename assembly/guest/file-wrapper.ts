/** Owns the descriptor of a file, a pipe or a terminal. Knows the host's calls; knows no channel. */

import { readFile, setNonBlocking, writeFile } from "../wasi/system";
import { Endpoint } from "./endpoint";

/** asyncore's `file_wrapper`. WASI cannot duplicate a descriptor: it takes over the one that it is given. */
export class FileWrapper extends Endpoint {
  private blocks: bool;

  constructor(fd: i32) {
    super(fd, true);
    // A host that cannot make it non-blocking (standard input, say) is polled before each call.
    this.blocks = setNonBlocking(fd) < 0;
  }

  /** Reads up to `maxBytes`; nothing at end of file. */
  read(maxBytes: i32): Uint8Array {
    return this.recv(maxBytes);
  }

  /** Writes. @returns how many bytes were taken. */
  write(data: Uint8Array): i32 {
    return this.send(data);
  }

  protected override readInto(at: usize, length: i32): i32 {
    return readFile(this.fd, at, length, this.blocks);
  }

  protected override writeFrom(at: usize, length: i32): i32 {
    return writeFile(this.fd, at, length, this.blocks);
  }
}
