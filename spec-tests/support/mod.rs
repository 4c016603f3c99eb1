//! Running the two programs: sites made on the spot, servers on free ports, requests as raw bytes.

pub mod manager;
pub mod packed;
pub mod random;
pub mod table;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;

pub mod apache_server;

/// A read that takes this long has failed. It bounds hangs; no test relies on it.
const PATIENCE: Duration = Duration::from_secs(60);

/// The site that ships with the project.
pub fn chart_site() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/sites/chart")
}

/// A directory that is removed in the end, with room for a site and for what is made of it.
pub struct Workshop {
    directory: TempDir,
}

impl Workshop {
    /// With a site of these files (path, content).
    pub fn with_site(files: &[(&str, &[u8])]) -> Workshop {
        let workshop = Workshop { directory: tempfile::tempdir().expect("a temporary directory") };
        fs::create_dir(workshop.site()).expect("a site directory");
        for (path, content) in files {
            workshop.write(path, content);
        }
        workshop
    }

    /// With a site of files that hold their own paths.
    pub fn of_names(paths: &[&str]) -> Workshop {
        let files: Vec<_> = paths.iter().map(|path| (*path, path.as_bytes())).collect();
        Workshop::with_site(&files)
    }

    /// The same with one more file.
    pub fn and(self, path: &str, content: impl AsRef<[u8]>) -> Workshop {
        self.write(path, content.as_ref());
        self
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    pub fn site(&self) -> PathBuf {
        self.path().join("site")
    }

    pub fn out(&self) -> PathBuf {
        self.path().join("out.webroot")
    }

    /// Lets all files of the site be last changed at a time in seconds since 1970.
    pub fn changed_at(self, seconds: u64) -> Workshop {
        let time = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        for entry in walkdir::WalkDir::new(self.site()) {
            let entry = entry.expect("an entry");
            if entry.file_type().is_file() {
                let file = fs::File::options().append(true).open(entry.path()).expect("a file");
                file.set_modified(time).expect("a time");
            }
        }
        self
    }

    /// Writes a file of the site.
    pub fn write(&self, path: &str, content: &[u8]) {
        let path = self.site().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(path, content).expect("a file");
    }

    /// Packs the site into `out`, with negotiation.
    pub fn pack(&self) -> PathBuf {
        let output = mkroot(&[Path::new("--negotiate"), &self.site(), &self.out()]);
        assert!(output.status.success(), "mkroot failed: {}", text(&output.stderr));
        self.out()
    }

    /// The webroot of the site, with negotiation.
    pub fn pack_bytes(&self) -> Vec<u8> {
        fs::read(self.pack()).expect("a webroot")
    }

    /// Packs the site, with negotiation, and serves it.
    pub fn serve(&self) -> Server {
        Server::start(&self.pack())
    }

    /// What lies in the directory besides the site, sorted.
    pub fn entries(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path()).expect("the directory");
        let mut names: Vec<_> =
            entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.retain(|name| name != "site");
        names.sort();
        names
    }
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The program that a variable of the environment names, else the one that was built with the tests. Thus the
/// tests can be run on mutants.
fn program(variable: &str, built: &str) -> PathBuf {
    std::env::var_os(variable).map_or_else(|| built.into(), PathBuf::from)
}

/// What runs connegd.
pub fn connegd_command(arguments: &[&str]) -> Command {
    let mut command = Command::new(program("CONNEGD_BIN", env!("CARGO_BIN_EXE_connegd")));
    // What looks at the server from within may need rights that it gives up.
    let more = std::env::var("CONNEGD_FLAGS").unwrap_or_default();
    command.args(more.split_whitespace()).args(arguments).stdin(Stdio::null());
    command
}

/// Waits until something is so. That is for what happens in another process without anybody being told; it fails only
/// if it never happens.
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + PATIENCE;
    while !is_so() {
        assert!(std::time::Instant::now() < deadline, "it never happens: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Runs mkroot to its end.
pub fn mkroot<A: AsRef<std::ffi::OsStr>>(arguments: &[A]) -> Output {
    mkroot_command(arguments).output().expect("mkroot runs")
}

pub fn mkroot_command<A: AsRef<std::ffi::OsStr>>(arguments: &[A]) -> Command {
    let mut command = Command::new(program("MKROOT_BIN", env!("CARGO_BIN_EXE_mkroot")));
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Runs mkroot on a line of arguments in which `@` is the workshop; returns status, stdout, stderr.
pub fn run(workshop: &Workshop, line: &str) -> (i32, String, String) {
    let at = workshop.path().to_str().expect("a path in UTF-8");
    let arguments: Vec<_> = line.split_whitespace().map(|word| word.replace('@', at)).collect();
    let output = mkroot(&arguments);
    let shown = |bytes: &[u8]| text(bytes).replace(at, "@");
    (output.status.code().expect("an exit status"), shown(&output.stdout), shown(&output.stderr))
}

/// The target that a reference in the answer to `target` leads to (RFC 3986, section 5.2); it must not leave the
/// server.
pub fn resolve(target: &str, reference: &str) -> String {
    let first = reference.split(['/', '?', '#']).next().unwrap_or_default();
    assert!(!first.contains(':') && !reference.starts_with("//"), "{reference} leads to another server");
    let path = target.split('?').next().unwrap_or_default();
    let directory = if reference.starts_with('/') { "" } else { &path[..=path.rfind('/').expect("a slash")] };
    let mut segments = Vec::new();
    for segment in format!("{directory}{reference}").split('/') {
        match segment {
            "." => {}
            ".." => drop(segments.pop()),
            _ => segments.push(segment.to_string()),
        }
    }
    segments.join("/")
}

/// A running connegd. It is told to end when it is dropped, and must do so with status 0.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
    /// What else it has said where it is to be found, a line each.
    pub announced: Vec<String>,
}

impl Server {
    /// Serves a webroot or a site on a free port.
    pub fn start(source: &Path) -> Server {
        Server::start_with(source, &[], Stdio::inherit())
    }

    /// The same with further arguments.
    pub fn start_with_flags(source: &Path, flags: &[&str]) -> Server {
        Server::start_with(source, flags, Stdio::inherit())
    }

    /// As [`Server::start`], for sites that give cause for warnings.
    pub fn start_in_silence(source: &Path) -> Server {
        Server::start_in_silence_with(source, &[])
    }

    /// The same with further arguments.
    pub fn start_in_silence_with(source: &Path, flags: &[&str]) -> Server {
        Server::start_with(source, flags, Stdio::null())
    }

    fn start_with(source: &Path, flags: &[&str], stderr: Stdio) -> Server {
        let mut command = Server::command(source, flags);
        command.stderr(stderr);
        Server::run(command)
    }

    /// What starts connegd on a free port.
    pub fn command(source: &Path, flags: &[&str]) -> Command {
        let mut command = connegd_command(&["--listen", "127.0.0.1:0", "--workers", "2"]);
        command.args(flags).arg(source);
        command
    }

    /// Starts connegd by such a command.
    pub fn run(command: Command) -> Server {
        Server::ready(Server::begin(command))
    }

    /// Begins to start connegd by such a command.
    pub fn begin(mut command: Command) -> Child {
        command.stdout(Stdio::piped());
        command.spawn().expect("connegd starts")
    }

    /// Waits until a connegd that is being started is ready.
    pub fn ready(mut child: Child) -> Server {
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout"));
        stdout.read_line(&mut line).expect("a ready line");
        // All of it is written at once.
        let announced = text(stdout.buffer()).lines().map(String::from).collect();
        child.stdout = Some(stdout.into_inner());
        let address = line.trim_end().split_once("://").filter(|(before, _)| before.starts_with("listening on http"));
        let address = address.map(|(_, address)| address.parse());
        match address {
            Some(Ok(address)) => Server { child, address, announced },
            other => panic!("not a ready line: {line:?} {other:?}"),
        }
    }

    /// Where it tells about itself.
    pub fn operations(&self) -> SocketAddr {
        let address = self.announced.iter().find_map(|line| line.strip_prefix("operations on http://"));
        address.and_then(|address| address.parse().ok()).expect("an address for operations")
    }

    /// What it writes to stdout until it ends, besides what it has announced.
    pub fn output(mut self) -> String {
        self.terminate();
        let mut output = String::new();
        self.child.stdout.as_mut().expect("stdout").read_to_string(&mut output).expect("output");
        output
    }

    pub fn connect(&self) -> Connection {
        Connection::to(self.address)
    }

    /// As [`Server::connect`], from another address of this machine.
    pub fn connect_from(&self, address: [u8; 4]) -> Connection {
        let socket = rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::STREAM, None);
        let socket = socket.expect("a socket");
        rustix::net::bind(&socket, &SocketAddr::from((address, 0))).expect("an address of this machine");
        rustix::net::connect(&socket, &self.address).expect("a connection");
        Connection::over(socket.into())
    }

    /// One request on a connection of its own: method and target, further field lines.
    pub fn request(&self, method: &str, target: &str, fields: &[&str]) -> Response {
        let mut connection = self.connect();
        connection.send(head(method, target, fields));
        connection.receive(method == "HEAD")
    }

    pub fn get(&self, target: &str, fields: &[&str]) -> Response {
        self.request("GET", target, fields)
    }

    /// Ends it, and returns what it has said on stderr, if that is a pipe.
    pub fn messages(self) -> String {
        self.terminate();
        self.last_messages()
    }

    /// What it says on stderr until it ends of itself, if that is a pipe.
    pub fn last_messages(mut self) -> String {
        let mut messages = String::new();
        let stderr = self.child.stderr.as_mut().expect("a pipe");
        stderr.read_to_string(&mut messages).expect("messages");
        messages
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        self.signal(rustix::process::Signal::TERM);
    }

    /// Sends a signal.
    pub fn signal(&self, to_send: rustix::process::Signal) {
        signal(&self.child, to_send);
    }

    /// The number of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the end; returns the exit status.
    pub fn wait(&mut self) -> Option<i32> {
        self.child.wait().expect("connegd ends").code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.child.try_wait().expect("the state of connegd").is_none() {
            self.terminate();
        }
        let status = self.wait();
        if !std::thread::panicking() {
            assert_eq!(status, Some(0), "connegd did not end well");
        }
    }
}

/// Sends a signal to a process.
pub fn signal(child: &Child, signal: rustix::process::Signal) {
    rustix::process::kill_process(rustix::process::Pid::from_child(child), signal).expect("a signal");
}

/// The head of a request over HTTP/1.1.
pub fn head(method: &str, target: &str, fields: &[&str]) -> String {
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n");
    for field in fields {
        head += field;
        head += "\r\n";
    }
    head + "\r\n"
}

/// A connection to a server.
pub struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Connection {
    pub fn to(address: SocketAddr) -> Connection {
        Connection::over(TcpStream::connect(address).expect("a connection"))
    }

    fn over(stream: TcpStream) -> Connection {
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket option");
        stream.set_write_timeout(Some(PATIENCE)).expect("a socket option");
        stream.set_nodelay(true).expect("a socket option");
        Connection { stream, received: Vec::new() }
    }

    /// The stream itself.
    pub fn into_stream(self) -> TcpStream {
        self.stream
    }

    /// The server's address.
    pub fn peer(&self) -> SocketAddr {
        self.stream.peer_addr().expect("a connection")
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).expect("the server reads");
    }

    /// The same to a server that may have had enough.
    pub fn send_as_far_as_possible(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref());
    }

