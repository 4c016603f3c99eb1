//! bare: the least work a server can do for one HTTP answer over this kernel.
//!
//! One thread, one edge-triggered epoll, one recv for whatever the client has
//! sent, one look-up in a hash table, and one send of an answer that was laid
//! out at start-up. Nothing is built, copied, logged, timed or negotiated for a
//! request, and a batch of pipelined requests is answered by one send.
//!
//! It is the limit because what is left is the kernel's part: a server with the
//! same system calls cannot use less processor time than this, so the ratio of
//! another server to it is the price of that server's own work. It is not a
//! server to use: every path of its table gets the same answer, the Date never
//! changes, anything else gets 404 and a closed connection.
//!
//!     bare --listen 127.0.0.1:0 --path /2005/chart --head-length 300 --length 1024
//!
//!     --listen ADDR     address and port; port 0 picks a free one
//!     --path PATH       the path that is asked for
//!     --length N        bytes of body (1024)
//!     --body FILE       the body itself, in place of --length
//!     --head-length N   bytes of head, empty line included; padded in the ETag
//!     --type TYPE       Content-Type (image/svg+xml)
//!     --status 200|304  304 has no body
//!     --close 1         close the connection after an answer
//!
//! It prints "listening on http://ADDR:PORT" when ready and runs until SIGTERM.

use std::collections::HashMap;
use std::io::{self, Write};
use std::net::TcpListener;
use std::os::fd::{IntoRawFd, RawFd};
use std::ptr;

/// Other keys of the table, so that a look-up is a real one.
const OTHER_KEYS: usize = 4000;
/// Room for requests: one recv takes a whole batch of them.
const RECEIVE: usize = 64 * 1024;
/// The answer is repeated up to this many bytes, so that a batch of answers is
/// one stretch of memory and goes out by one send.
const REPEAT: usize = 256 * 1024;
const NOT_FOUND: &[u8] = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

struct Options {
    listen: String,
    path: String,
    head_length: usize,
    body: Vec<u8>,
    content_type: String,
    status: u16,
    close: bool,
}

/// What is kept for a connection.
struct Connection {
    /// The beginning of a request whose end has not come yet.
    partial: Vec<u8>,
    /// Bytes of answers not sent yet, because the socket was full.
    owed: usize,
    /// Where in the answer the next byte to send is.
    position: usize,
}

struct Server {
    table: HashMap<Vec<u8>, u32>,
    /// The answer, repeated.
    answers: Vec<u8>,
    /// The length of one answer.
    one: usize,
    close: bool,
    buffer: Vec<u8>,
}

fn main() -> io::Result<()> {
    let options = options();
    let answer = answer(&options);
    let one = answer.len();
    let mut table: HashMap<Vec<u8>, u32> =
        (0..OTHER_KEYS).map(|n| (format!("/{}/other-{n}", 1990 + n % 35).into_bytes(), 0)).collect();
    table.insert(options.path.clone().into_bytes(), 0);
    let answers = answer.repeat((REPEAT / one).max(1));
    let mut server = Server { table, answers, one, close: options.close, buffer: vec![0; RECEIVE] };

    let listener = TcpListener::bind(&options.listen)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let listener = listener.into_raw_fd();
    // SAFETY: no pointer is passed.
    let epoll = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
    // The listener stays level-triggered: one accept per event is enough, and
    // nothing here depends on how fast connections come.
    watch(epoll, listener, libc::EPOLLIN)?;
    let mut out = io::stdout();
    writeln!(out, "listening on http://{address}")?;
    out.flush()?;

    let mut connections: Vec<Option<Connection>> = Vec::new();
    let mut events = vec![libc::epoll_event { events: 0, u64: 0 }; 256];
    loop {
        // SAFETY: the kernel writes at most events.len() elements.
        let count = unsafe { libc::epoll_wait(epoll, events.as_mut_ptr(), events.len() as i32, -1) };
        if count < 0 {
            let error = io::Error::last_os_error();
            if error.kind() == io::ErrorKind::Interrupted {
                continue;
            }
            return Err(error);
        }
        for event in &events[..count as usize] {
            let (fd, what) = (event.u64 as RawFd, event.events);
            if fd == listener {
                if let Some(new) = accept(listener) {
                    // Edge-triggered, both directions at once: one epoll_ctl in
                    // the life of a connection. EPOLLRDHUP tells of an end that
                    // came together with the last bytes.
                    let flags = libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLRDHUP | libc::EPOLLET;
                    watch(epoll, new, flags)?;
                    if connections.len() <= new as usize {
                        connections.resize_with(new as usize + 1, || None);
                    }
                    connections[new as usize] = Some(Connection { partial: Vec::new(), owed: 0, position: 0 });
                }
                continue;
            }
            let ended = what & (libc::EPOLLRDHUP | libc::EPOLLHUP | libc::EPOLLERR) as u32 != 0;
            let slot = &mut connections[fd as usize];
            let Some(connection) = slot else { continue };
            if !server.serve(fd, connection, ended) {
                *slot = None;
                // SAFETY: the descriptor is ours, and its slot is empty now.
                unsafe { libc::close(fd) };
            }
        }
    }
}

