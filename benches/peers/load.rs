//! load: a client that asks for much, one thread, for what wrk cannot ask.
//!
//!     load ADDR:PORT /path… --connections 16 --seconds 3           as fast as the server answers
//!     load ADDR:PORT /path… --connections 64 --seconds 3 --rate N  N requests a second, whatever the answers do
//!     load ADDR:PORT /path… --close                                a new connection for each request
//!     load ADDR:PORT '/section-{:02}/article-{}' --count 1000000   one of a million paths, at random
//!     load ADDR:PORT /path… --connections 10000 --hold             one request each, then idle until stdin ends
//!
//! With --rate the time of an answer is counted from when its request should have been sent, also if no connection was free by
//! then; what is not answered in time is counted as long as it was waited for. So a server that stops for a second has not one
//! slow answer but all those that should have come in that second. This client does not sleep then: it looks for events all
//! the time, so it needs a core of its own, and what it takes to notice an answer is in all figures alike.
//!
//! Each answer is looked at: its status, its length, the beginning of its body if that is told. Latencies are kept each, not in
//! buckets, so the quantiles are exact. It prints one line of JSON; latencies are in microseconds.

use std::collections::VecDeque;
use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::time::{Duration, Instant};

use clap::Parser;
use rustix::event::Timespec;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SocketType};

/// How long answers are waited for after the last request.
const PATIENCE: Duration = Duration::from_secs(5);
const QUANTILES: [f64; 15] =
    [0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999, 1.0];

#[derive(Parser)]
struct Options {
    address: SocketAddrV4,
    /// Asked for in turn; `{}` is a number below --count, `{:02}` its last two digits
    #[arg(required = true)]
    paths: Vec<String>,
    #[arg(long, default_value_t = 16)]
    connections: usize,
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Requests a second; without it each connection asks as soon as it is answered
    #[arg(long)]
    rate: Option<f64>,
    /// Says `Connection: close`, and waits until the server has closed
    #[arg(long)]
    close: bool,
    /// How many numbers there are for `{}`
    #[arg(long, default_value_t = 1)]
    count: u64,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A field of the request, `Name: value`; may be repeated
    #[arg(long)]
    field: Vec<String>,
    /// The status of the right answer
    #[arg(long, default_value_t = 200)]
    status: u16,
    /// The length of the right body
    #[arg(long)]
    length: Option<usize>,
    /// How the right body begins; `{}` is the number that was asked for
    #[arg(long)]
    begins: Option<String>,
    /// Connect from 127.0.0.2 and that many less one above, in turn
    #[arg(long, default_value_t = 0)]
    sources: u8,
    /// Ask once on each connection, print "held", keep all until stdin ends, and look how many are still open
    #[arg(long)]
    hold: bool,
}

/// One connection, or the place for one.
#[derive(Default)]
struct Client {
    stream: Option<TcpStream>,
    /// What has come of an answer that is not whole yet.
    partial: Vec<u8>,
    /// When the request that is not answered should have been sent.
    asked: Option<Instant>,
    /// What was asked for.
    number: u64,
    /// The answer has come; the server is to close.
    ending: bool,
}

/// An answer, as far as it matters.
struct Answer {
    length: usize,
    closes: bool,
    fault: Option<String>,
}

struct Load {
    options: Options,
    /// The request for each path, in pieces.
    requests: Vec<Vec<Piece>>,
    clients: Vec<Client>,
    poll: rustix::fd::OwnedFd,
    turn: usize,
    random: u64,
    opened: u64,
    answered: u64,
    latencies: Vec<f32>,
    errors: u64,
    first_error: Option<String>,
    request: Vec<u8>,
}

enum Piece {
    Text(Vec<u8>),
    Number,
    TwoDigits,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let hold = options.hold;
    let mut load = Load::new(options)?;
    if hold { load.hold() } else { load.run() }
}

impl Load {
    fn new(options: Options) -> io::Result<Self> {
        let mut fields = format!(" HTTP/1.1\r\nHost: {}\r\n", options.address);
        for field in &options.field {
            fields += &format!("{field}\r\n");
        }
        fields += if options.close { "Connection: close\r\n\r\n" } else { "\r\n" };
        let requests = options.paths.iter().map(|path| pieces(path, &fields)).collect();
        let expected = options.rate.unwrap_or(300_000.0) * options.seconds;
        // Touched now, so that no page has to be found for it while time counts.
        let mut latencies = vec![1.0; expected as usize + 1024];
        latencies.clear();
        Ok(Self {
            requests,
            clients: (0..options.connections).map(|_| Client::default()).collect(),
            poll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            turn: 0,
            random: options.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            opened: 0,
            answered: 0,
            latencies,
            errors: 0,
            first_error: None,
            request: Vec::new(),
            options,
        })
    }

