/**
 * Owns the guest that plays scenarios: what its host calls, step by step. A command is a list in the encoding of value.ts,
 * its name first; the trace is fetched as text.
 */

import { type Dispatcher, poll, Socket, SocketAddress, SocketOptions, socketMap } from "wasyncore";
import { pending, takeListener, turn } from "wasyncore/guest";
import { noteRaised, Script, setTerminator } from "./actions.js";
import {
  AskedDispatcher,
  AskedWritingDispatcher,
  TracedDispatcher,
  TracedWithSend,
  WritingDispatcher,
} from "./dispatchers.js";
import { AskedFile, AskedWritingFile, TracedChat } from "./files-and-chats.js";
import { addresses, flagsOf, handlers, lines, log, names, specs, tookLeave } from "./stage.js";
import { Reader, type Value } from "./value.js";

/** What {@link play} answers. */
const GOES_ON: i32 = 0;
const LEFT_LOOP: i32 = 1;

/** Room for a command. */
let room: Uint8Array = new Uint8Array(0);

/** Makes room for a command of so many bytes. @returns where it is */
export function makeRoom(length: i32): usize {
  room = new Uint8Array(length);
  return room.dataStart;
}

/** Lines that were written down since this was called last, a line feed behind each, in UTF-16. */
export function takeLines(): string {
  let text = "";
  while (lines.length > 0) text += lines.shift() + "\n";
  return text;
}

/** One turn. @returns 0; 1 when a handler has left the loop; or a negative errno, of an error that nobody took */
export function playTurn(timeoutMs: i32, usePoll: bool): i32 {
  // As asyncore's loop: with nothing in the map there are no turns.
  if (pending() === 0) return GOES_ON;
  let failed: i32 = 0;
  if (usePoll) poll({ timeoutMs: timeoutMs, usePoll: true });
  else failed = min(0, turn(i64(timeoutMs) * 1_000_000));
  if (failed < 0) return failed;
  return tookLeave() ? LEFT_LOOP : GOES_ON;
}

/** Does what the command says, outside of every callback. */
export function play(): void {
  const command = new Reader(room).next().list;
  const what = command[0].text;
  const name = command[1].text;
  if (what === "spec") specs.set(name, command[2]);
  else if (what === "address") setAddress(name, command[2].text, command[3].number);
  else if (what === "listen") make(name, name, -1).setSocket(takeListener(name));
  else if (what === "make") create(name, command[2].text);
  else if (what === "open") make(name, name, -1).setSocket(Socket.fromDescriptor(command[2].number, true));
  else if (what === "pipe") make(name, name, command[2].number);
  else if (what === "do") perform(name, command[2].list);
  else if (what === "end") describe();
  else throw new Error(`no such command: ${what}`);
}

function setAddress(name: string, host: string, port: i32): void {
  const address = new SocketAddress();
  address.host = host;
  address.port = port;
  addresses.set(name, address);
}

function create(name: string, family: string): void {
  const options = new SocketOptions();
  options.family = family;
  make(name, name, -1).createSocket(options);
  noteRaised(name);
}

function perform(name: string, actions: Value[]): void {
  const handler = handlers.get(name);
  if (handler instanceof TracedDispatcher) (handler as TracedDispatcher).perform(actions);
  else if (handler instanceof TracedWithSend) (handler as TracedWithSend).perform(actions);
  else if (handler instanceof AskedFile) (handler as AskedFile).perform(actions);
  else if (handler instanceof TracedChat) (handler as TracedChat).perform(actions);
  noteRaised(name);
}

/** What became of each handler. */
function describe(): void {
  for (let i = 0; i < names.length; i++) {
    const handler = handlers.get(names[i]);
    const place = socketMap.values().includes(handler) ? "in the map" : "gone";
    log(`${names[i]} is ${flagsOf(handler)} ${place}`);
  }
}

const adoptions: Map<string, i32> = new Map<string, i32>();

/** The handlers of accepted connections are numbered. */
function adopt(spec: string, socket: Socket): void {
  const count = (adoptions.has(spec) ? adoptions.get(spec) : 0) + 1;
  adoptions.set(spec, count);
  make(`${spec}${count}`, spec, -1).setSocket(socket);
}

/** Makes a handler of the class that its specification needs, and of a file dispatcher its channel as well. */
function make(name: string, specName: string, fd: i32): Dispatcher {
  const spec = specs.get(specName);
  const handler = newHandler(new Script(name, spec, adopt), fd);
  if (handler instanceof TracedChat) {
    const chat = handler as TracedChat;
    setTerminator(chat, spec.list[3]);
    chat.acInBufferSize = spec.list[5].number;
    chat.acOutBufferSize = spec.list[6].number;
  }
  handlers.set(name, handler);
  names.push(name);
  return handler;
}

function newHandler(script: Script, fd: i32): Dispatcher {
  const isAsked = script.hasReadable || script.hasWritable;
  const writes = script.has("write");
  if (script.kind === "chat" && !isAsked && !writes) return new TracedChat(script);
  if (script.kind === "withSend" && !isAsked && !writes) return new TracedWithSend(script);
  if (script.kind === "file" && isAsked) return writes ? new AskedWritingFile(script, fd) : new AskedFile(script, fd);
  if (script.kind !== "dispatcher") throw new Error(`no class for ${script.name}`);
  if (isAsked) return writes ? new AskedWritingDispatcher(script) : new AskedDispatcher(script);
  return writes ? new WritingDispatcher(script) : new TracedDispatcher(script);
}
