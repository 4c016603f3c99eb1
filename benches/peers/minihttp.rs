//! minihttp: the same answer as `bare`, by the crate may_minihttp.
//!
//! may_minihttp (coroutines of the crate may over epoll, heads parsed by
//! httparse) is among the quickest servers of the published HTTP comparisons,
//! so it shows what a general server library needs where `bare` shows what the
//! kernel needs. It runs one worker, looks the path up in a hash table, and
//! answers from memory. The library writes the status line, Server, Date and
//! Content-Length itself, for each request; the other fields are prepared.
//!
//!     minihttp --listen 127.0.0.1:0 --path /2005/chart --head-length 300 --length 1024
//!
//! The options and the ready line are those of `bare`; the body must be UTF-8,
//! for the library takes a prepared body as a string.

use std::collections::HashMap;
use std::io::{self, Write};
use std::net::TcpListener;

use may_minihttp::{HttpServer, HttpService, Request, Response};

/// Other keys of the table, so that a look-up is a real one.
const OTHER_KEYS: usize = 4000;

struct Options {
    listen: String,
    path: String,
    head_length: usize,
    body: String,
    content_type: String,
    status: u16,
}

/// What is prepared once; it lives as long as the program.
struct Prepared {
    table: HashMap<String, u32>,
    fields: Vec<&'static str>,
    body: &'static str,
    not_modified: bool,
}

#[derive(Clone)]
struct Service(&'static Prepared);

impl HttpService for Service {
    fn call(&mut self, request: Request, response: &mut Response) -> io::Result<()> {
        if !self.0.table.contains_key(request.path()) {
            response.status_code(404, "Not Found");
            return Ok(());
        }
        if self.0.not_modified {
            response.status_code(304, "Not Modified");
        }
        for &field in &self.0.fields {
            response.header(field);
        }
        response.body(self.0.body);
        Ok(())
    }
}

fn main() -> io::Result<()> {
    let options = options();
    let prepared = Box::leak(Box::new(prepare(&options)));
    // The library does not tell which port it got, so a free one is found first.
    let address = TcpListener::bind(&options.listen)?.local_addr()?;
    // One worker, left where the caller has put the process.
    may::config().set_workers(1).set_worker_pin(false);
    let server = HttpServer(Service(prepared)).start(address)?;
    let mut out = io::stdout();
    writeln!(out, "listening on http://{address}")?;
    out.flush()?;
    server.join().map_err(|_| io::Error::other("the server stopped"))
}

fn prepare(options: &Options) -> Prepared {
    let mut table: HashMap<String, u32> =
        (0..OTHER_KEYS).map(|n| (format!("/{}/other-{n}", 1990 + n % 35), 0)).collect();
    table.insert(options.path.clone(), 0);

    let not_modified = options.status == 304;
    let body: &'static str = if not_modified { "" } else { options.body.clone().leak() };
    // What the library writes by itself, to know what is left for the ETag.
    let status = if not_modified { "304 Not Modified" } else { "200 Ok" };
    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    let mut length =
        format!("HTTP/1.1 {status}\r\nServer: M\r\nDate: {date}\r\nContent-Length: {}\r\n\r\n", body.len()).len();
    let mut fields: Vec<&'static str> = Vec::new();
    if !not_modified {
        fields.push(format!("Content-Type: {}", options.content_type).leak());
        length += fields[0].len() + 2;
    }
    let rest = "ETag: \"\"\r\n".len();
    let vary = "Vary: Accept";
    if options.head_length == 0 || length + vary.len() + 2 + rest <= options.head_length {
        fields.push(vary);
        length += vary.len() + 2;
    }
    let padding = options.head_length.saturating_sub(length + rest);
    fields.push(format!("ETag: \"{}\"", "e".repeat(padding)).leak());
    Prepared { table, fields, body, not_modified }
}

fn options() -> Options {
    let mut options = Options {
        listen: "127.0.0.1:0".into(),
        path: "/2005/chart".into(),
        head_length: 0,
        body: "x".repeat(1024),
        content_type: "image/svg+xml".into(),
        status: 200,
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
            "--length" => options.body = "x".repeat(number()),
            "--body" => {
                options.body =
                    std::fs::read_to_string(&value).unwrap_or_else(|error| usage(&format!("{value}: {error}")));
            }
            "--type" => options.content_type = value,
            "--status" => options.status = number() as u16,
            _ => usage(&format!("unknown option {name}")),
        }
    }
    options
}

fn usage(message: &str) -> ! {
    eprintln!("minihttp: {message}");
    eprintln!(
        "usage: minihttp [--listen ADDR:PORT] [--path PATH] [--head-length N] \
         [--length N | --body FILE] [--type TYPE] [--status 200|304]"
    );
    std::process::exit(2);
}
