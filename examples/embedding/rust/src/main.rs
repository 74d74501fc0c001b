//! Embeds a guest in wasmtime: `cargo run --release -- GUEST.WASM HOST:PORT`.
//!
//! A command (`_start`) is run to its end. A guest built with --reactor takes turns in this program's own poll(2) loop,
//! beside standard input: a line on it asks for the number of turns, its end ends the program.

mod wasi;

use rustix::event::{PollFd, PollFlags};
use std::net::TcpListener;
use std::time::Duration;
use wasmtime::{Engine, Error, Module, Result, Store};

/// Turns without a look at the rest of the program.
const TURNS: usize = 8;

fn run(path: &str, listener: TcpListener) -> Result<()> {
    let engine = Engine::default();
    let module = Module::from_file(&engine, path)?;
    let is_command = module.get_export("_start").is_some();
    let mut store = Store::new(&engine, wasi::Host::new(listener, is_command));
    let mut linker = wasi::linker(&engine)?;
    // What else a guest may import traps if it is called.
    linker.define_unknown_imports_as_traps(&module)?;
    let instance = linker.instantiate(&mut store, &module)?;
    if is_command {
        return instance.get_typed_func::<(), ()>(&mut store, "_start")?.call(&mut store, ());
    }

    instance.get_typed_func::<(), ()>(&mut store, "_initialize")?.call(&mut store, ())?;
    let turn = instance.get_typed_func::<i64, i32>(&mut store, "turn")?;
    let pending = instance.get_typed_func::<(), i32>(&mut store, "pending")?;
    let stdin = std::io::stdin();
    let mut turns = 0;
    while pending.call(&mut store, ())? > 0 {
        // As long as a turn finds something, the next may as well.
        let mut ready = 1;
        for _ in 0..TURNS {
            turns += 1;
            ready = turn.call(&mut store, i64::MAX)?;
            if ready <= 0 {
                break;
            }
        }
        let host = store.data();
        let mut fds = host.poll_fds();
        fds.push(PollFd::new(&stdin, PollFlags::IN));
        wasi::wait(&mut fds, if ready > 0 { Duration::ZERO } else { host.timeout })?;
        if fds.last().is_some_and(|fd| !fd.revents().is_empty()) {
            let mut input = [0; 256];
            let length = rustix::io::read(&stdin, &mut input)?;
            if length == 0 {
                return Ok(());
            }
            for _ in input[..length].iter().filter(|&&byte| byte == b'\n') {
                println!("turns: {turns}");
            }
        }
    }
    Ok(())
}

fn main() -> Result<()> {
    let [_, path, address] = &std::env::args().collect::<Vec<_>>()[..] else {
        return Err(Error::msg("usage: embed GUEST.WASM HOST:PORT"));
    };
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    println!("listening on {}", listener.local_addr()?);
    match run(path, listener) {
        Err(error) => match error.downcast_ref::<wasi::Exit>() {
            Some(exit) => std::process::exit(exit.0),
            None => Err(error),
        },
        Ok(()) => Ok(()),
    }
}