    fn run(&mut self) -> Result<(), Box<dyn Error>> {
        if !self.options.close {
            for at in 0..self.clients.len() {
                self.connect(at)?;
            }
        }
        let mut free: VecDeque<usize> = (0..self.clients.len()).collect();
        let mut events = Vec::with_capacity(1024);
        let mut buffer = vec![0; 256 * 1024];
        let interval = self.options.rate.map(|rate| 1.0 / rate);
        let began = Instant::now();
        let end = began + Duration::from_secs_f64(self.options.seconds);
        let mut sent = 0u64;
        loop {
            let now = Instant::now();
            // When the next request should be sent, if that is not after the end.
            let due = |sent: u64| match interval {
                Some(interval) => {
                    Some(began + Duration::from_secs_f64(sent as f64 * interval)).filter(|due| *due < end)
                }
                None => Some(now).filter(|now| *now < end),
            };
            while let Some(due) = due(sent).filter(|due| *due <= now)
                && let Some(at) = free.pop_front()
            {
                sent += 1;
                if let Err(error) = self.ask(at, due) {
                    self.failed(at, &error.to_string());
                    free.push_back(at);
                }
            }
            let all_sent = due(sent).is_none();
            if (all_sent && free.len() == self.clients.len()) || now > end + PATIENCE {
                while let Some(due) = due(sent) {
                    self.latencies.push((now - due).as_secs_f32() * 1e6);
                    self.errors += 1;
                    sent += 1;
                }
                break;
            }
            let wait = if interval.is_some() && !all_sent { 0 } else { 20_000_000 };
            events.clear();
            let pause = Timespec { tv_sec: 0, tv_nsec: wait };
            match epoll::wait(&self.poll, rustix::buffer::spare_capacity(&mut events), Some(&pause)) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for event in &events {
                let at = event.data.u64() as usize;
                if self.receive(at, &mut buffer) {
                    free.push_back(at);
                }
            }
        }
        let seconds = began.elapsed().as_secs_f64();
        for at in 0..self.clients.len() {
            if self.clients[at].asked.is_some() {
                self.failed(at, "no answer");
            }
        }
        self.latencies.sort_by(f32::total_cmp);
        let last = self.latencies.len().saturating_sub(1);
        let quantiles: Vec<_> = QUANTILES
            .iter()
            .filter_map(|&share| Some((share, *self.latencies.get((last as f64 * share).round() as usize)?)))
            .collect();
        let line = serde_json::json!({
            "requests": self.answered, "rate": self.answered as f64 / seconds, "connections": self.opened,
            "errors": self.errors, "error": self.first_error, "quantiles": quantiles,
        });
        println!("{line}");
        Ok(())
    }

    /// Opens all connections, one request on each, and keeps them.
    fn hold(&mut self) -> Result<(), Box<dyn Error>> {
        let mut buffer = vec![0; 256 * 1024];
        for at in 0..self.clients.len() {
            self.connect(at)?;
            self.ask(at, Instant::now())?;
            let until = Instant::now() + PATIENCE;
            while !self.receive(at, &mut buffer) {
                if Instant::now() > until {
                    return Err(format!("connection {at} got no answer").into());
                }
                rustix::event::poll(
                    &mut [rustix::event::PollFd::new(
                        self.clients[at].stream.as_ref().ok_or("closed")?,
                        rustix::event::PollFlags::IN,
                    )],
                    Some(&Timespec { tv_sec: 1, tv_nsec: 0 }),
                )?;
            }
        }
        println!("held");
        io::stdout().flush()?;
        io::stdin().read_to_end(&mut Vec::new())?;
        let is_open = |client: &&Client| {
            let Some(stream) = &client.stream else { return false };
            let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
            rustix::net::recv(stream, &mut [0u8; 1][..], flags) == Err(Errno::AGAIN)
        };
        let open = self.clients.iter().filter(is_open).count();
        let line = serde_json::json!({"open": open, "errors": self.errors, "error": self.first_error});
        println!("{line}");
        Ok(())
    }