impl Server {
    /// Does what can be done for a connection; false when it is to be closed.
    fn serve(&mut self, fd: RawFd, connection: &mut Connection, ended: bool) -> bool {
        loop {
            match self.send(fd, connection) {
                Some(true) => {}
                Some(false) => return true, // full: an event will tell
                None => return false,
            }
            let kept = connection.partial.len();
            if kept == self.buffer.len() {
                return false; // a request longer than the room for it
            }
            self.buffer[..kept].copy_from_slice(&connection.partial);
            let room = &mut self.buffer[kept..];
            // SAFETY: the kernel writes at most room.len() bytes.
            let got = unsafe { libc::recv(fd, room.as_mut_ptr().cast(), room.len(), 0) };
            if got <= 0 {
                return got < 0 && would_block();
            }
            // epoll(7): a read shorter than asked for has emptied the socket, so
            // that there is no need of a second one to be told so.
            let emptied = (got as usize) < room.len();

            let end = kept + got as usize;
            let mut at = 0;
            while let Some(head) = head_length(&self.buffer[at..end]) {
                if !self.known(&self.buffer[at..at + head]) {
                    if self.send(fd, connection) == Some(true) {
                        // SAFETY: the buffer is a constant of that length.
                        unsafe { libc::send(fd, NOT_FOUND.as_ptr().cast(), NOT_FOUND.len(), libc::MSG_NOSIGNAL) };
                    }
                    return false;
                }
                connection.owed += self.one;
                at += head;
            }
            connection.partial.clear();
            connection.partial.extend_from_slice(&self.buffer[at..end]);
            if emptied && !ended {
                let close = self.close && connection.owed > 0;
                return self.send(fd, connection).is_some_and(|all| !(all && close));
            }
        }
    }

    /// Cuts the path out of the request line and looks it up.
    fn known(&self, head: &[u8]) -> bool {
        let mut words = head.splitn(3, |&byte| byte == b' ');
        let (method, path) = (words.next(), words.next());
        method == Some(b"GET".as_slice()) && path.is_some_and(|path| self.table.contains_key(path))
    }

    /// Sends what is owed: true when all is sent, false when the socket is full,
    /// None when the connection is lost.
    fn send(&self, fd: RawFd, connection: &mut Connection) -> Option<bool> {
        while connection.owed > 0 {
            let from = connection.position;
            let length = connection.owed.min(self.answers.len() - from);
            let part = &self.answers[from..from + length];
            // SAFETY: the pointer and the length are those of a slice.
            let sent = unsafe { libc::send(fd, part.as_ptr().cast(), part.len(), libc::MSG_NOSIGNAL) };
            if sent < 0 {
                return if would_block() { Some(false) } else { None };
            }
            connection.owed -= sent as usize;
            connection.position = (from + sent as usize) % self.one;
        }
        Some(true)
    }
}

