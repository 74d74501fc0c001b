/**
 * Owns asyncore's module functions that tell a channel one thing, for programs that poll by other means than the loop.
 * Knows the seam to the loop, and what a throw means there; knows no handler class.
 *
 * They tell events. What readiness means (a connection to accept, a connect that has failed) is the engine's to know,
 * so they are for channels that are connected or need not be.
 */

import { Ready } from "../backend/backend.js";
import { type Channel, tellThrown } from "../loop/channel.js";
import { rememberPolledOtherwise } from "../loop/never-looped.js";
import { checkInteger, checkObject } from "../backend/check.js";

const ALL = Ready.READ | Ready.WRITE | Ready.PRIORITY | Ready.HANGUP | Ready.ERROR;

/**
 * Tells a channel that it can read. What it throws is told its `handleError`. asyncore.read.
 * @throws ExitNow, and what `handleError` throws
 */
export function read(channel: Channel): void {
  checkObject("channel", channel);
  rememberPolledOtherwise();
  try {
    channel.handleReadEvent();
  } catch (error) {
    tellThrown(channel, error, false);
  }
}

/** Tells a channel that it can write, as {@link read}. asyncore.write. */
export function write(channel: Channel): void {
  checkObject("channel", channel);
  rememberPolledOtherwise();
  try {
    channel.handleWriteEvent();
  } catch (error) {
    tellThrown(channel, error, false);
  }
}

/** Tells a channel that there is out-of-band data, as {@link read}. asyncore._exception. */
export function exception(channel: Channel): void {
  checkObject("channel", channel);
  rememberPolledOtherwise();
  try {
    channel.handleExptEvent();
  } catch (error) {
    tellThrown(channel, error, false);
  }
}

/**
 * Tells a channel everything that it is ready for: read, write, out-of-band data, close; nothing after it has closed,
 * nothing after it has thrown. A hang-up or an error closes only where there is nothing to read: otherwise reading
 * comes to the end by itself, with all that was sent before it. What is thrown is told as by {@link read}, but an
 * OSError that means "the peer is gone" closes. asyncore.readwrite.
 * @param flags bits of {@link Ready}
 * @throws ExitNow, and what `handleError` throws
 */
export function readwrite(channel: Channel, flags: number): void {
  checkObject("channel", channel);
  rememberPolledOtherwise();
  checkInteger("flags", flags, 0, ALL);
  const { fd } = channel;
  try {
    if ((flags & Ready.READ) !== 0) channel.handleReadEvent();
    if ((flags & Ready.WRITE) !== 0 && channel.fd === fd) channel.handleWriteEvent();
    if ((flags & Ready.PRIORITY) !== 0 && channel.fd === fd) channel.handleExptEvent();
    const gone = (flags & (Ready.HANGUP | Ready.ERROR)) !== 0 && (flags & Ready.READ) === 0;
    if (gone && channel.fd === fd) channel.handleCloseEvent();
  } catch (error) {
    tellThrown(channel, error, true);
  }
}