    fn connect(&mut self, at: usize) -> io::Result<()> {
        let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None)?;
        if self.options.sources > 0 {
            let last = 2 + (at % usize::from(self.options.sources)) as u8;
            rustix::net::bind(&socket, &SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, last), 0))?;
        }
        // Over the loopback that does not wait, unless the server's queue is full.
        rustix::net::connect(&socket, &self.options.address)?;
        let stream = TcpStream::from(socket);
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        epoll::add(&self.poll, &stream, EventData::new_u64(at as u64), EventFlags::IN)?;
        self.opened += 1;
        self.clients[at] = Client { stream: Some(stream), ..Client::default() };
        Ok(())
    }

    /// Sends the next request; its time counts from `due`.
    fn ask(&mut self, at: usize, due: Instant) -> io::Result<()> {
        if self.clients[at].stream.is_none() {
            self.connect(at)?;
        }
        // Good enough to go everywhere, and next to nothing to make (xorshift).
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let number = ((u128::from(self.random) * u128::from(self.options.count)) >> 64) as u64;
        self.request.clear();
        for piece in &self.requests[self.turn] {
            match piece {
                Piece::Text(text) => self.request.extend_from_slice(text),
                Piece::Number => write!(self.request, "{number}")?,
                Piece::TwoDigits => write!(self.request, "{:02}", number % 100)?,
            }
        }
        self.turn = (self.turn + 1) % self.requests.len();
        let client = &mut self.clients[at];
        (client.number, client.asked) = (number, Some(due));
        let Some(stream) = &mut client.stream else { return Err(io::ErrorKind::NotConnected.into()) };
        stream.write_all(&self.request)
    }

    /// Takes what has come; whether the connection can be asked again.
    fn receive(&mut self, at: usize, buffer: &mut [u8]) -> bool {
        let client = &mut self.clients[at];
        let Some(stream) = &mut client.stream else { return false };
        // One that is free already, and is closed because the server no longer waits, must not become free twice.
        let busy = client.asked.is_some() || client.ending;
        let count = match stream.read(buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
            Err(_) if client.asked.is_none() => 0,
            Err(error) => {
                self.failed(at, &error.to_string());
                return busy;
            }
        };
        if count == 0 {
            if client.asked.is_some() {
                self.failed(at, "closed before the answer");
            } else {
                client.stream = None;
            }
            return busy;
        }
        // Mostly the whole answer comes at once.
        let kept = std::mem::take(&mut client.partial);
        let joined;
        let bytes = if kept.is_empty() {
            &buffer[..count]
        } else {
            joined = [&kept, &buffer[..count]].concat();
            &joined
        };
        match look_at(bytes, &self.options, client.number) {
            Ok(None) => {
                client.partial = bytes.to_vec();
                false
            }
            Ok(Some(answer)) => {
                let Some(asked) = client.asked.take().filter(|_| answer.length == bytes.len()) else {
                    self.failed(at, "bytes after the end of the answer");
                    return busy;
                };
                client.ending = answer.closes || self.options.close;
                let ending = client.ending;
                self.latencies.push(asked.elapsed().as_secs_f32() * 1e6);
                self.answered += 1;
                if let Some(fault) = answer.fault {
                    self.count_error(&fault);
                }
                !ending
            }
            Err(error) => {
                self.failed(at, &error);
                busy
            }
        }
    }

    /// The connection is of no use any more; the next request opens another.
    fn failed(&mut self, at: usize, error: &str) {
        self.count_error(error);
        if let Some(asked) = self.clients[at].asked {
            self.latencies.push(asked.elapsed().as_secs_f32() * 1e6);
        }
        self.clients[at] = Client::default();
    }

    fn count_error(&mut self, error: &str) {
        self.errors += 1;
        self.first_error.get_or_insert_with(|| error.to_owned());
    }
}

/// Judges an answer, if it is whole.
fn look_at(bytes: &[u8], options: &Options, number: u64) -> Result<Option<Answer>, String> {
    let mut fields = [httparse::EMPTY_HEADER; 48];
    let mut response = httparse::Response::new(&mut fields);
    let head = match response.parse(bytes).map_err(|error| error.to_string())? {
        httparse::Status::Complete(head) => head,
        httparse::Status::Partial => return Ok(None),
    };
    let status = response.code.unwrap_or(0);
    let (mut body, mut closes) = (None, false);
    for field in response.headers.iter() {
        if field.name.eq_ignore_ascii_case("content-length") {
            body = str::from_utf8(field.value).ok().and_then(|value| value.parse::<usize>().ok());
        } else if field.name.eq_ignore_ascii_case("connection") {
            closes = field.value.eq_ignore_ascii_case(b"close");
        }
    }
    let body = if status == 304 { 0 } else { body.ok_or("no Content-Length")? };
    let length = head + body;
    if bytes.len() < length {
        return Ok(None);
    }
    let fault = if status != options.status {
        Some(format!("status {status}"))
    } else if options.length.is_some_and(|right| right != body) {
        Some(format!("a body of {body} bytes"))
    } else {
        let begins = options.begins.as_ref().map(|text| text.replace("{}", &number.to_string()));
        let wrong = begins.filter(|begins| !bytes[head..length].starts_with(begins.as_bytes()));
        wrong.map(|begins| format!("the body does not begin with {begins:?}"))
    };
    Ok(Some(Answer { length, closes, fault }))
}

/// Cuts a request where numbers are to stand in its path.
fn pieces(mut path: &str, rest: &str) -> Vec<Piece> {
    let mut pieces = vec![Piece::Text(b"GET ".to_vec())];
    while let Some(at) = path.find("{") {
        let (piece, length) = if path[at..].starts_with("{:02}") { (Piece::TwoDigits, 5) } else { (Piece::Number, 2) };
        pieces.push(Piece::Text(path.as_bytes()[..at].to_vec()));
        pieces.push(piece);
        path = &path[at + length..];
    }
    pieces.push(Piece::Text([path, rest].concat().into_bytes()));
    pieces
}
