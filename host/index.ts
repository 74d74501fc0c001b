/// <reference types="node" preserve="true" />

/** Owns the public API: re-exports only. */

export type {
  Accepted,
  Addresses,
  AddressOf,
  Backend,
  Clock,
  Datagram,
  Family,
  InetAddress,
  IntegerOption,
  Linger,
  NetworkInterface,
  PassedDescriptors,
  PeerCredentials,
  PollSet,
  PollSetOptions,
  Received,
  ShutdownHow,
  SocketAddress,
  SocketOption,
  SocketType,
  TextOption,
  UnixAddress,
  Watch,
} from "./backend/backend.js";
export { Ready, ReadyRow } from "./backend/backend.js";
export type { Channel, ChannelDescription } from "./loop/channel.js";
export type { DiagnosticMessages } from "./loop/diagnostics.js";
export {
  ChannelMap,
  socketMap,
  type ChannelMapOptions,
  type ChannelSnapshot,
  type MapStatistics,
} from "./loop/channel-map.js";
export { setEngine } from "./loop/engine.js";
export { setLogSink, type LogEntry, type LogSink } from "./backend/log.js";
export { defaultBackend, type MapRecorder } from "./node/default.js";
export {
  BlockingIOError,
  ExitNow,
  LoopError,
  OSError,
  UnsupportedPlatformError,
  type OSErrorDetails,
} from "./backend/errors.js";
export {
  driveGuest,
  GuestError,
  GuestTrap,
  runGuest,
  type DirectoryGrant,
  type DriveGuestOptions,
  type GuestErrorCode,
  type GuestFrame,
  type GuestOptions,
  type GuestStdio,
} from "./guest/run.js";
export { AsyncChat } from "./handlers/chat/async-chat.js";
export type { Bytes } from "./handlers/chat/bytes.js";
export type { ConnectOptions } from "./handlers/connect-options.js";
export { Dispatcher } from "./handlers/dispatcher.js";
export { DispatcherWithSend } from "./handlers/dispatcher-with-send.js";
export { FileDispatcher } from "./handlers/file-dispatcher.js";
export { FileWrapper } from "./net/file-wrapper.js";
export { SimpleProducer, type Producer, type ProducerFunction, type ProducerLike } from "./handlers/chat/producers.js";
export { startTls, wrapTls } from "./handlers/tls.js";
export type { TlsClientOptions, TlsExtras, TlsServerOptions, WrapTlsOptions } from "./net/tls/options.js";
export { exception, read, readwrite, write } from "./handlers/readwrite.js";
export { findPrefixAtEnd, type Terminator } from "./handlers/chat/terminator.js";
export { fromDuplex, toDuplex, type FromDuplexOptions, type ToDuplexOptions } from "./handlers/streams/duplex.js";
export { events, type ChannelEvents } from "./handlers/streams/events.js";
export { Child, spawn, type ChildExit, type ChildStream, type SpawnOptions } from "./handlers/streams/spawn.js";
export { compactTraceback, type CompactTraceback } from "./backend/traceback.js";
export {
  closeAll,
  loop,
  loopSync,
  poll,
  type CloseAllOptions,
  type LoopOptions,
  type PollOptions,
} from "./loop/loop.js";
export { openBeneath, type OpenBeneathOptions } from "./net/beneath.js";
export { createNodeBackend, type NodeBackendOptions } from "./node/backend.js";
export { pipe } from "./net/pipe.js";
export { Socket, type SocketOptions } from "./net/socket.js";
export type { SocketNumber, SocketSwitch } from "./net/socket-options.js";
export { serveStats, type ServeStatsOptions, type StatsServer } from "./stats/server.js";
export { wake, type WakeHandle, type Waker } from "./loop/waker.js";
export type { Timer, TimerCallback, TimerHandler } from "./loop/timer.js";
