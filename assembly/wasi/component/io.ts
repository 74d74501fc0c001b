/**
 * Owns the imports of wasi:io, wasi:clocks, wasi:random and wasi:cli. Knows nothing else; what a program does not call
 * is not in its module. Handles, pointers and lengths are i32; `resultAt` is where the host writes what it returns:
 *
 *   read          0      4        8        12        list and strings   0        4        8
 *                 +------+--------+--------+                            +--------+--------+
 *                 |failed|pointer |length  |                            |pointer |length  |
 *                 |      |closed  |error   |                            +--------+--------+
 *                 +------+--------+--------+
 *   check-write   0      8        12       16        write, flush       0      4        8        12
 *                 +------+--------+--------+                            +------+--------+--------+
 *                 |failed|bytes, 8 of them |                            |failed|closed  |error   |
 *                 |      |closed  |error   |                            +------+--------+--------+
 *                 +------+--------+--------+
 *
 * `failed` and `closed` are one byte each. Where a stream has failed and is not closed, `error` is a handle to be dropped.
 */

/** Room for what any call in this directory returns. */
export const RESULT_SIZE: i32 = 48;


@external("wasi:io/poll@0.2.0", "poll")
export declare function poll(listAt: usize, count: i32, resultAt: usize): void;


@external("wasi:io/poll@0.2.0", "[resource-drop]pollable")
export declare function dropPollable(pollable: i32): void;


@external("wasi:io/error@0.2.0", "[resource-drop]error")
export declare function dropError(error: i32): void;


@external("wasi:io/streams@0.2.0", "[method]input-stream.read")
export declare function readStream(input: i32, length: i64, resultAt: usize): void;


@external("wasi:io/streams@0.2.0", "[method]input-stream.subscribe")
export declare function subscribeInput(input: i32): i32;


@external("wasi:io/streams@0.2.0", "[resource-drop]input-stream")
export declare function dropInput(input: i32): void;


@external("wasi:io/streams@0.2.0", "[method]output-stream.check-write")
export declare function checkWrite(output: i32, resultAt: usize): void;


@external("wasi:io/streams@0.2.0", "[method]output-stream.write")
export declare function writeStream(output: i32, at: usize, length: i32, resultAt: usize): void;

/** At most 4096 bytes. */
@external("wasi:io/streams@0.2.0", "[method]output-stream.blocking-write-and-flush")
export declare function writeAndFlush(output: i32, at: usize, length: i32, resultAt: usize): void;


@external("wasi:io/streams@0.2.0", "[method]output-stream.flush")
export declare function flushStream(output: i32, resultAt: usize): void;


@external("wasi:io/streams@0.2.0", "[method]output-stream.subscribe")
export declare function subscribeOutput(output: i32): i32;


@external("wasi:io/streams@0.2.0", "[resource-drop]output-stream")
export declare function dropOutput(output: i32): void;


@external("wasi:clocks/monotonic-clock@0.2.0", "now")
export declare function monotonicNow(): i64;


@external("wasi:clocks/monotonic-clock@0.2.0", "subscribe-instant")
export declare function subscribeInstant(timeNs: i64): i32;

/** Writes seconds, 8 bytes, and nanoseconds, 4 bytes. */
@external("wasi:clocks/wall-clock@0.2.0", "now")
export declare function wallNow(resultAt: usize): void;


@external("wasi:random/random@0.2.0", "get-random-u64")
export declare function randomU64(): u64;


@external("wasi:cli/stdin@0.2.0", "get-stdin")
export declare function getStdin(): i32;


@external("wasi:cli/stdout@0.2.0", "get-stdout")
export declare function getStdout(): i32;


@external("wasi:cli/stderr@0.2.0", "get-stderr")
export declare function getStderr(): i32;

/** A list of strings. */
@external("wasi:cli/environment@0.2.0", "get-arguments")
export declare function getArguments(resultAt: usize): void;

/** A list of pairs of strings. */
@external("wasi:cli/environment@0.2.0", "get-environment")
export declare function getEnvironment(resultAt: usize): void;

/** 0 is success, 1 failure; there is no other status. */
@external("wasi:cli/exit@0.2.0", "exit")
export declare function exit(failed: i32): void;
