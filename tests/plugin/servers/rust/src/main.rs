//! Owns an HTTP server on the listening socket that its runtime gives it: tokio, and so mio, with a task for each
//! connection. Knows nothing of who runs it.

use std::os::fd::FromRawFd;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const LISTENER: i32 = 3;
const HEAD_MAX: usize = 65_536;

fn main() -> std::io::Result<()> {
    tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?
        .block_on(serve())
}

async fn serve() -> std::io::Result<()> {
    // The descriptor is this program's, and nobody else's in it.
    let listener = unsafe { std::net::TcpListener::from_raw_fd(LISTENER) };
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            // A connection that fails is over: that is all.
            let _ = converse(stream).await;
        });
    }
}

async fn converse(mut stream: TcpStream) -> std::io::Result<()> {
    let mut input: Vec<u8> = Vec::new();
    let mut piece = [0; 4096];
    loop {
        if let Some(at) = input.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&input[..at + 2]).into_owned();
            input.drain(..at + 4);
            let closes = head.to_ascii_lowercase().contains("\r\nconnection: close\r\n");
            stream.write_all(&response(&head, closes)).await?;
            if closes {
                return stream.shutdown().await;
            }
            continue;
        }
        let length = stream.read(&mut piece).await?;
        if length == 0 || input.len() > HEAD_MAX {
            return Ok(());
        }
        input.extend_from_slice(&piece[..length]);
    }
}

fn response(head: &str, closes: bool) -> Vec<u8> {
    let path = head.split(' ').nth(1).unwrap_or("");
    let (status, body) = match path {
        "/" => ("200 OK", b"hello\n".to_vec()),
        "/who" => ("200 OK", std::env::var("VERSION").unwrap_or_default().into_bytes()),
        "/trap" => std::process::abort(),
        _ => match path.strip_prefix("/bytes/").and_then(|count| count.parse().ok()) {
            Some(count) => ("200 OK", vec![0; count]),
            None => ("404 Not Found", Vec::new()),
        },
    };
    let connection = if closes { "close" } else { "keep-alive" };
    let length = body.len();
    let mut bytes =
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: {connection}\r\n\r\n").into_bytes();
    bytes.extend(body);
    bytes
}