    /// The same; returns whether the server has ended the connection.
    pub fn try_send(&mut self, bytes: &str) -> bool {
        self.stream.write_all(bytes.as_bytes()).is_err()
    }

    /// Reads once; returns how many bytes that were, and 0 if the connection has ended.
    pub fn read_at_most(&mut self, count: usize) -> usize {
        self.stream.read(&mut vec![0; count]).unwrap_or(0)
    }

    /// Receives one response; that to a HEAD has no content.
    pub fn receive(&mut self, to_head: bool) -> Response {
        self.try_receive(to_head, false).unwrap_or_else(|wrong| panic!("{wrong}"))
    }

    /// As [`Connection::receive`], with an error instead of a panic. An interim response is passed over, unless one is
    /// `awaited`.
    pub fn try_receive(&mut self, to_head: bool, awaited: bool) -> Result<Response, String> {
        let end = loop {
            if let Some(end) = self.received.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end + 4;
            }
            self.read_some()?;
        };
        let head = text(&self.received[..end]);
        self.received.drain(..end);
        let mut lines = head.trim_end().split("\r\n");
        let status_line = lines.next().unwrap_or_default().to_string();
        let status = status_line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
        let status: u16 = status.ok_or_else(|| format!("not a status line: {status_line:?}"))?;
        let fields: Result<Vec<_>, _> = lines
            .map(|line| line.split_once(": ").ok_or_else(|| format!("not a field line: {line:?}")))
            .map(|field| field.map(|(name, value)| (name.to_string(), value.to_string())))
            .collect();
        let mut response = Response { status, status_line, fields: fields?, content: Vec::new() };
        if status < 200 && !awaited {
            return self.try_receive(to_head, false);
        }
        if to_head || status < 200 || status == 304 {
            return Ok(response);
        }
        let length = response.field("Content-Length").and_then(|length| length.parse().ok());
        let length: usize = length.ok_or_else(|| format!("no length: {:?}", response.fields))?;
        while self.received.len() < length {
            self.read_some()?;
        }
        response.content = self.received.drain(..length).collect();
        Ok(response)
    }

    fn read_some(&mut self) -> Result<(), String> {
        let mut buffer = [0; 65536];
        let count = self.stream.read(&mut buffer).map_err(|error| format!("no answer: {error}"))?;
        if count == 0 {
            return Err(format!("the server closed the connection; received so far: {}", text(&self.received)));
        }
        self.received.extend(&buffer[..count]);
        Ok(())
    }

    /// Reads to the end of the connection, or to its failure; returns how many bytes that were.
    pub fn drain(&mut self) -> usize {
        let mut count = std::mem::take(&mut self.received).len();
        let mut buffer = [0; 65536];
        while let Ok(read @ 1..) = self.stream.read(&mut buffer) {
            count += read;
        }
        count
    }

    /// Whether the server closes the connection without sending anything more.
    pub fn is_closed(&mut self) -> bool {
        self.received.is_empty() && matches!(self.stream.read(&mut [0; 1]), Ok(0))
    }

    /// Waits for the first bytes and leaves them where they are.
    pub fn peek(&self, first: &mut [u8]) {
        while self.stream.peek(first).expect("the server answers") < first.len() {}
    }

    /// Says that no more requests will come.
    pub fn finish_sending(&self) {
        self.stream.shutdown(std::net::Shutdown::Write).expect("a shutdown");
    }
}

/// A response.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub status_line: String,
    pub fields: Vec<(String, String)>,
    pub content: Vec<u8>,
}

impl Response {
    /// The value of a field; it must not be there twice.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} is there twice: {:?}", self.fields);
        value
    }

    /// The fields without Date, by which no two responses need agree.
    pub fn undated(&self) -> Vec<(String, String)> {
        self.fields.iter().filter(|(name, _)| name != "Date").cloned().collect()
    }

    pub fn text(&self) -> String {
        text(&self.content)
    }

    /// What came of the request in one word: the content of a 200, else the status.
    pub fn outcome(&self) -> String {
        if self.status == 200 { self.text() } else { self.status.to_string() }
    }
}
