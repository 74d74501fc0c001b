/**
 * Owns a wrapper of a backend that forwards every member and does nothing else: a class, whose methods need their `this`.
 * It shows that the seam needs nothing that a wrapper cannot forward. Knows the seam alone.
 */

import type { Backend, Clock, PollSet, Watch } from "../../host/backend/backend.js";

class ForwardingPollSet implements PollSet {
  readonly #inner: PollSet;

  constructor(inner: PollSet) {
    this.#inner = inner;
  }

  get ready(): Int32Array {
    return this.#inner.ready;
  }

  get alwaysReady(): boolean {
    return this.#inner.alwaysReady;
  }

  update(fd: number, interest: number): number {
    return this.#inner.update(fd, interest);
  }

  wait(timeoutMs: number): number {
    return this.#inner.wait(timeoutMs);
  }

  watch(onReady: () => void): Watch {
    return this.#inner.watch(onReady);
  }

  beginTurn(): void {
    this.#inner.beginTurn();
  }

  endTurn(): void {
    this.#inner.endTurn();
  }

  close(): void {
    this.#inner.close();
  }
}

type Arguments<M extends keyof Backend> = Backend[M] extends (...args: infer A) => unknown ? A : never;
type Result<M extends keyof Backend> = Backend[M] extends (...args: never) => infer R ? R : never;

export class ForwardingBackend implements Backend {
  readonly #inner: Backend;

  constructor(inner: Backend) {
    this.#inner = inner;
  }

  get name(): string {
    return this.#inner.name;
  }

  get clock(): Clock {
    return this.#inner.clock;
  }

