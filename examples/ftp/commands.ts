/**
 * Owns the commands of the FTP server (RFC 959, 2428, 3659, 4217). Knows the root of the files, and how data connections are
 * opened; knows a conversation by its interface.
 */

import { isIPv4 } from "node:net";
import type { Socket, WrapTlsOptions } from "wasyncore";
import type { Tls } from "../tls-files.js";
import { ActiveOpening, type DataChannel, type Opening, PassiveOpening } from "./data.js";
import type { Files, WriteAt } from "./root.js";
import { fitsInLine, listLine, timeStamp, withCrlf, WithoutCr } from "./text.js";

const READ_BYTES = 65_536;
const PORT_MIN = 1024;
const FEATURES = ["EPRT", "EPSV", "MDTM", "PASV", "REST STREAM", "SIZE", "TVFS", "UTF8"];

/** Thrown to refuse a command, with this reply. */
export class Refusal extends Error {
  readonly replyCode: number;

  constructor(replyCode: number, message: string) {
    super(message);
    this.replyCode = replyCode;
  }
}

/** The part of a conversation that commands use. */
export interface Conversation {
  readonly settings: { readonly root: Files; readonly idleMs: number; readonly tls: Tls | undefined };
  readonly socket: Socket;
  /** The address of the client. */
  readonly client: string;
  cwd: string;
  isBinary: boolean;
  /** Offset at which the next transfer begins: REST. */
  restartAt: number;
  renameFrom: string | undefined;
  /** Is TLS spoken on the control connection? And is it to be on data connections: PROT P? */
  readonly isSecure: boolean;
  isDataSecure: boolean;
  /** TLS for the next data connection, if it has any. */
  readonly dataTls: WrapTlsOptions | undefined;
  reply(code: number, text: string): void;
  replyLines(code: number, first: string, lines: readonly string[], last: string): void;
  end(): void;
  userIs(user: string): void;
  passwordIs(password: string): void;
  startTls(): void;
  setOpening(opening: Opening | undefined): void;
  startTransfer(text: string, run: (channel: DataChannel) => Promise<void>, end: () => Promise<void>): void;
  abortTransfer(): Promise<void>;
}

type Run = (chat: Conversation, argument: string) => void | Promise<void>;

export interface Command {
  readonly run: Run;
  readonly needsLogin: boolean;
  readonly needsArgument: boolean;
  readonly writes: boolean;
}

const free = (run: Run, needsArgument = false): Command => ({ run, needsLogin: false, needsArgument, writes: false });
const command = (run: Run): Command => ({ run, needsLogin: true, needsArgument: false, writes: false });
const reads = (run: Run): Command => ({ run, needsLogin: true, needsArgument: true, writes: false });
const writes = (run: Run): Command => ({ run, needsLogin: true, needsArgument: true, writes: true });

export const COMMANDS: ReadonlyMap<string, Command> = new Map([
  ["USER", free((chat, user) => chat.userIs(user), true)],
  ["PASS", free((chat, password) => chat.passwordIs(password))],
  ["QUIT", free(quit)],
  ["NOOP", free((chat) => chat.reply(200, "ok"))],
  ["FEAT", free(features)],
  ["AUTH", free(authenticate, true)],
  ["PBSZ", free(protectionBuffer, true)],
  ["PROT", free(protection, true)],
  ["OPTS", free(options, true)],
  ["SYST", free((chat) => chat.reply(215, "UNIX Type: L8"))],
  ["PWD", command((chat) => chat.reply(257, `${quoted(chat.cwd)} is the current directory`))],
  ["CWD", reads(changeDirectory)],
  ["CDUP", command((chat) => changeDirectory(chat, ".."))],
  ["TYPE", reads(setType)],
  ["MODE", reads((chat, mode) => only(chat, mode, "S"))],
  ["STRU", reads((chat, structure) => only(chat, structure, "F"))],
  ["ALLO", command((chat) => chat.reply(202, "not needed"))],
  ["PASV", command(passive)],
  ["EPSV", command(extendedPassive)],
  ["PORT", reads(port)],
  ["EPRT", reads(extendedPort)],
  ["LIST", command((chat, path) => list(chat, path, true))],
  ["NLST", command((chat, path) => list(chat, path, false))],
  ["REST", reads(restart)],
  ["RETR", reads(retrieve)],
  ["STOR", writes((chat, path) => store(chat, path, false))],
  ["APPE", writes((chat, path) => store(chat, path, true))],
  ["SIZE", reads(size)],
  ["MDTM", reads(modified)],
  ["DELE", writes((chat, path) => changed(chat, 250, "removed", chat.settings.root.remove(at(chat, path))))],
  ["RMD", writes((chat, path) => changed(chat, 250, "removed", chat.settings.root.removeDirectory(at(chat, path))))],
  ["MKD", writes(makeDirectory)],
  ["RNFR", writes(renameFrom)],
  ["RNTO", writes(renameTo)],
  ["ABOR", free(abort)],
]);