/// The length of the first head in the bytes, its empty line included. It looks
/// at every fourth byte: one that is neither CR nor LF cannot be in the four
/// bytes that end a head.
fn head_length(bytes: &[u8]) -> Option<usize> {
    let mut last = 3;
    while last < bytes.len() {
        match bytes[last] {
            b'\n' if &bytes[last - 3..=last] == b"\r\n\r\n" => return Some(last + 1),
            b'\r' | b'\n' => last += 1,
            _ => last += 4,
        }
    }
    None
}

/// The whole answer. Of the fields only Vary gives way when the head is to be
/// short; the ETag takes the bytes that are left.
fn answer(options: &Options) -> Vec<u8> {
    let mut head = String::new();
    let date = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
    if options.status == 304 {
        head += "HTTP/1.1 304 Not Modified\r\n";
        head += date;
    } else {
        head += "HTTP/1.1 200 OK\r\n";
        head += date;
        head += &format!("Content-Type: {}\r\n", options.content_type);
        head += &format!("Content-Length: {}\r\n", options.body.len());
    }
    let rest = "ETag: \"\"\r\n\r\n".len();
    let vary = "Vary: Accept\r\n";
    if options.head_length == 0 || head.len() + vary.len() + rest <= options.head_length {
        head += vary;
    }
    let padding = options.head_length.saturating_sub(head.len() + rest);
    head += &format!("ETag: \"{}\"\r\n\r\n", "e".repeat(padding));
    let mut answer = head.into_bytes();
    if options.status != 304 {
        answer.extend_from_slice(&options.body);
    }
    answer
}

fn accept(listener: RawFd) -> Option<RawFd> {
    let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: null pointers ask for no address.
    let fd = unsafe { libc::accept4(listener, ptr::null_mut(), ptr::null_mut(), flags) };
    if fd < 0 {
        return None;
    }
    let on: libc::c_int = 1;
    // SAFETY: the pointer and the length are those of `on`. Without this the
    // tail of a long answer could wait for an acknowledgement.
    unsafe {
        libc::setsockopt(
            fd,
            libc::IPPROTO_TCP,
            libc::TCP_NODELAY,
            ptr::from_ref(&on).cast(),
            size_of_val(&on) as libc::socklen_t,
        )
    };
    Some(fd)
}

fn watch(epoll: RawFd, fd: RawFd, flags: libc::c_int) -> io::Result<()> {
    let mut event = libc::epoll_event { events: flags as u32, u64: fd as u64 };
    // SAFETY: the kernel only reads the event during the call.
    check(unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, fd, &mut event) })?;
    Ok(())
}

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}

fn would_block() -> bool {
    io::Error::last_os_error().kind() == io::ErrorKind::WouldBlock
}

fn options() -> Options {
    let mut options = Options {
        listen: "127.0.0.1:0".into(),
        path: "/2005/chart".into(),
        head_length: 0,
        body: vec![b'x'; 1024],
        content_type: "image/svg+xml".into(),
        status: 200,
        close: false,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let Some(value) = arguments.next() else {
            usage(&format!("{name} needs a value"));
        };
        let number = || value.parse().unwrap_or_else(|_| usage(&format!("{name} needs a number")));
        match name.as_str() {
            "--listen" => options.listen = value,
            "--path" => options.path = value,
            "--head-length" => options.head_length = number(),
            "--length" => options.body = vec![b'x'; number()],
            "--body" => {
                options.body = std::fs::read(&value).unwrap_or_else(|error| usage(&format!("{value}: {error}")));
            }
            "--type" => options.content_type = value,
            "--status" => options.status = number() as u16,
            "--close" => options.close = number() != 0,
            _ => usage(&format!("unknown option {name}")),
        }
    }
    options
}

fn usage(message: &str) -> ! {
    eprintln!("bare: {message}");
    eprintln!(
        "usage: bare [--listen ADDR:PORT] [--path PATH] [--head-length N] \
         [--length N | --body FILE] [--type TYPE] [--status 200|304] [--close 0|1]"
    );
    std::process::exit(2);
}
