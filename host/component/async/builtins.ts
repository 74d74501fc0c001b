/** Owns the built-in functions of the asynchronous ABI. Leaves what they do to the ends, the sets and the runtime. */

import type { CallMemory } from "../call-memory.js";
import type { Canon } from "../steps.js";
import type { CoreFunction } from "../calls.js";
import { Trap, trapOf } from "../trap.js";
import type { CanonName } from "../canonical.js";
import type { Runtime } from "./runtime.js";
import { BLOCKED, type Element, Pipe, StreamEnd } from "./streams.js";
import { Subtask, Waitable, WaitableSet } from "./waitables.js";

const BACKPRESSURE_MAX = 0xffff;

/** What a component may wait for in one set. */
export type MayWait = (count: number) => boolean;

/** @param element of the stream or future that it is for */
export function builtIn(
  runtime: Runtime,
  { name, options: { isAsync }, slot, isWide }: Canon,
  element: Element | undefined,
  memory: CallMemory,
  mayWait: MayWait,
): CoreFunction {
  const { handles, event } = runtime;
  const numberOf = (value: unknown): number => Number(value) >>> 0;

  const endOf = (handle: unknown, isReader: boolean): StreamEnd => {
    const end = handles.get(numberOf(handle), StreamEnd);
    const { isFuture, size } = end.element;
    const isOther = isFuture !== element?.isFuture || (size ?? element.size) !== (element.size ?? size);
    if (end.isReader !== isReader || isOther) throw new Trap(`handle ${numberOf(handle)} is of another type`);
    return end;
  };
  const mayBlock = ({ isInSet }: Waitable): void => {
    if (!isAsync && isInSet) throw new Trap("it waits in a call for what is in a set");
  };
  const copy =
    (isReader: boolean): CoreFunction =>
    (handle, at, length) => {
      const end = endOf(handle, isReader);
      mayBlock(end);
      const code = end.begin(memory, numberOf(at), element?.isFuture === true ? 1 : numberOf(length));
      if (isAsync || code !== BLOCKED) return code;
      runtime.until(() => end.hasEvent);
      return end.takeEvent();
    };
  const cancel =
    (isReader: boolean): CoreFunction =>
    (handle) => {
      const end = endOf(handle, isReader);
      mayBlock(end);
      return end.cancel();
    };
  const drop =
    (isReader: boolean): CoreFunction =>
    (handle) => {
      endOf(handle, isReader).checkDrop();
      handles.drop(numberOf(handle), StreamEnd);
    };
  const create: CoreFunction = () => {
    if (element === undefined) throw new Trap("it makes what is no stream and no future");
    const pipe = new Pipe(element);
    const readable = new StreamEnd(pipe, true).addTo(handles);
    const writable = new StreamEnd(pipe, false).addTo(handles);
    return BigInt(readable) | (BigInt(writable) << 32n);
  };
  const writeEvent = (at: unknown): number => {
    const { view } = memory;
    view.setUint32(numberOf(at), event.handle, true);
    view.setInt32(numberOf(at) + 4, event.code, true);
    return event.kind;
  };
  const changeBackpressure = (by: number): void => {
    runtime.backpressure += by;
    if (runtime.backpressure < 0 || runtime.backpressure > BACKPRESSURE_MAX)
      throw new Trap("it counts its backpressure out of its range");
  };

  const functions: Readonly<Record<CanonName, CoreFunction>> = {
    new: create,
    read: copy(true),
    write: copy(false),
    "cancel-read": cancel(true),
    "cancel-write": cancel(false),
    "drop-readable": drop(true),
    "drop-writable": drop(false),
    "waitable-set.new": () => handles.add(new WaitableSet()),
    "waitable-set.wait": (set, at) => {
      runtime.wait(numberOf(set));
      return writeEvent(at);
    },
    "waitable-set.poll": (set, at) => {
      runtime.poll(numberOf(set));
      return writeEvent(at);
    },
    "waitable-set.drop": (set) => {
      handles.get(numberOf(set), WaitableSet).checkDrop();
      handles.drop(numberOf(set), WaitableSet);
    },
    "waitable.join": (handle, setHandle) => {
      const waitable = handles.get(numberOf(handle), Waitable);
      const set = numberOf(setHandle) === 0 ? undefined : handles.get(numberOf(setHandle), WaitableSet);
      waitable.join(set);
      if (set !== undefined && !mayWait(set.members))
        throw new Trap(`it waits for more than it may: ${set.members} in a set`);
    },
    "subtask.cancel": (handle) => {
      const subtask = handles.get(numberOf(handle), Subtask);
      mayBlock(subtask);
      return subtask.cancel();
    },
    "subtask.drop": (handle) => {
      handles.get(numberOf(handle), Subtask).checkDrop();
      handles.drop(numberOf(handle), Subtask);
    },
    "task.return": (result) => runtime.returned(numberOf(result)),
    "task.cancel": () => {
      throw new Trap("it cancels its task, which nobody has asked it for");
    },
    "thread.yield": () => {
      runtime.turn(false);
      return 0;
    },
    "context.get": () => {
      const value = runtime.context[slot] ?? 0;
      return isWide ? BigInt(value) : Number(value);
    },
    "context.set": (value) => void (runtime.context[slot] = value ?? 0),
    "backpressure.inc": () => changeBackpressure(1),
    "backpressure.dec": () => changeBackpressure(-1),
  };
  const called = functions[name];
  // What the component keeps for itself, its allocator may use.
  const isItsOwn = name === "context.get" || name === "context.set";
  return (first, second, third) => {
    try {
      if (!isItsOwn) handles.checkCall();
      return called(first as number, second as number, third as number);
    } catch (error) {
      throw trapOf(error);
    }
  };
}
