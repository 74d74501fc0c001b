/**
 * Owns the imports of UDP sockets at 0.3.0. Knows nothing else; what a program does not call is not in its module. Results
 * are those of sockets.ts, but that of `receive`, and the parameters of `send`, which are read from memory:
 *
 *   receive   0        4        8        12                   44
 *             +--------+--------+--------+--------------------+
 *             |0: good |pointer |length  |address             |
 *             +--------+--------+--------+--------------------+
 *   send      0        4        8        12       16                   48
 *             +--------+--------+--------+--------+--------------------+
 *             |socket  |pointer |length  |some?   |address             |
 *             +--------+--------+--------+--------+--------------------+
 */

@external("wasi:sockets/types@0.3.0", "[static]udp-socket.create")
export declare function createUdp(family: i32, resultAt: usize): void;


@external("wasi:sockets/types@0.3.0", "[resource-drop]udp-socket")
export declare function dropUdp(socket: i32): void;


@external("wasi:sockets/types@0.3.0", "[method]udp-socket.bind")
export declare function bindUdpSocket(
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


@external("wasi:sockets/types@0.3.0", "[method]udp-socket.connect")
export declare function connectUdpSocket(
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


@external("wasi:sockets/types@0.3.0", "[async-lower][method]udp-socket.send")
export declare function sendDatagram(parametersAt: usize, resultAt: usize): i32;


@external("wasi:sockets/types@0.3.0", "[async-lower][method]udp-socket.receive")
export declare function receiveDatagram(socket: i32, resultAt: usize): i32;


@external("wasi:sockets/types@0.3.0", "[method]udp-socket.get-local-address")
export declare function localAddressUdp(socket: i32, resultAt: usize): void;


@external("wasi:sockets/types@0.3.0", "[method]udp-socket.get-remote-address")
export declare function remoteAddressUdp(socket: i32, resultAt: usize): void;