function quit(chat: Conversation): void {
  chat.reply(221, "bye");
  chat.end();
}

function features(chat: Conversation): void {
  const ofTls = chat.settings.tls === undefined ? [] : ["AUTH TLS", "PBSZ", "PROT"];
  chat.replyLines(211, "Features:", [...ofTls, ...FEATURES], "End");
}

function authenticate(chat: Conversation, mechanism: string): void {
  if (!/^(?:TLS|TLS-C|SSL)$/iu.test(mechanism)) throw new Refusal(504, "only TLS");
  chat.startTls();
}

/** RFC 4217: TLS needs no buffer, but clients must say so before PROT. */
function protectionBuffer(chat: Conversation): void {
  if (!chat.isSecure) throw new Refusal(503, "send AUTH TLS first");
  chat.reply(200, "PBSZ=0");
}

function protection(chat: Conversation, level: string): void {
  if (!chat.isSecure) throw new Refusal(503, "send AUTH TLS first");
  if (!/^[CP]$/iu.test(level)) throw new Refusal(/^[SE]$/iu.test(level) ? 536 : 504, "only C and P");
  chat.isDataSecure = level.toUpperCase() === "P";
  // One that is open already was opened for the other level.
  chat.setOpening(undefined);
  chat.reply(200, chat.isDataSecure ? "data connections are secure" : "data connections are not secure");
}

function options(chat: Conversation, what: string): void {
  if (what.toUpperCase() !== "UTF8 ON") throw new Refusal(501, "no such option");
  chat.reply(200, "UTF8 is always on");
}

/** A parameter of which only one value is supported. */
function only(chat: Conversation, value: string, expected: string): void {
  if (value.toUpperCase() !== expected) throw new Refusal(504, `only ${expected}`);
  chat.reply(200, "ok");
}

function setType(chat: Conversation, type: string): void {
  const isBinary = /^(?:I|L 8)$/iu.test(type);
  if (!isBinary && !/^A(?: N)?$/iu.test(type)) throw new Refusal(504, "only A and I");
  chat.isBinary = isBinary;
  chat.reply(200, isBinary ? "binary" : "text");
}

async function changeDirectory(chat: Conversation, path: string): Promise<void> {
  const directory = at(chat, path);
  await chat.settings.root.checkDirectory(directory);
  chat.cwd = directory;
  chat.reply(250, `${quoted(directory)} is the current directory`);
}

// Data connections

function passive(chat: Conversation): void {
  const { host, opening } = listen(chat);
  if (!isIPv4(host)) {
    opening.close();
    throw new Refusal(425, "PASV is for IPv4: use EPSV");
  }
  chat.setOpening(opening);
  const numbers = [...host.split("."), Math.floor(opening.port / 256), opening.port % 256];
  chat.reply(227, `entering passive mode (${numbers.join(",")})`);
}

function extendedPassive(chat: Conversation, protocol: string): void {
  const { family } = chat.socket;
  const expected = family === "IPv6" ? "2" : "1";
  if (protocol !== "" && protocol !== expected) throw new Refusal(522, `use (${expected})`);
  const { opening } = listen(chat);
  chat.setOpening(opening);
  chat.reply(229, `entering extended passive mode (|||${opening.port}|)`);
}

function listen(chat: Conversation): { host: string; opening: PassiveOpening } {
  const { socket, settings } = chat;
  const { host = "" } = socket.localAddress();
  const family = socket.family === "IPv6" ? "IPv6" : "IPv4";
  return { host, opening: new PassiveOpening(host, chat.client, family, settings.idleMs, chat.dataTls) };
}

function port(chat: Conversation, argument: string): void {
  const numbers = argument.split(",").map(Number);
  const areBytes = numbers.every((each) => Number.isInteger(each) && each >= 0 && each <= 255);
  if (numbers.length !== 6 || !areBytes) throw new Refusal(501, "PORT needs six numbers");
  connectTo(chat, numbers.slice(0, 4).join("."), (numbers[4] ?? 0) * 256 + (numbers[5] ?? 0));
}

function extendedPort(chat: Conversation, argument: string): void {
  const [, protocol, host, portNumber] = /^\|([12])\|([^|]+)\|(\d{1,5})\|$/u.exec(argument) ?? [];
  if (protocol === undefined || host === undefined) throw new Refusal(501, "EPRT needs |protocol|address|port|");
  const expected = chat.socket.family === "IPv6" ? "2" : "1";
  if (protocol !== expected) throw new Refusal(522, `use (${expected})`);
  connectTo(chat, host, Number(portNumber));
}

