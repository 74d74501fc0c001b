/** What sockets do besides bytes: multicast, options of all kinds, descriptors and credentials, abstract names. */

import { describe, expect, test } from "vitest";
import { createNodeBackend, Dispatcher, FileWrapper, pipe, Socket } from "wasyncore";
import { Recorder } from "../support/handlers.js";
import { MODES, newMap, run } from "../support/runs.js";
import { bytes, owned, text } from "../support/sockets.js";

const GROUP = "239.255.76.68";

test("a datagram to a group is received by its members, and no more once they have left", async () => {
  const map = newMap();
  const received: string[] = [];
  class Member extends Dispatcher {
    override handleRead(): void {
      received.push(text(this.socket.recvFrom(100).data));
    }
  }
  const member = new Member(undefined, map);
  member.createSocket({ type: "dgram" });
  member.setReuseAddr();
  member.bind({ host: GROUP, port: 0 });
  const { port } = member.socket.localAddress("inet");
  member.socket.addMembership(GROUP, "lo");
  const sender = owned(Socket.create({ type: "dgram" }));
  sender.setMulticastInterface("127.0.0.1");
  sender.setOption("IP_MULTICAST_TTL", 0);
  sender.sendTo(bytes("to the group"), { host: GROUP, port });
  await run(MODES[0] ?? { name: "", blocking: false, usePoll: false }, map, () => received.length > 0);
  expect(received).toEqual(["to the group"]);
  member.socket.dropMembership(GROUP, "lo");
  sender.sendTo(bytes("nobody"), { host: GROUP, port });
  expect(() => member.socket.recvFrom(100)).toThrow(expect.objectContaining({ code: "EAGAIN" }));
});

describe("options", () => {
  test("by number and of text", () => {
    const socket = owned(Socket.create());
    socket.setOption("TCP_KEEPIDLE", 11);
    // SOL_TCP, TCP_KEEPIDLE.
    expect(socket.getRawOption(6, 4).readInt32LE()).toBe(11);
    socket.setRawOption(6, 4, 12);
    expect(socket.getOption("TCP_KEEPIDLE")).toBe(12);
    const algorithm = socket.getOption("TCP_CONGESTION");
    expect(algorithm).toMatch(/^\w+$/);
    socket.setOption("TCP_CONGESTION", algorithm);
    expect(socket.getOption("SO_BINDTODEVICE")).toBe("");
  });

  test("of the wrong kind are refused", () => {
    const socket = owned(Socket.create());
    expect(() => socket.setOption("TCP_CONGESTION", 1 as unknown as string)).toThrow(
      expect.objectContaining({ code: "ERR_INVALID_ARG_TYPE" }),
    );
    expect(() => socket.setRawOption(1, -1, 1)).toThrow(expect.objectContaining({ code: "ERR_OUT_OF_RANGE" }));
    expect(() => socket.setRawOption(1, 1, "1" as unknown as number)).toThrow(
      expect.objectContaining({ code: "ERR_INVALID_ARG_TYPE" }),
    );
    expect(() => socket.addMembership("localhost")).toThrow(
      expect.objectContaining({ code: "EINVAL", syscall: "setsockopt" }),
    );
    expect(() => socket.addMembership(GROUP, -1)).toThrow(expect.objectContaining({ code: "ERR_OUT_OF_RANGE" }));
    socket.close();
    expect(() => socket.getRawOption(1, 3)).toThrow(expect.objectContaining({ code: "EBADF" }));
  });
});

describe("Unix sockets", () => {
  test("pass descriptors, which are sockets and pipes to the receiver", () => {
    const [one, other] = Socket.pair().map((each) => owned(each));
    if (one === undefined || other === undefined) throw new Error("two were made");
    const [near, far] = Socket.pair();
    const [readFd, writeFd] = pipe();
    expect(one.sendDescriptors(bytes("two"), [far.fd, writeFd])).toBe(3);
    far.close();
    const { data, descriptors } = other.receiveDescriptors(100);
    expect([text(data), other.bytesIn, one.bytesOut]).toEqual(["two", 3, 3]);
    const [socketFd = -1, pipeFd = -1] = descriptors;
    const passed = owned(Socket.fromDescriptor(socketFd));
    expect([passed.family, passed.type]).toEqual(["unix", "stream"]);
    passed.send(bytes("hello"));
    expect(text(owned(near).recv(10))).toBe("hello");
    const [writer, reader] = [owned(new FileWrapper(pipeFd)), owned(new FileWrapper(readFd))];
    writer.write(bytes("through"));
    expect(text(reader.read(100))).toBe("through");
    for (const fd of [readFd, writeFd, pipeFd]) createNodeBackend().close(fd);
    expect(() => other.receiveDescriptors(10)).toThrow(expect.objectContaining({ name: "BlockingIOError" }));
    expect(() => one.sendDescriptors(bytes("x"), [-1])).toThrow(expect.objectContaining({ code: "ERR_OUT_OF_RANGE" }));
    expect(() => other.receiveDescriptors(10, 254)).toThrow(expect.objectContaining({ code: "ERR_OUT_OF_RANGE" }));
  });

  test("know the process at the other end", () => {
    const [one] = Socket.pair();
    expect(owned(one).peerCredentials()).toEqual({
      pid: process.pid,
      uid: process.getuid?.(),
      gid: process.getgid?.(),
    });
    expect(() => owned(Socket.create()).peerCredentials()).toThrow(expect.objectContaining({ code: "ENOTCONN" }));
  });

  test("have abstract names, which are no files", async () => {
    const map = newMap();
    const path = `\0wasyncore-test-${process.pid}`;
    const listening = owned(Socket.create({ family: "unix" }));
    listening.bind({ path });
    listening.listen(1);
    expect(listening.localAddress()).toEqual({ path });
    let recorder: Recorder | undefined;
    class Server extends Dispatcher {
      override handleAccepted(socket: Socket): void {
        recorder = new Recorder(socket, map);
        this.close();
      }
    }
    new Server(listening, map);
    const client = new Dispatcher(undefined, map);
    await client.connect({ path });
    client.send(bytes("hello"));
    client.close();
    await run(MODES[0] ?? { name: "", blocking: false, usePoll: false }, map);
    expect(recorder?.text).toBe("hello");
  });
});
