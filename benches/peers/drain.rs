//! drain: a client that takes answers as fast as they come, and never sleeps.
//!
//! It asks for one path again and again over some connections, throws the answers away within the kernel (MSG_TRUNC), and looks
//! for more every 100 µs, awake in between. So the server neither waits for its client nor has to wake it, which would be in its
//! processor time: over the loopback the price of that, with a virtual machine's more than that of the work itself, depends
//! on who happens to be faster.
//!
//!     drain ADDR:PORT /path CONNECTIONS SECONDS
//!
//! It prints how many bytes it has received, and in how many seconds.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::RecvFlags;

/// How long answers gather before they are taken.
const PAUSE: Duration = Duration::from_micros(100);

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, path, connections, seconds] = &arguments[..] else { panic!("ADDR:PORT /path CONNECTIONS SECONDS") };
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n");
    let length = length_of_answer(address, &request)?;
    let number = connections.parse().expect("a number of connections");
    let seconds = Duration::from_secs_f64(seconds.parse().expect("a number of seconds"));
    let mut clients = Vec::new();
    for _ in 0..number {
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.write_all(request.as_bytes())?;
        clients.push((stream, length));
    }
    let mut buffer = vec![0; 1 << 20];
    let (began, mut received) = (Instant::now(), 0u64);
    while began.elapsed() < seconds {
        // Looking all the time would keep the server from its own sockets.
        let swept = Instant::now();
        while swept.elapsed() < PAUSE {
            std::hint::spin_loop();
        }
        for (stream, left) in &mut clients {
            let flags = RecvFlags::TRUNC | RecvFlags::DONTWAIT;
            match rustix::net::recv(&*stream, &mut buffer[..], flags) {
                Ok((_, 0)) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok((_, count)) => {
                    received += count as u64;
                    *left = left.checked_sub(count as u64).expect("no more than was asked for");
                }
                Err(Errno::AGAIN) => {}
                Err(error) => return Err(error.into()),
            }
            if *left == 0 {
                *left = length;
                stream.write_all(request.as_bytes())?;
            }
        }
    }
    println!("{received} bytes in {:.3} seconds", began.elapsed().as_secs_f64());
    Ok(())
}

/// How many bytes one answer has.
fn length_of_answer(address: &str, request: &str) -> io::Result<u64> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(request.as_bytes())?;
    let (mut answer, mut byte) = (Vec::new(), [0]);
    while !answer.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        answer.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&answer).to_ascii_lowercase();
    let length =
        head.split("\r\ncontent-length:").nth(1).and_then(|rest| rest.split("\r\n").next()?.trim().parse().ok());
    Ok(answer.len() as u64 + length.unwrap_or(0u64))
}
