// Tells on standard error how large a guest's linear memory is, whenever a poll_oneoff finds another size than the one
// before: `node --import ./watch-memory.mjs main.js run app.wasm`.

const { Instance } = WebAssembly;

WebAssembly.Instance = class extends Instance {
  constructor(module, imports) {
    const preview1 = imports?.wasi_snapshot_preview1;
    if (preview1 === undefined) {
      super(module, imports);
      return;
    }
    let memory;
    let told = 0;
    const poll_oneoff = (...operands) => {
      const { byteLength } = memory.buffer;
      if (byteLength !== told) process.stderr.write(`memory ${byteLength}\n`);
      told = byteLength;
      return preview1.poll_oneoff(...operands);
    };
    super(module, { ...imports, wasi_snapshot_preview1: { ...preview1, poll_oneoff } });
    memory = this.exports.memory;
  }
};
