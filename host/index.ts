/** Owns the public API: re-exports only. */

export type {
  Accepted,
  Backend,
  Clock,
  Family,
  InetAddress,
  PollSet,
  Received,
  ShutdownHow,
  SocketAddress,
  SocketOption,
  SocketType,
  UnixAddress,
  Watch,
} from "./backend.js";
export { Ready } from "./backend.js";
export type { Channel, ChannelDescription } from "./channel.js";
export { ChannelMap, socketMap, type ChannelSnapshot, type MapStatistics } from "./channel-map.js";
export { defaultBackend } from "./default-backend.js";
export {
  BlockingIOError,
  ExitNow,
  LoopError,
  OSError,
  UnsupportedPlatformError,
  type OSErrorDetails,
} from "./errors.js";
export {
  driveGuest,
  GuestError,
  GuestTrap,
  runGuest,
  type DriveGuestOptions,
  type GuestErrorCode,
  type GuestFrame,
  type GuestOptions,
  type GuestStdio,
} from "./guest.js";
export { AsyncChat } from "./handlers/async-chat.js";
export type { Bytes } from "./handlers/bytes.js";
export { Dispatcher } from "./handlers/dispatcher.js";
export { DispatcherWithSend } from "./handlers/dispatcher-with-send.js";
export { FileDispatcher } from "./handlers/file-dispatcher.js";
export { FileWrapper } from "./handlers/file-wrapper.js";
export { SimpleProducer, type Producer, type ProducerLike } from "./handlers/producers.js";
export { exception, read, readwrite, write } from "./handlers/readwrite.js";
export { findPrefixAtEnd, type Terminator } from "./handlers/terminator.js";
export { compactTraceback, type CompactTraceback } from "./handlers/traceback.js";
export { closeAll, loop, loopSync, poll, type LoopOptions, type PollOptions } from "./loop.js";
export { createNodeBackend } from "./node/backend.js";
export { pipe } from "./pipe.js";
export { Socket, type Datagram, type SocketOptions } from "./socket.js";
export type { Timer, TimerCallback, TimerHandler } from "./timer.js";
