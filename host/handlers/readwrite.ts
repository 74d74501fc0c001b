/**
 * Owns asyncore's module functions that deliver one event to a channel, for programs that poll by other means than the
 * loop. Knows the seam to the loop, and how errors are handled there; knows no handler class.
 *
 * They only deliver events. Interpreting readiness (a connection to accept, a failed connect) is the engine's job, so they
 * are for channels that are connected or need no connection.
 */

import { Ready } from "../backend/backend.js";
import { type Channel, handleThrown } from "../loop/channel.js";
import { rememberPolledOtherwise } from "../loop/never-looped.js";
import { checkInteger, checkMethods } from "../backend/check.js";

const ALL = Ready.READ | Ready.WRITE | Ready.PRIORITY | Ready.HANGUP | Ready.ERROR;

/**
 * Delivers a read event to a channel. An error it throws goes to its `handleError`. asyncore.read.
 * @throws ExitNow, and any error that `handleError` throws; TypeError for what is no channel
 */
export function read(channel: Channel): void {
  give(channel, false, () => void channel.handleReadEvent());
}

/** Delivers a write event to a channel, like {@link read}. asyncore.write. */
export function write(channel: Channel): void {
  give(channel, false, () => void channel.handleWriteEvent());
}

/** Delivers an out-of-band data event to a channel, like {@link read}. asyncore._exception. */
export function exception(channel: Channel): void {
  give(channel, false, () => void channel.handleExptEvent());
}

/**
 * Delivers every event for which a channel is ready, in this order: read, write, out-of-band data, close. Stops when the
 * channel has closed or thrown. A hang-up or an error closes only if there is nothing to read: otherwise reading reaches
 * the end by itself, after all data sent before it. Errors are handled as by {@link read}, except that an OSError that
 * means "the peer is gone" closes. asyncore.readwrite.
 * @param flags bits of {@link Ready}
 * @throws ExitNow, and any error that `handleError` throws
 */
export function readwrite(channel: Channel, flags: number): void {
  checkChannel(channel);
  checkInteger("flags", flags, 0, ALL);
  const { fd } = channel;
  give(channel, true, () => {
    if ((flags & Ready.READ) !== 0) void channel.handleReadEvent();
    if ((flags & Ready.WRITE) !== 0 && channel.fd === fd) void channel.handleWriteEvent();
    if ((flags & Ready.PRIORITY) !== 0 && channel.fd === fd) void channel.handleExptEvent();
    const gone = (flags & (Ready.HANGUP | Ready.ERROR)) !== 0 && (flags & Ready.READ) === 0;
    if (gone && channel.fd === fd) channel.handleCloseEvent();
  });
}

function checkChannel(channel: unknown): void {
  checkMethods("channel", channel, "a channel", ["handleReadEvent", "handleErrorEvent"]);
}

function give(channel: Channel, closesWhenGone: boolean, events: () => void): void {
  checkChannel(channel);
  rememberPolledOtherwise();
  const wasOpen = channel.fd >= 0;
  try {
    events();
  } catch (error) {
    // A channel that never had a descriptor does not count as closed.
    handleThrown(channel, error, closesWhenGone, wasOpen && channel.fd < 0);
  }
}
