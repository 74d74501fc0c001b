/** Owns where messages go: into a maildir, or to standard output. Knows nothing of SMTP. */

import { constants, promises as fs } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";

/** A message that arrives piece by piece. */
export interface Delivery {
  /** One call at a time. `data` does not change until it resolves. */
  write(data: Uint8Array): Promise<void>;
  /** Keeps the message, which is complete: once this has resolved, it is not lost. */
  commit(): Promise<void>;
  /** Drops the message; does nothing after {@link commit}. */
  discard(): Promise<void>;
}

export interface Store {
  begin(): Promise<Delivery>;
}

/** Prints each message when it is complete; holds it in memory until then. */
export class Printer implements Store {
  begin(): Promise<Delivery> {
    const pieces: Uint8Array[] = [];
    return Promise.resolve({
      write: async (data: Uint8Array) => {
        pieces.push(new Uint8Array(data));
      },
      commit: async () => {
        const begin = Buffer.from("---------- MESSAGE FOLLOWS ----------\n");
        const end = Buffer.from("------------ END MESSAGE ------------\n");
        await print(Buffer.concat([begin, ...pieces, end]));
      },
      discard: async () => {
        pieces.length = 0;
      },
    });
  }
}

/** Writes each message to `tmp`, and moves it to `new` when it is complete and on the disk. */
export class Maildir implements Store {
  readonly #directory: string;
  #count = 0;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /** Creates the directories that are missing. */
  static async open(directory: string): Promise<Maildir> {
    for (const each of ["tmp", "new", "cur"]) await fs.mkdir(join(directory, each), { recursive: true });
    return new Maildir(directory);
  }

  async begin(): Promise<Delivery> {
    const name = this.#name();
    const temporary = join(this.#directory, "tmp", name);
    const file = await fs.open(temporary, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
    let isOpen = true;
    const close = async (): Promise<void> => {
      isOpen = false;
      await file.close();
    };
    return {
      write: (data) => file.writeFile(data),
      commit: async () => {
        await file.sync();
        await close();
        await fs.rename(temporary, join(this.#directory, "new", name));
        await syncDirectory(join(this.#directory, "new"));
      },
      discard: async () => {
        if (isOpen) await close();
        await fs.rm(temporary, { force: true });
      },
    };
  }

  /** A unique name: the time, the process with a count, and the host. */
  #name(): string {
    const now = Date.now();
    this.#count += 1;
    const unique = `M${(now % 1000) * 1000}P${process.pid}Q${this.#count}`;
    return `${Math.floor(now / 1000)}.${unique}.${hostname().replaceAll("/", "\\057").replaceAll(":", "\\072")}`;
  }
}

/** A new name is on the disk only when its directory has been synced. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await fs.open(path);
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

function print(data: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    process.stdout.write(data, () => resolve());
  });
}
