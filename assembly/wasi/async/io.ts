/**
 * Owns the imports of wasi:cli, wasi:clocks and wasi:random at 0.3.0, and the built-in functions for the streams and
 * futures in their signatures: the number in a name counts those of its function. Knows nothing else; what a program does
 * not call is not in its module. `resultAt` is where the host writes what it returns:
 *
 *   read-via-stream   0        4        8      instant   0        8        12     arguments   0        4        8
 *                     +--------+--------+                +--------+--------+                  +--------+--------+
 *                     |stream  |future  |                |seconds |ns      |                  |pointer |count   |
 *                     +--------+--------+                +--------+--------+                  +--------+--------+
 */

@external("wasi:clocks/monotonic-clock@0.3.0", "now")
export declare function monotonicNow(): i64;


@external("wasi:clocks/monotonic-clock@0.3.0", "[async-lower]wait-until")
export declare function waitUntil(timeNs: i64): i32;


@external("wasi:clocks/system-clock@0.3.0", "now")
export declare function systemNow(resultAt: usize): void;


@external("wasi:random/random@0.3.0", "get-random-u64")
export declare function randomU64(): u64;


@external("wasi:cli/environment@0.3.0", "get-arguments")
export declare function getArguments(resultAt: usize): void;


@external("wasi:cli/environment@0.3.0", "get-environment")
export declare function getEnvironment(resultAt: usize): void;


@external("wasi:cli/exit@0.3.0", "exit-with-code")
export declare function exitWithCode(status: i32): void;


@external("wasi:cli/stdin@0.3.0", "read-via-stream")
export declare function openStdin(resultAt: usize): void;


@external("wasi:cli/stdin@0.3.0", "[async-lower][stream-read-0]read-via-stream")
export declare function readStdin(stream: i32, at: usize, length: i32): i32;


@external("wasi:cli/stdin@0.3.0", "[stream-cancel-read-0]read-via-stream")
export declare function cancelReadStdin(stream: i32): i32;


@external("wasi:cli/stdin@0.3.0", "[stream-drop-readable-0]read-via-stream")
export declare function dropStdin(stream: i32): void;


@external("wasi:cli/stdin@0.3.0", "[future-drop-readable-1]read-via-stream")
export declare function dropStdinResult(future: i32): void;

/** Standard output takes the readable end of a stream, and returns a future. */
@external("wasi:cli/stdout@0.3.0", "write-via-stream")
export declare function openStdout(readable: i32): i32;


@external("wasi:cli/stderr@0.3.0", "write-via-stream")
export declare function openStderr(readable: i32): i32;

/** The readable end in the lower half, the writable one in the upper. */
@external("wasi:cli/stdout@0.3.0", "[stream-new-0]write-via-stream")
export declare function newOutput(): i64;


@external("wasi:cli/stdout@0.3.0", "[async-lower][stream-write-0]write-via-stream")
export declare function writeOutput(stream: i32, at: usize, length: i32): i32;


@external("wasi:cli/stdout@0.3.0", "[stream-drop-writable-0]write-via-stream")
export declare function dropOutput(stream: i32): void;

/** Of a `result<_, error-code>`: 2 bytes, whether it has failed and how. */
@external("wasi:cli/stdout@0.3.0", "[async-lower][future-read-1]write-via-stream")
export declare function readOutputResult(future: i32, resultAt: usize): i32;


@external("wasi:cli/stdout@0.3.0", "[future-drop-readable-1]write-via-stream")
export declare function dropOutputResult(future: i32): void;
