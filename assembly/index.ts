/** Owns the public API that guests and Node have in common: re-exports only. */

export { SocketAddress } from "./guest/addresses";
export { AsyncChat } from "./guest/async-chat";
export { ChannelMap, socketMap } from "./guest/channel-map";
export { Dispatcher } from "./guest/dispatcher";
export { DispatcherWithSend } from "./guest/dispatcher-with-send";
export { OSError } from "./guest/errors";
export { FileDispatcher } from "./guest/file-dispatcher";
export { FileWrapper } from "./guest/file-wrapper";
export { CloseAllOptions, LoopOptions, PollOptions, closeAll, loop, loopSync, poll } from "./guest/loop";
export { Producer, SimpleProducer } from "./guest/outgoing";
export { Socket, SocketOptions } from "./guest/socket";
export { Timer, TimerHandler } from "./guest/timers";
