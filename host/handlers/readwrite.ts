/**
 * Owns asyncore's module functions that give a channel one event, for programs that poll by other means than the loop.
 * Knows the seam to the loop, and what a throw means there; knows no handler class.
 *
 * They give events. What readiness means (a connection to accept, a connect that has failed) is the engine's to know, so
 * they are for channels that are connected or need not be.
 */

import { Ready } from "../backend/backend.js";
import { type Channel, handleThrown } from "../loop/channel.js";
import { rememberPolledOtherwise } from "../loop/never-looped.js";
import { checkInteger, checkObject } from "../backend/check.js";

const ALL = Ready.READ | Ready.WRITE | Ready.PRIORITY | Ready.HANGUP | Ready.ERROR;

/**
 * Gives a channel a read event. What it throws goes to its `handleError`. asyncore.read.
 * @throws ExitNow, and what `handleError` throws
 */
export function read(channel: Channel): void {
  give(channel, false, () => void channel.handleReadEvent());
}

/** Gives a channel a write event, as {@link read}. asyncore.write. */
export function write(channel: Channel): void {
  give(channel, false, () => void channel.handleWriteEvent());
}

/** Gives a channel an event of out-of-band data, as {@link read}. asyncore._exception. */
export function exception(channel: Channel): void {
  give(channel, false, () => void channel.handleExptEvent());
}

/**
 * Gives a channel every event that it is ready for: read, write, out-of-band data, close; none after it has closed,
 * none after it has thrown. A hang-up or an error closes only where there is nothing to read: otherwise reading
 * comes to the end by itself, with all that was sent before it. What is thrown is handled as by {@link read}, but an
 * OSError that means "the peer is gone" closes. asyncore.readwrite.
 * @param flags bits of {@link Ready}
 * @throws ExitNow, and what `handleError` throws
 */
export function readwrite(channel: Channel, flags: number): void {
  checkObject("channel", channel);
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

function give(channel: Channel, closesWhenGone: boolean, events: () => void): void {
  checkObject("channel", channel);
  rememberPolledOtherwise();
  const wasOpen = channel.fd >= 0;
  try {
    events();
  } catch (error) {
    // One that never had a descriptor is not closed.
    handleThrown(channel, error, closesWhenGone, wasOpen && channel.fd < 0);
  }
}
