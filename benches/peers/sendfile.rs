//! sendfile: the least work a server can do to send a file with sendfile(2).
//!
//! One thread, one edge-triggered epoll; whatever is asked for, the answer is one head, sent with MSG_MORE, and the file.
//! Nothing is looked up, parsed beyond the end of the head, timed or shared out among clients. It is not a server to use.
//!
//!     sendfile --listen 127.0.0.1:0 --body FILE
//!
//! It prints "listening on http://ADDR:PORT" when ready and runs until SIGTERM.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::SendFlags;

/// A client: what it has asked for and not got yet.
struct Client {
    stream: TcpStream,
    /// Bytes of an empty line that were seen last.
    matched: usize,
    /// Answers that have not been begun.
    owed: usize,
    /// Where in the file the answer that was begun stands.
    position: Option<u64>,
}

fn main() -> io::Result<()> {
    let [mut listen, mut body] = [const { None }; 2];
    let mut arguments = std::env::args().skip(1);
    while let (Some(name), Some(value)) = (arguments.next(), arguments.next()) {
        match name.as_str() {
            "--listen" => listen = Some(value),
            "--body" => body = Some(value),
            _ => panic!("{name}: there are --listen and --body"),
        }
    }
    let file = File::open(body.expect("--body FILE"))?;
    let length = file.metadata()?.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\nServer: sendfile\r\nDate: Sun, 22 Nov 2026 21:28:03 GMT\r\nETag: \"BTNLklf8RN8tW5u-7TCg\"\r\n\
         Accept-Ranges: bytes\r\nContent-Type: application/octet-stream\r\nContent-Length: {length}\r\n\r\n"
    );
    let listener = TcpListener::bind(listen.expect("--listen ADDR"))?;
    listener.set_nonblocking(true)?;
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&poll, &listener, EventData::new_u64(0), EventFlags::IN)?;
    println!("listening on http://{}", listener.local_addr()?);
    io::stdout().flush()?;

    let mut clients: HashMap<u64, Client> = HashMap::new();
    let mut events = Vec::with_capacity(256);
    let mut input = vec![0; 64 * 1024];
    loop {
        events.clear();
        match epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in &events {
            let key = event.data.u64();
            if key == 0 {
                let Ok((stream, _)) = listener.accept() else { continue };
                stream.set_nonblocking(true)?;
                stream.set_nodelay(true)?;
                let key = stream.as_raw_fd() as u64;
                let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
                epoll::add(&poll, &stream, EventData::new_u64(key), flags)?;
                clients.insert(key, Client { stream, matched: 0, owed: 0, position: None });
            } else if let Some(client) = clients.get_mut(&key)
                && !client.serve(&file, length, head.as_bytes(), &mut input)
            {
                clients.remove(&key);
            }
        }
    }
}

impl Client {
    /// Goes on as far as that takes no waiting; returns whether there is more to come.
    fn serve(&mut self, file: &File, length: u64, head: &[u8], input: &mut [u8]) -> bool {
        loop {
            let count = match rustix::io::read(&self.stream, &mut *input) {
                Ok(0) => return false,
                Ok(count) => count,
                Err(Errno::AGAIN) => break,
                Err(_) => return false,
            };
            for byte in &input[..count] {
                self.matched = match (byte, self.matched) {
                    (b'\r', 2) => 3,
                    (b'\r', _) => 1,
                    (b'\n', 1 | 3) => self.matched + 1,
                    _ => 0,
                };
                if self.matched == 4 {
                    (self.owed, self.matched) = (self.owed + 1, 0);
                }
            }
            if count < input.len() {
                break;
            }
        }
        loop {
            let Some(mut position) = self.position else {
                if self.owed == 0 {
                    return true;
                }
                // A socket without room even for a head is not what is measured here.
                if rustix::net::send(&self.stream, head, SendFlags::MORE | SendFlags::NOSIGNAL).is_err() {
                    return false;
                }
                (self.owed, self.position) = (self.owed - 1, Some(0));
                continue;
            };
            let left = (length - position) as usize;
            match rustix::fs::sendfile(&self.stream, file, Some(&mut position), left) {
                Ok(_) => self.position = Some(position).filter(|position| *position < length),
                Err(Errno::AGAIN) => return true,
                Err(_) => return false,
            }
        }
    }
}
