/**
 * Owns the imports of wasi:sockets. Knows nothing else; what a program does not call is not in its module. A result
 * begins with a byte: 0, or 1 when it failed. Then `error-code` is a byte at 4, at 1 where there is no payload, and at 2
 * in `resolveNext`. Payloads are at 4: handles of 4 bytes each, or an address (see addresses.ts).
 *
 * A datagram that came is 40 bytes, one that goes is 44:
 *
 *   0        4        8                                  40      0        4        8        12                   44
 *   +--------+--------+----------------------------------+       +--------+--------+--------+--------------------+
 *   |pointer |length  |address                           |       |pointer |length  |some?   |address             |
 *   +--------+--------+----------------------------------+       +--------+--------+--------+--------------------+
 *
 * `family`, and the first number of an address that is a parameter: 0 is IPv4, 1 is IPv6. The other eleven are, of IPv4,
 * the port and four bytes; of IPv6, the port, the flow, eight groups and the scope.
 */

export const INCOMING_SIZE: i32 = 40;
export const OUTGOING_SIZE: i32 = 44;


@external("wasi:sockets/instance-network@0.2.0", "instance-network")
export declare function instanceNetwork(): i32;


@external("wasi:sockets/tcp-create-socket@0.2.0", "create-tcp-socket")
export declare function createTcp(family: i32, resultAt: usize): void;


@external("wasi:sockets/tcp@0.2.0", "[resource-drop]tcp-socket")
export declare function dropTcp(socket: i32): void;


@external("wasi:sockets/tcp@0.2.0", "[method]tcp-socket.start-bind")
export declare function startBindTcp(
  socket: i32,
  network: i32,
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


@external("wasi:sockets/tcp@0.2.0", "[method]tcp-socket.finish-bind")
export declare function finishBindTcp(socket: i32, resultAt: usize): void;


@external("wasi:sockets/tcp@0.2.0", "[method]tcp-socket.start-connect")
export declare function startConnect(
  socket: i32,
  network: i32,
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


@external("wasi:sockets/tcp@0.2.0", "[method]tcp-socket.finish-connect")
export declare function finishConnect(socket: i32, resultAt: usize): void;


@external("wasi:sockets/tcp@0.2.0", "[method]tcp-socket.start-listen")
export declare function startListen(socket: i32, resultAt: usize): void;


@external("wasi:sockets/tcp@0.2.0", "[method]tcp-socket.finish-listen")
export declare function finishListen(socket: i32, resultAt: usize): void;


@external("wasi:sockets/tcp@0.2.0", "[method]tcp-socket.set-listen-backlog-size")
export declare function setBacklog(socket: i32, backlog: i64, resultAt: usize): void;


@external("wasi:sockets/tcp@0.2.0", "[method]tcp-socket.accept")
export declare function accept(socket: i32, resultAt: usize): void;


@external("wasi:sockets/tcp@0.2.0", "[method]tcp-socket.local-address")
export declare function localAddressTcp(socket: i32, resultAt: usize): void;


@external("wasi:sockets/tcp@0.2.0", "[method]tcp-socket.remote-address")
export declare function remoteAddressTcp(socket: i32, resultAt: usize): void;


@external("wasi:sockets/tcp@0.2.0", "[method]tcp-socket.subscribe")
export declare function subscribeTcp(socket: i32): i32;

/** 0 ends receiving, 1 sending, 2 both. */
@external("wasi:sockets/tcp@0.2.0", "[method]tcp-socket.shutdown")
export declare function shutdownTcp(socket: i32, how: i32, resultAt: usize): void;


@external("wasi:sockets/udp-create-socket@0.2.0", "create-udp-socket")
export declare function createUdp(family: i32, resultAt: usize): void;


@external("wasi:sockets/udp@0.2.0", "[resource-drop]udp-socket")
export declare function dropUdp(socket: i32): void;


@external("wasi:sockets/udp@0.2.0", "[method]udp-socket.start-bind")
export declare function startBindUdp(
  socket: i32,
  network: i32,
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


@external("wasi:sockets/udp@0.2.0", "[method]udp-socket.finish-bind")
export declare function finishBindUdp(socket: i32, resultAt: usize): void;

/** With an address, from and to there alone. Streams that were opened before must have been dropped. */
@external("wasi:sockets/udp@0.2.0", "[method]udp-socket.stream")
export declare function openDatagrams(
  socket: i32,
  some: i32,
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


@external("wasi:sockets/udp@0.2.0", "[method]udp-socket.local-address")
export declare function localAddressUdp(socket: i32, resultAt: usize): void;


@external("wasi:sockets/udp@0.2.0", "[method]udp-socket.remote-address")
export declare function remoteAddressUdp(socket: i32, resultAt: usize): void;


@external("wasi:sockets/udp@0.2.0", "[method]udp-socket.subscribe")
export declare function subscribeUdp(socket: i32): i32;


@external("wasi:sockets/udp@0.2.0", "[method]incoming-datagram-stream.receive")
export declare function receiveDatagrams(incoming: i32, countMax: i64, resultAt: usize): void;


@external("wasi:sockets/udp@0.2.0", "[method]incoming-datagram-stream.subscribe")
export declare function subscribeIncoming(incoming: i32): i32;


@external("wasi:sockets/udp@0.2.0", "[resource-drop]incoming-datagram-stream")
export declare function dropIncoming(incoming: i32): void;

/** How many datagrams may be sent: at 8, in 8 bytes. */
@external("wasi:sockets/udp@0.2.0", "[method]outgoing-datagram-stream.check-send")
export declare function checkSend(outgoing: i32, resultAt: usize): void;

/** How many were sent: at 8, in 8 bytes; the error is at 8. */
@external("wasi:sockets/udp@0.2.0", "[method]outgoing-datagram-stream.send")
export declare function sendDatagrams(outgoing: i32, at: usize, count: i32, resultAt: usize): void;


@external("wasi:sockets/udp@0.2.0", "[method]outgoing-datagram-stream.subscribe")
export declare function subscribeOutgoing(outgoing: i32): i32;


@external("wasi:sockets/udp@0.2.0", "[resource-drop]outgoing-datagram-stream")
export declare function dropOutgoing(outgoing: i32): void;


@external("wasi:sockets/ip-name-lookup@0.2.0", "resolve-addresses")
export declare function resolveAddresses(network: i32, at: usize, length: i32, resultAt: usize): void;

/** An option is a byte at 2, an address without a port at 4. */
@external("wasi:sockets/ip-name-lookup@0.2.0", "[method]resolve-address-stream.resolve-next-address")
export declare function resolveNext(lookup: i32, resultAt: usize): void;


@external("wasi:sockets/ip-name-lookup@0.2.0", "[method]resolve-address-stream.subscribe")
export declare function subscribeLookup(lookup: i32): i32;


@external("wasi:sockets/ip-name-lookup@0.2.0", "[resource-drop]resolve-address-stream")
export declare function dropLookup(lookup: i32): void;
