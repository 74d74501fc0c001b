/** Owns the public API of guests: re-exports only. */

export { SocketAddress } from "./guest/addresses";
export { AsyncChat } from "./guest/async-chat";
export { ChannelMap, socketMap } from "./guest/channel-map";
export { Dispatcher } from "./guest/dispatcher";
export { DispatcherWithSend } from "./guest/dispatcher-with-send";
export { environmentVariable, programArguments } from "./guest/environment";
export { OSError, takeError } from "./guest/errors";
export { FileDispatcher } from "./guest/file-dispatcher";
export { FileWrapper } from "./guest/file-wrapper";
export { guestAbort, guestConsole, guestDate, guestPerformance, guestSeed, guestTrace } from "./guest/globals";
export { listeners, takeListener } from "./guest/listeners";
export {
  CloseAllOptions,
  LoopOptions,
  PollOptions,
  closeAll,
  exitNow,
  loop,
  loopSync,
  pending,
  poll,
  turn,
} from "./guest/loop";
export { Producer, SimpleProducer } from "./guest/outgoing";
export { Socket, SocketOptions } from "./guest/socket";
export { Timer, TimerHandler } from "./guest/timers";
