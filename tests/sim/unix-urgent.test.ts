/** The urgent byte of a Unix stream: as in Linux, it ends a read, stays in its place, and leaves a mark there when it was taken. */

import { describe, expect, test } from "vitest";
import { type Backend, Ready } from "../../host/backend/backend.js";
import { SimWorld } from "../../host/sim/index.js";

interface Pair {
  readonly backend: Backend;
  send(text: string): void;
  urge(text: string): void;
  /** What was read, or the code of an error. */
  read(most?: number): string;
  peek(most?: number): string;
  take(): string;
  readonly ready: number;
  readonly ends: readonly [number, number];
}

function pair(): Pair {
  const { backend } = new SimWorld().host("10.0.0.1");
  const [one, other] = backend.socketPair("stream") as [number, number];
  const found = (count: number, bytes: Uint8Array): string =>
    count < 0 ? backend.errorCode(count) : Buffer.from(bytes.subarray(0, count)).toString();
  return {
    backend,
    ends: [one, other],
    send: (text) => void expect(backend.send(one, Buffer.from(text))).toBe(text.length),
    urge: (text) => void expect(backend.sendOutOfBand(one, Buffer.from(text))).toBe(text.length),
    read(most = 10) {
      const bytes = new Uint8Array(most);
      return found(backend.recv(other, bytes), bytes);
    },
    peek(most = 10) {
      const bytes = new Uint8Array(most);
      return found(backend.peek(other, bytes), bytes);
    },
    take() {
      const bytes = new Uint8Array(1);
      return found(backend.recvOutOfBand(other, bytes), bytes);
    },
    get ready() {
      const set = backend.createPollSet();
      set.update(other, Ready.READ | Ready.PRIORITY);
      const count = set.wait(0);
      set.close();
      return count > 0 ? (set.ready[1] ?? 0) : 0;
    },
  };
}

describe("the urgent byte of a Unix stream", () => {
  test("is taken out of band, once, and its mark ends one read", () => {
    const { take, read, send, urge, ...end } = pair();
    expect(take()).toBe("EINVAL");
    urge("ab!");
    send("cd");
    expect([take(), take()]).toEqual(["!", "EINVAL"]);
    expect([read(), read(), read()]).toEqual(["ab", "cd", "EAGAIN"]);
    expect(end.ends).toHaveLength(2);
  });

  test("is dropped by the read that gets there", () => {
    const { take, read, send, urge } = pair();
    urge("ab!");
    send("cd");
    expect([read(), read(), take()]).toEqual(["ab", "cd", "EINVAL"]);
  });

  test("is a byte like any when the next one comes", () => {
    const { take, read, urge } = pair();
    urge("a!");
    urge("b?");
    expect([take(), read(), read()]).toEqual(["?", "a!b", "EAGAIN"]);
  });

  test("is read with the others inline, and ends a read before it", () => {
    const { backend, ends, take, read, send, urge } = pair();
    backend.setOption(ends[1], "SO_OOBINLINE", 1);
    urge("ab!");
    send("cd");
    expect([take(), read(), read()]).toEqual(["EINVAL", "ab", "!cd"]);
  });

  test("is passed over by a look at what is unread", () => {
    const { peek, take, read, send, urge } = pair();
    urge("!");
    send("cd");
    expect([peek(), peek(1), take(), peek(), read()]).toEqual(["cd", "c", "!", "cd", "cd"]);
  });

  test("is reported while it can be taken, and its mark until it is read", () => {
    const one = pair();
    one.urge("!");
    expect(one.ready).toBe(Ready.READ | Ready.PRIORITY);
    one.take();
    expect(one.ready).toBe(Ready.READ);
    expect(one.read()).toBe("EAGAIN");
    expect(one.ready).toBe(0);
  });

  test("leaves descriptors that come behind it with their bytes", () => {
    const { backend, ends, take, urge, send, read } = pair();
    urge("a!");
    expect(backend.sendDescriptors(ends[0], Buffer.from("bc"), [ends[0]])).toBe(2);
    send("d");
    const target = new Uint8Array(10);
    expect([read(1), backend.peek(ends[1], target)]).toEqual(["a", 2]);
    expect(take()).toBe("!");
    const reads = [1, 2].map(() => {
      const found = backend.receiveDescriptors(ends[1], 10, 4);
      return typeof found === "number" ? found : [Buffer.from(found.data).toString(), found.descriptors.length];
    });
    expect(reads).toEqual([
      ["bc", 1],
      ["d", 0],
    ]);
  });

  test("gives its room back to the sender", () => {
    const { backend, ends, take, urge } = pair();
    const piece = new Uint8Array(10_000);
    urge("!");
    while (backend.send(ends[0], piece) > 0);
    expect(take()).toBe("!");
    expect(backend.send(ends[0], piece)).toBe(1);
  });
});

test("there is none without a byte, nor without a connection, and datagrams have none", () => {
  const { backend, ends } = pair();
  const code = (result: number): string => backend.errorCode(result);
  expect(code(backend.sendOutOfBand(ends[0], new Uint8Array(0)))).toBe("ENOTSUP");
  const alone = backend.socket("unix", "stream");
  expect(code(backend.sendOutOfBand(alone, Buffer.from("!")))).toBe("ENOTCONN");
  expect(code(backend.recvOutOfBand(alone, new Uint8Array(1)))).toBe("EINVAL");
  const [datagrams] = backend.socketPair("dgram") as [number, number];
  expect(code(backend.sendOutOfBand(datagrams, Buffer.from("!")))).toBe("ENOTSUP");
});