  createPollSet(): PollSet {
    return new ForwardingPollSet(this.#inner.createPollSet());
  }

  getTextOption(...args: Arguments<"getTextOption">): Result<"getTextOption"> {
    return this.#inner.getTextOption(...args);
  }

  setTextOption(...args: Arguments<"setTextOption">): Result<"setTextOption"> {
    return this.#inner.setTextOption(...args);
  }

  getRawOption(...args: Arguments<"getRawOption">): Result<"getRawOption"> {
    return this.#inner.getRawOption(...args);
  }

  setRawOption(...args: Arguments<"setRawOption">): Result<"setRawOption"> {
    return this.#inner.setRawOption(...args);
  }

  setMembership(...args: Arguments<"setMembership">): Result<"setMembership"> {
    return this.#inner.setMembership(...args);
  }

  setMulticastInterface(...args: Arguments<"setMulticastInterface">): Result<"setMulticastInterface"> {
    return this.#inner.setMulticastInterface(...args);
  }

  peerCredentials(...args: Arguments<"peerCredentials">): Result<"peerCredentials"> {
    return this.#inner.peerCredentials(...args);
  }

  sendDescriptors(...args: Arguments<"sendDescriptors">): Result<"sendDescriptors"> {
    return this.#inner.sendDescriptors(...args);
  }

  receiveDescriptors(...args: Arguments<"receiveDescriptors">): Result<"receiveDescriptors"> {
    return this.#inner.receiveDescriptors(...args);
  }

  bind(...args: Arguments<"bind">): Result<"bind"> {
    return this.#inner.bind(...args);
  }

  listen(...args: Arguments<"listen">): Result<"listen"> {
    return this.#inner.listen(...args);
  }

  accept(...args: Arguments<"accept">): Result<"accept"> {
    return this.#inner.accept(...args);
  }

  connect(...args: Arguments<"connect">): Result<"connect"> {
    return this.#inner.connect(...args);
  }

  shutdown(...args: Arguments<"shutdown">): Result<"shutdown"> {
    return this.#inner.shutdown(...args);
  }

  recv(...args: Arguments<"recv">): Result<"recv"> {
    return this.#inner.recv(...args);
  }

  peek(...args: Arguments<"peek">): Result<"peek"> {
    return this.#inner.peek(...args);
  }

  receive(...args: Arguments<"receive">): Result<"receive"> {
    return this.#inner.receive(...args);
  }

  recvFrom(...args: Arguments<"recvFrom">): Result<"recvFrom"> {
    return this.#inner.recvFrom(...args);
  }

  receiveFrom(...args: Arguments<"receiveFrom">): Result<"receiveFrom"> {
    return this.#inner.receiveFrom(...args);
  }

  recvOutOfBand(...args: Arguments<"recvOutOfBand">): Result<"recvOutOfBand"> {
    return this.#inner.recvOutOfBand(...args);
  }

  send(...args: Arguments<"send">): Result<"send"> {
    return this.#inner.send(...args);
  }

  sendVector(...args: Arguments<"sendVector">): Result<"sendVector"> {
    return this.#inner.sendVector(...args);
  }

  sendOutOfBand(...args: Arguments<"sendOutOfBand">): Result<"sendOutOfBand"> {
    return this.#inner.sendOutOfBand(...args);
  }

  sendTo(...args: Arguments<"sendTo">): Result<"sendTo"> {
    return this.#inner.sendTo(...args);
  }

  getOption(...args: Arguments<"getOption">): Result<"getOption"> {
    return this.#inner.getOption(...args);
  }

  setOption(...args: Arguments<"setOption">): Result<"setOption"> {
    return this.#inner.setOption(...args);
  }

  getLinger(...args: Arguments<"getLinger">): Result<"getLinger"> {
    return this.#inner.getLinger(...args);
  }

  setLinger(...args: Arguments<"setLinger">): Result<"setLinger"> {
    return this.#inner.setLinger(...args);
  }

  socketType(...args: Arguments<"socketType">): Result<"socketType"> {
    return this.#inner.socketType(...args);
  }

  family(...args: Arguments<"family">): Result<"family"> {
    return this.#inner.family(...args);
  }

  localAddress(...args: Arguments<"localAddress">): Result<"localAddress"> {
    return this.#inner.localAddress(...args);
  }

  remoteAddress(...args: Arguments<"remoteAddress">): Result<"remoteAddress"> {
    return this.#inner.remoteAddress(...args);
  }

  socket(...args: Arguments<"socket">): Result<"socket"> {
    return this.#inner.socket(...args);
  }

  socketPair(...args: Arguments<"socketPair">): Result<"socketPair"> {
    return this.#inner.socketPair(...args);
  }

  openBeneath(...args: Arguments<"openBeneath">): Result<"openBeneath"> {
    return this.#inner.openBeneath(...args);
  }

  readFrom(...args: Arguments<"readFrom">): Result<"readFrom"> {
    return this.#inner.readFrom(...args);
  }

  writeTo(...args: Arguments<"writeTo">): Result<"writeTo"> {
    return this.#inner.writeTo(...args);
  }

  seek(...args: Arguments<"seek">): Result<"seek"> {
    return this.#inner.seek(...args);
  }

  status(...args: Arguments<"status">): Result<"status"> {
    return this.#inner.status(...args);
  }

  setLength(...args: Arguments<"setLength">): Result<"setLength"> {
    return this.#inner.setLength(...args);
  }

  setTimes(...args: Arguments<"setTimes">): Result<"setTimes"> {
    return this.#inner.setTimes(...args);
  }

  allocate(...args: Arguments<"allocate">): Result<"allocate"> {
    return this.#inner.allocate(...args);
  }

  advise(...args: Arguments<"advise">): Result<"advise"> {
    return this.#inner.advise(...args);
  }

  synchronize(...args: Arguments<"synchronize">): Result<"synchronize"> {
    return this.#inner.synchronize(...args);
  }

  setAppend(...args: Arguments<"setAppend">): Result<"setAppend"> {
    return this.#inner.setAppend(...args);
  }

  readDirectory(...args: Arguments<"readDirectory">): Result<"readDirectory"> {
    return this.#inner.readDirectory(...args);
  }

  statusBeneath(...args: Arguments<"statusBeneath">): Result<"statusBeneath"> {
    return this.#inner.statusBeneath(...args);
  }

  setTimesBeneath(...args: Arguments<"setTimesBeneath">): Result<"setTimesBeneath"> {
    return this.#inner.setTimesBeneath(...args);
  }

  makeDirectoryBeneath(...args: Arguments<"makeDirectoryBeneath">): Result<"makeDirectoryBeneath"> {
    return this.#inner.makeDirectoryBeneath(...args);
  }

  removeFileBeneath(...args: Arguments<"removeFileBeneath">): Result<"removeFileBeneath"> {
    return this.#inner.removeFileBeneath(...args);
  }

  removeDirectoryBeneath(...args: Arguments<"removeDirectoryBeneath">): Result<"removeDirectoryBeneath"> {
    return this.#inner.removeDirectoryBeneath(...args);
  }

  renameBeneath(...args: Arguments<"renameBeneath">): Result<"renameBeneath"> {
    return this.#inner.renameBeneath(...args);
  }

  linkBeneath(...args: Arguments<"linkBeneath">): Result<"linkBeneath"> {
    return this.#inner.linkBeneath(...args);
  }

  symlinkBeneath(...args: Arguments<"symlinkBeneath">): Result<"symlinkBeneath"> {
    return this.#inner.symlinkBeneath(...args);
  }

  readLinkBeneath(...args: Arguments<"readLinkBeneath">): Result<"readLinkBeneath"> {
    return this.#inner.readLinkBeneath(...args);
  }

  adopt(...args: Arguments<"adopt">): Result<"adopt"> {
    return this.#inner.adopt(...args);
  }

  read(...args: Arguments<"read">): Result<"read"> {
    return this.#inner.read(...args);
  }

  readBytes(...args: Arguments<"readBytes">): Result<"readBytes"> {
    return this.#inner.readBytes(...args);
  }

  write(...args: Arguments<"write">): Result<"write"> {
    return this.#inner.write(...args);
  }

  pipe(...args: Arguments<"pipe">): Result<"pipe"> {
    return this.#inner.pipe(...args);
  }

  duplicate(...args: Arguments<"duplicate">): Result<"duplicate"> {
    return this.#inner.duplicate(...args);
  }

  setNonBlocking(...args: Arguments<"setNonBlocking">): Result<"setNonBlocking"> {
    return this.#inner.setNonBlocking(...args);
  }

  setCloseOnExec(...args: Arguments<"setCloseOnExec">): Result<"setCloseOnExec"> {
    return this.#inner.setCloseOnExec(...args);
  }

  release(...args: Arguments<"release">): Result<"release"> {
    return this.#inner.release(...args);
  }

  close(...args: Arguments<"close">): Result<"close"> {
    return this.#inner.close(...args);
  }

  isNumeric(...args: Arguments<"isNumeric">): Result<"isNumeric"> {
    return this.#inner.isNumeric(...args);
  }

  lookupSync(...args: Arguments<"lookupSync">): Result<"lookupSync"> {
    return this.#inner.lookupSync(...args);
  }

  lookup(...args: Arguments<"lookup">): Result<"lookup"> {
    return this.#inner.lookup(...args);
  }

  errorCode(...args: Arguments<"errorCode">): Result<"errorCode"> {
    return this.#inner.errorCode(...args);
  }
}
