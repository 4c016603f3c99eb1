//! What do many resources cost: to write, to open, in the memory of the server?
//!
//!     cargo build --release --bins && cargo run --release --example million -- [COUNT]
//!
//! Writes a webroot of COUNT negotiated resources (a million unless told otherwise) with two variants each into
//! a temporary file, opens it several times, looks every resource up, then has connegd serve it and asks for some of
//! them over HTTP. Memory is the server's resident set; pages of the webroot in it are the page
//! cache's own, and are given back when memory is short. Expect times to vary by a tenth.
//!
//!     million --write COUNT FILE
//!
//! only writes the webroot, and prints how many bytes of index it has (benches/compare.py serves it).

use std::error::Error;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use connegd::webroot::Mapped;

#[path = "support/mod.rs"]
mod support;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [option, count, path] = &arguments[..]
        && option == "--write"
    {
        support::write_webroot(count.parse()?, BufWriter::new(File::create(path)?))?.flush()?;
        println!("{}", Mapped::open(Path::new(path))?.webroot().index_length());
        return Ok(());
    }
    let count: usize = arguments.first().map_or(Ok(1_000_000), |count| count.parse())?;
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("many.webroot");

    let start = Instant::now();
    support::write_webroot(count, BufWriter::new(File::create(&path)?))?.flush()?;
    println!("write: {:.2?} for {count} resources with {} variants", start.elapsed(), 2 * count);

    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    let opened = times(|| Mapped::open(&path).map(drop))?;
    let opened_alone = alone.install(|| times(|| Mapped::open(&path).map(drop)))?;
    println!("open, cached, all checks included: {opened:.1?}, on one core {opened_alone:.1?}");
    let mapped = Mapped::open(&path)?;
    let webroot = mapped.webroot();
    let per = |bytes: u64| bytes as f64 / count as f64;
    println!("index: {} bytes, {:.0} a resource", webroot.index_length(), per(webroot.index_length()));

    let start = Instant::now();
    for number in 0..count {
        assert!(webroot.find(support::key(number).as_bytes()).is_some());
    }
    println!(
        "look-up of each: {:.0} ns, the making of its key included",
        start.elapsed().as_nanos() as f64 / count as f64
    );

    let small = directory.path().join("small.webroot");
    support::write_webroot(1, BufWriter::new(File::create(&small)?))?.flush()?;
    let empty = memory_of_server(&small, 1)?;
    let full = memory_of_server(&path, count)?;
    println!("server's resident set: {} KiB with one resource, {} KiB with {count}", empty.0 / 1024, full.0 / 1024);
    println!("of that anonymous: {} KiB and {} KiB", empty.1 / 1024, full.1 / 1024);
    let (resident, anonymous) = (per(full.0 - empty.0), per(full.1.saturating_sub(empty.1)));
    println!("a resource: {resident:.0} bytes resident, {anonymous:.2} bytes anonymous; {:.2} of the index", {
        (full.0 - empty.0) as f64 / webroot.index_length() as f64
    });
    Ok(())
}

/// The median of what some runs take.
fn times<E>(mut run: impl FnMut() -> Result<(), E>) -> Result<Duration, E> {
    let mut times = [Duration::ZERO; 9];
    for time in &mut times {
        let start = Instant::now();
        run()?;
        *time = start.elapsed();
    }
    times.sort();
    Ok(times[times.len() / 2])
}

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Resident and anonymous bytes of a connegd that serves `webroot` and has answered some requests.
fn memory_of_server(webroot: &Path, count: usize) -> Result<(u64, u64), Box<dyn Error>> {
    let program = std::env::current_exe()?.parent().and_then(Path::parent).ok_or("no directory")?.join("connegd");
    let mut child =
        Command::new(program).args(["--listen", "127.0.0.1:0"]).arg(webroot).stdout(Stdio::piped()).spawn()?;
    let stdout = child.stdout.take().ok_or("no stdout")?;
    let server = Server(child);
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    let address = line.trim().strip_prefix("listening on http://").ok_or("no ready line")?;
    let mut stream = TcpStream::connect(address)?;
    for number in 0..count.min(1000) {
        let key = support::key(number * (count / count.min(1000)));
        write!(stream, "GET {key} HTTP/1.1\r\nHost: x\r\nAccept: text/markdown\r\n\r\n")?;
        let mut buffer = [0; 4096];
        let length = stream.read(&mut buffer)?;
        assert!(buffer[..length].starts_with(b"HTTP/1.1 200 "));
    }
    let status = fs::read_to_string(format!("/proc/{}/status", server.0.id()))?;
    let field = |name: &str| -> Result<u64, Box<dyn Error>> {
        let line = status.lines().find(|line| line.starts_with(name)).ok_or("no such line")?;
        Ok(line.split_whitespace().nth(1).ok_or("no figure")?.parse::<u64>()? * 1024)
    };
    Ok((field("VmRSS:")?, field("RssAnon:")?))
}
