/**
 * Owns the end of a descriptor: every handle that it has is dropped, at once. Knows all kinds of descriptors.
 *
 * A host traps when a stream goes while a read or write of it is under way, or a socket while a call of it is: these are
 * cancelled first. Nothing is lost, as a host keeps no output of a TCP stream back.
 */

import { CallState } from "./canonical";
import { dropUdp } from "./datagrams";
import { Descriptor, Kind, NONE, Progress, Stage, freeDescriptor } from "./descriptors";
import { dropTcp } from "./sockets";
import { dropStdio } from "./stdio";
import { dropInput, dropOutput } from "./streams";
import { freeLookup } from "./tcp";
import { freeDatagram } from "./udp";
import { endSubtask } from "./waitables";

/** Drops everything of one that has no number any more. */
export function dropDescriptor(descriptor: Descriptor): void {
  const kind = descriptor.kind;
  if (kind == Kind.STDIO) {
    dropStdio(descriptor);
  } else if (kind == Kind.UDP) {
    if (descriptor.subtask != NONE && endSubtask(descriptor.subtask) == CallState.RETURNED) freeDatagram(descriptor);
    else if (descriptor.reading == Progress.READY) freeDatagram(descriptor);
    if (descriptor.sending != NONE) endSubtask(descriptor.sending);
    dropUdp(descriptor.socket);
  } else {
    if (descriptor.subtask != NONE) {
      const state = endSubtask(descriptor.subtask);
      if (descriptor.stage == Stage.LOOKING_UP && state == CallState.RETURNED) freeLookup(descriptor);
    }
    dropInput(descriptor);
    dropOutput(descriptor);
    dropTcp(descriptor.socket);
  }
  freeDescriptor(descriptor);
}