/** Only to the client itself: a client must not make this server connect to a third party. */
function connectTo(chat: Conversation, host: string, portNumber: number): void {
  const { socket, settings } = chat;
  if (host !== chat.client) throw new Refusal(504, "only to your own address");
  if (portNumber < PORT_MIN || portNumber > 65_535) throw new Refusal(504, `only to ports from ${PORT_MIN} on`);
  const family = socket.family === "IPv6" ? "IPv6" : "IPv4";
  chat.setOpening(new ActiveOpening({ host, port: portNumber }, family, settings.idleMs, chat.dataTls));
  chat.reply(200, "ok");
}

async function abort(chat: Conversation): Promise<void> {
  await chat.abortTransfer();
  chat.reply(226, "nothing is being transferred");
}

// Transfers

async function list(chat: Conversation, argument: string, isLong: boolean): Promise<void> {
  // Some clients send options of ls.
  const path = at(chat, argument.replace(/^(?:-[A-Za-z]+\s*)+/u, ""));
  const { root } = chat.settings;
  await root.stat(path);
  const lines = async function* (): AsyncGenerator<Uint8Array> {
    for await (const { name, stats } of root.list(path)) {
      if (fitsInLine(name)) yield Buffer.from(isLong ? listLine(name, stats) : `${name}\r\n`);
    }
  };
  chat.startTransfer(
    "listing follows",
    (channel) => channel.transmit(lines()),
    () => Promise.resolve(),
  );
}

function restart(chat: Conversation, offset: string): void {
  if (!/^\d{1,15}$/u.test(offset)) throw new Refusal(501, "REST needs a number");
  if (!chat.isBinary) throw new Refusal(504, "only with TYPE I");
  chat.restartAt = Number(offset);
  chat.reply(350, `the next transfer begins at ${offset}`);
}

async function retrieve(chat: Conversation, path: string): Promise<void> {
  const { restartAt, isBinary } = chat;
  chat.restartAt = 0;
  const file = await chat.settings.root.openToRead(at(chat, path));
  const pieces = async function* (): AsyncGenerator<Uint8Array> {
    for (let position = restartAt; ;) {
      const piece = Buffer.allocUnsafe(READ_BYTES);
      const length = await file.read(piece, position);
      if (length === 0) return;
      position += length;
      yield piece.subarray(0, length);
    }
  };
  const sent = isBinary ? pieces : () => withCrlf(pieces());
  chat.startTransfer(
    "file follows",
    (channel) => channel.transmit(sent()),
    () => file.close(),
  );
}

async function store(chat: Conversation, path: string, append: boolean): Promise<void> {
  const where: WriteAt = append ? { append } : { append, offset: chat.restartAt };
  let position = chat.restartAt;
  chat.restartAt = 0;
  const file = await chat.settings.root.openToWrite(at(chat, path), where);
  const write = async (data: Uint8Array): Promise<void> => {
    await file.write(data, append ? null : position);
    position += data.length;
  };
  const text = chat.isBinary ? undefined : new WithoutCr();
  const receive = async (channel: DataChannel): Promise<void> => {
    await channel.receive((data) => write(text?.take(data) ?? data));
    if (text !== undefined) await write(text.rest());
  };
  chat.startTransfer("send the file", receive, () => file.close());
}

// Files

async function size(chat: Conversation, path: string): Promise<void> {
  if (!chat.isBinary) throw new Refusal(550, "only with TYPE I");
  const stats = await chat.settings.root.stat(at(chat, path));
  if (!stats.isFile()) throw new Refusal(550, "not a plain file");
  chat.reply(213, String(stats.size));
}

async function modified(chat: Conversation, path: string): Promise<void> {
  const stats = await chat.settings.root.stat(at(chat, path));
  if (!stats.isFile()) throw new Refusal(550, "not a plain file");
  chat.reply(213, timeStamp(stats.mtime));
}

async function makeDirectory(chat: Conversation, path: string): Promise<void> {
  const directory = at(chat, path);
  await changed(chat, 257, `${quoted(directory)} was made`, chat.settings.root.makeDirectory(directory));
}

async function renameFrom(chat: Conversation, path: string): Promise<void> {
  const from = at(chat, path);
  await chat.settings.root.stat(from);
  chat.renameFrom = from;
  chat.reply(350, "send RNTO");
}

async function renameTo(chat: Conversation, path: string): Promise<void> {
  const from = chat.renameFrom;
  chat.renameFrom = undefined;
  if (from === undefined) throw new Refusal(503, "send RNFR first");
  await changed(chat, 250, "renamed", chat.settings.root.rename(from, at(chat, path)));
}

async function changed(chat: Conversation, code: number, text: string, change: Promise<void>): Promise<void> {
  await change;
  chat.reply(code, text);
}

function at(chat: Conversation, path: string): string {
  return chat.settings.root.resolve(chat.cwd, path);
}

/** A path in quotes, with the quotes in it doubled: RFC 959, appendix 2. */
function quoted(path: string): string {
  return `"${path.replaceAll('"', '""')}"`;
}
