/**
 * Owns the imports of TCP sockets and of name lookup at 0.3.0, and the built-in functions for the streams and futures in
 * their signatures. Knows nothing else; what a program does not call is not in its module.
 *
 * A result is 20 bytes, or 36 with an address; an `error-code` is 16 bytes of it:
 *
 *   0        4        8        12       16       20     36
 *   +--------+--------+--------+--------+--------+------+
 *   |0: good |handle, or pointer and length of a list,  |
 *   |        |or an address of 32 bytes                 |
 *   +--------+--------+--------+--------+--------+------+
 *   |1: error|code    |text?   |pointer |length  |
 *   +--------+--------+--------+--------+--------+
 *
 * Offsets are in layouts.ts. `0: good`, the code and `text?` are one byte each. An address without a port is 18 bytes: 0 or 1 for its family, and
 * from 2 on its bytes or groups. Addresses as parameters are those of ../component/sockets.ts. A call with more than four
 * numbers takes them from memory if it is `[async-lower]`: of `connect` the socket at 0 and the address at 4, 36 bytes.
 */

@external("wasi:sockets/types@0.3.0", "[static]tcp-socket.create")
export declare function createTcp(family: i32, resultAt: usize): void;


@external("wasi:sockets/types@0.3.0", "[resource-drop]tcp-socket")
export declare function dropTcp(socket: i32): void;


@external("wasi:sockets/types@0.3.0", "[method]tcp-socket.bind")
export declare function bindTcpSocket(
  socket: i32,
  family: i32,
  port: i32,
  a: i32,
  b: i32,
  c: i32,
  d: i32,
  e: i32,
  f: i32,
  g: i32,
  h: i32,
  i: i32,
  j: i32,
  resultAt: usize,
): void;


@external("wasi:sockets/types@0.3.0", "[async-lower][method]tcp-socket.connect")
export declare function connectTcpSocket(parametersAt: usize, resultAt: usize): i32;


@external("wasi:sockets/types@0.3.0", "[method]tcp-socket.set-listen-backlog-size")
export declare function setBacklog(socket: i32, backlog: i64, resultAt: usize): void;

/** The handle is a stream of sockets. */
@external("wasi:sockets/types@0.3.0", "[method]tcp-socket.listen")
export declare function listenTcpSocket(socket: i32, resultAt: usize): void;


@external("wasi:sockets/types@0.3.0", "[async-lower][stream-read-0][method]tcp-socket.listen")
export declare function readConnections(stream: i32, at: usize, count: i32): i32;


@external("wasi:sockets/types@0.3.0", "[stream-cancel-read-0][method]tcp-socket.listen")
export declare function cancelReadConnections(stream: i32): i32;


@external("wasi:sockets/types@0.3.0", "[stream-drop-readable-0][method]tcp-socket.listen")
export declare function dropConnections(stream: i32): void;

/** Writes a stream at 0, and a future at 4. */
@external("wasi:sockets/types@0.3.0", "[method]tcp-socket.receive")
export declare function receiveTcp(socket: i32, resultAt: usize): void;


@external("wasi:sockets/types@0.3.0", "[async-lower][stream-read-0][method]tcp-socket.receive")
export declare function readBytes(stream: i32, at: usize, length: i32): i32;


@external("wasi:sockets/types@0.3.0", "[stream-cancel-read-0][method]tcp-socket.receive")
export declare function cancelReadBytes(stream: i32): i32;


@external("wasi:sockets/types@0.3.0", "[stream-drop-readable-0][method]tcp-socket.receive")
export declare function dropReadable(stream: i32): void;

/** The result is written when the future has ended. */
@external("wasi:sockets/types@0.3.0", "[async-lower][future-read-1][method]tcp-socket.receive")
export declare function readResult(future: i32, resultAt: usize): i32;


@external("wasi:sockets/types@0.3.0", "[future-drop-readable-1][method]tcp-socket.receive")
export declare function dropResult(future: i32): void;

/** Takes the readable end of a stream. @returns a future */
@external("wasi:sockets/types@0.3.0", "[method]tcp-socket.send")
export declare function sendTcp(socket: i32, readable: i32): i32;

/** The readable end in the lower half, the writable one in the upper. */
@external("wasi:sockets/types@0.3.0", "[stream-new-0][method]tcp-socket.send")
export declare function newBytes(): i64;


@external("wasi:sockets/types@0.3.0", "[async-lower][stream-write-0][method]tcp-socket.send")
export declare function writeBytes(stream: i32, at: usize, length: i32): i32;


@external("wasi:sockets/types@0.3.0", "[stream-cancel-write-0][method]tcp-socket.send")
export declare function cancelWriteBytes(stream: i32): i32;


@external("wasi:sockets/types@0.3.0", "[stream-drop-writable-0][method]tcp-socket.send")
export declare function dropWritable(stream: i32): void;


@external("wasi:sockets/types@0.3.0", "[method]tcp-socket.get-local-address")
export declare function localAddressTcp(socket: i32, resultAt: usize): void;


@external("wasi:sockets/types@0.3.0", "[method]tcp-socket.get-remote-address")
export declare function remoteAddressTcp(socket: i32, resultAt: usize): void;

/** A list of addresses without a port; its error codes are others: see errors.ts. */
@external("wasi:sockets/ip-name-lookup@0.3.0", "[async-lower]resolve-addresses")
export declare function resolveAddresses(at: usize, length: i32, resultAt: usize): i32;
