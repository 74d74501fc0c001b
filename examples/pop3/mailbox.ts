/** Owns the messages: those of a maildir, or two samples in memory. Of POP3 it knows only that lines end in CRLF. */

import { createHash } from "node:crypto";
import { constants, promises } from "node:fs";
import { join } from "node:path";
import { wireSize } from "./wire.js";

const READ_BYTES = 65_536;

export interface Message {
  /** Unique, and the same in every session: RFC 1939's unique-id. */
  readonly uid: string;
  /** In octets, with the line ends that the wire has. */
  readonly size: number;
  chunks(): AsyncIterable<Uint8Array>;
  remove(): Promise<void>;
}

export interface Mailbox {
  /** One session at a time may have a mailbox. */
  locked: boolean;
  messages(): Promise<Message[]>;
}

/** A directory with `new` and `cur` in it, each message a file. Reading a message does not move it. */
export class Maildir implements Mailbox {
  locked = false;
  readonly #directory: string;
  /** Known sizes by path: a message never changes. */
  readonly #sizes = new Map<string, number>();

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /** @throws Error where it is no maildir */
  static async open(directory: string): Promise<Maildir> {
    for (const each of ["new", "cur"]) {
      const isDirectory = await promises.stat(join(directory, each)).then(
        (stats) => stats.isDirectory(),
        () => false,
      );
      if (!isDirectory) throw new Error(`${directory} is no maildir: it has no directory "${each}"`);
    }
    return new Maildir(directory);
  }

  async messages(): Promise<Message[]> {
    const found = await Promise.all(["new", "cur"].map((each) => this.#list(each)));
    // A maildir's names begin with the time of delivery.
    const files = found.flat().toSorted((a, b) => (a.name < b.name ? -1 : 1));
    const known = new Set(files.map(({ path }) => path));
    for (const path of this.#sizes.keys()) if (!known.has(path)) this.#sizes.delete(path);
    const messages: Message[] = [];
    for (const { name, path } of files) {
      const size = this.#sizes.get(path) ?? (await wireSize(readFile(path)));
      this.#sizes.set(path, size);
      messages.push({ uid: uidOf(name), size, chunks: () => readFile(path), remove: () => promises.unlink(path) });
    }
    return messages;
  }

  async #list(subdirectory: string): Promise<{ name: string; path: string }[]> {
    const directory = join(this.#directory, subdirectory);
    const entries = await promises.readdir(directory, { withFileTypes: true });
    return entries
      .filter((entry) => entry.isFile() && !entry.name.startsWith("."))
      .map(({ name }) => ({ name, path: join(directory, name) }));
  }
}

/** Two messages, the same in every session. */
export class SampleMailbox implements Mailbox {
  locked = false;

  messages(): Promise<Message[]> {
    return Promise.all(
      [1, 2].map(async (number) => {
        const text = `From: postmaster@example.org\nSubject: Sample ${number}\n\nThis is message ${number}.\n.\nThat was it.\n`;
        const chunks = async function* (): AsyncGenerator<Uint8Array> {
          yield Buffer.from(text);
        };
        return {
          uid: uidOf(`sample ${number}`),
          size: await wireSize(chunks()),
          chunks,
          remove: () => Promise.resolve(),
        };
      }),
    );
  }
}

/** Reads a file piece by piece; it is open only while it is read. A link is refused: a message is a plain file. */
async function* readFile(path: string): AsyncGenerator<Uint8Array> {
  const file = await promises.open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    while (true) {
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(READ_BYTES), 0, READ_BYTES);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}

/** A unique-id, which must be short and printable: made of the file name without its flags, which change. */
function uidOf(name: string): string {
  return createHash("sha256")
    .update(name.split(":")[0] ?? "")
    .digest("hex")
    .slice(0, 32);
}
