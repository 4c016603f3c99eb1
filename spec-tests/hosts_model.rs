//! Random things happen to the files of fifty hosts, while requests go on; a simple model says what each host may serve.
//!
//! The server looks at files whenever it is told of a change, so of several changes in a row it may see any but the last,
//! which it sees for certain. The model follows all it can have seen.

use std::collections::HashSet;
use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::support::manager::Manager;
use crate::support::random::Random;
use crate::support::{Connection, Response, Workshop, connegd_command, eventually, text};

/// How many hosts there are.
const HOSTS: usize = 50;
/// To the files of these nothing happens but what leaves each file as it was.
const ATOMIC: usize = 40;
/// How many different webroots there are.
const VERSIONS: usize = 6;
/// After so many steps, on average, all targets are others.
const RELEASE: usize = 60;
/// How many things happen before the server must be what the model is.
const BURST: usize = 40;

/// What is in a file, and which one it is: the same one after somebody has written to it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct File {
    identity: usize,
    /// How often it has been written to.
    writes: usize,
    /// `None` if it is no sound webroot.
    version: Option<usize>,
}

/// What a host serves.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum State {
    Gone,
    /// What this file held when it was opened.
    Serving(File),
    /// What was opened has been written to.
    Withdrawn,
}

/// A host's entry: a file, or a link to one.
#[derive(Clone, Debug, Default)]
struct Entry {
    is_link: bool,
    /// What it leads to.
    file: Option<File>,
    /// All files that there have been, as they are now.
    files: Vec<File>,
}

struct Host {
    entry: Entry,
    /// What the server may be serving, whatever of the past it has seen.
    states: HashSet<State>,
}

impl Host {
    /// What becomes of a state when the server looks at the entry.
    fn looked_at(&self, state: State) -> State {
        let is_written_to = |opened: &File| {
            self.entry.files.iter().any(|file| file.identity == opened.identity && file.writes != opened.writes)
        };
        match (self.entry.file, state) {
            (None, _) => State::Gone,
            (Some(file @ File { version: Some(_), .. }), _) => State::Serving(file),
            (Some(_), State::Serving(opened)) if is_written_to(&opened) => State::Withdrawn,
            (Some(_), state) => state,
        }
    }

    /// Something has happened; the server may have looked, or not yet.
    fn happened(&mut self) {
        let seen: Vec<_> = self.states.iter().map(|&state| self.looked_at(state)).collect();
        self.states.extend(seen);
    }

    /// What it may be once the server has looked for the last time.
    fn finally(&self) -> HashSet<State> {
        self.states.iter().map(|&state| self.looked_at(state)).collect()
    }
}

struct Model {
    directory: tempfile::TempDir,
    webroots: Vec<Vec<u8>>,
    hosts: Vec<Host>,
    random: Random,
    files: usize,
    /// How many directories of targets there have been.
    releases: usize,
}

impl Model {
    fn new(seed: u64) -> Model {
        let directory = tempfile::tempdir().expect("a temporary directory");
        for name in ["hosts", "releases/0"] {
            fs::create_dir_all(directory.path().join(name)).expect("a directory");
        }
        symlink("releases/0", directory.path().join("targets")).expect("a link");
        let page = |version: usize| format!("version {version}");
        let webroots = (0..VERSIONS).map(|version| {
            // Of different lengths, so that what is cut short of one is none of another.
            let padding = "x".repeat(5000 * (version + 1));
            Workshop::with_site(&[("index.html", page(version).as_bytes()), ("x.txt", padding.as_bytes())]).pack_bytes()
        });
        let gone = || Host { entry: Entry::default(), states: HashSet::from([State::Gone]) };
        let hosts = (0..HOSTS).map(|_| gone()).collect();
        Model { webroots: webroots.collect(), directory, hosts, random: Random::new(seed), files: 0, releases: 0 }
    }

    fn entry(&self, host: usize) -> PathBuf {
        self.directory.path().join(format!("hosts/h{host}.test"))
    }

    fn target(&self, host: usize) -> PathBuf {
        self.directory.path().join(format!("targets/{host}.webroot"))
    }

    /// The path of the file that a host's entry is or leads to.
    fn path(&self, host: usize) -> PathBuf {
        if self.hosts[host].entry.is_link { self.target(host) } else { self.entry(host) }
    }

    /// A file under a name, in place of what was there; a sound webroot or junk.
    fn put(&mut self, host: usize, path: &Path, is_sound: bool) {
        let version = is_sound.then(|| self.random.below(VERSIONS));
        let content = version.map_or(&b"no webroot"[..], |version| &self.webroots[version]);
        let temporary = path.with_file_name(".new");
        fs::write(&temporary, content).expect("a file");
        fs::rename(&temporary, path).expect("a new name");
        self.files += 1;
        let file = File { identity: self.files, writes: 0, version };
        let entry = &mut self.hosts[host].entry;
        entry.files.push(file);
        entry.file = Some(file);
    }

    /// Somebody writes to the file that is there.
    fn write(&mut self, host: usize, version: Option<usize>, write: impl FnOnce(&Path)) {
        let path = self.path(host);
        let entry = &mut self.hosts[host].entry;
        let Some(mut file) = entry.file else { return };
        file.writes += 1;
        file.version = version;
        entry.files.retain(|other| other.identity != file.identity);
        entry.files.push(file);
        entry.file = Some(file);
        write(&path);
    }

    /// All targets are others at once: the link on the way to them leads to another directory, or that is exchanged.
    fn release(&mut self) {
        let path = |number: usize| PathBuf::from(format!("releases/{number}"));
        let (former, next) = (path(self.releases), path(self.releases + 1));
        let root = self.directory.path().to_path_buf();
        fs::create_dir(root.join(&next)).expect("a directory");
        let linked: Vec<_> = (0..HOSTS).filter(|&host| self.hosts[host].entry.is_link).collect();
        let linked: Vec<_> = linked.into_iter().filter(|&host| self.hosts[host].entry.file.is_some()).collect();
        for &host in &linked {
            let name = self.target(host);
            self.put(host, &root.join(&next).join(name.file_name().expect("a name")), true);
        }
        if self.random.below(2) == 0 {
            symlink(&next, root.join("next")).expect("a link");
            fs::rename(root.join("next"), root.join("targets")).expect("a new name");
            self.releases += 1;
        } else {
            let (former, next) = (root.join(former), root.join(next));
            let flags = rustix::fs::RenameFlags::EXCHANGE;
            rustix::fs::renameat_with(rustix::fs::CWD, &former, rustix::fs::CWD, &next, flags).expect("an exchange");
            fs::remove_dir_all(next).expect("a directory");
        }
        linked.into_iter().for_each(|host| self.hosts[host].happened());
    }

    /// Lets something happen.
    fn step(&mut self) {
        if self.random.below(RELEASE) == 0 {
            self.release();
        }
        let host = self.random.below(HOSTS);
        let happening = self.random.below(if host < ATOMIC { 12 } else { 16 });
        let (entry, target, is_link) = (self.entry(host), self.target(host), self.hosts[host].entry.is_link);
        let has_file = self.hosts[host].entry.file.is_some();
        match happening {
            // Add or replace.
            0..=3 => {
                self.hosts[host].entry.is_link = false;
                self.put(host, &entry, true);
            }
            // Break: junk takes its place.
            4 => {
                let path = self.path(host);
                self.put(host, &path, false);
            }
            // Link: to a new file, in one step.
            5..=7 => {
                self.put(host, &target, true);
                let link = entry.with_file_name(".link");
                symlink(&target, &link).expect("a link");
                fs::rename(&link, &entry).expect("a new name");
                self.hosts[host].entry.is_link = true;
            }
            // Replace what the link leads to.
            8 if is_link => self.put(host, &target, true),
            // Unlink, or remove.
            9 | 10 if has_file => {
                fs::remove_file(&entry).expect("an entry");
                self.hosts[host].entry.file = None;
                self.hosts[host].entry.is_link = false;
            }
            // Delete what the link leads to.
            11 if is_link && has_file => {
                fs::remove_file(&target).expect("a target");
                self.hosts[host].entry.file = None;
            }
            // Truncate.
            12 => {
                let length = self.random.below(4000) as u64;
                let cut = |path: &Path| {
                    let file = fs::File::options().write(true).open(path).expect("a file");
                    file.set_len(length).expect("a length");
                };
                self.write(host, None, cut);
            }
            // Overwrite by another, in its place.
            13 | 14 => {
                let version = self.random.below(VERSIONS);
                let content = self.webroots[version].clone();
                self.write(host, Some(version), |path| fs::write(path, content).expect("a file"));
            }
            // Overwrite by junk, in its place.
            15 => self.write(host, None, |path| {
                let mut file = fs::File::options().write(true).open(path).expect("a file");
                file.write_all(b"no webroot").expect("a file");
            }),
            _ => return,
        }
        self.hosts[host].happened();
    }

    /// What a host serves, if that is what it may.
    fn check(&self, server: &mut Connection, host: usize) -> bool {
        let response = ask(server, host);
        let state = |state: &State| match state {
            State::Gone => response.status == 421,
            State::Withdrawn => response.status == 503,
            State::Serving(File { version: Some(version), .. }) => {
                response.status == 200 && text(&response.content) == format!("version {version}")
            }
            State::Serving(_) => false,
        };
        self.hosts[host].finally().iter().any(state)
    }
}

/// A page, or the reason why not. A connection that the server ends is opened again.
fn ask(connection: &mut Connection, host: usize) -> Response {
    let address = connection.peer();
    loop {
        connection.send_as_far_as_possible(format!("GET / HTTP/1.1\r\nHost: h{host}.test\r\n\r\n"));
        match connection.try_receive(false, false) {
            Ok(response) if response.field("Connection") == Some("close") => {
                *connection = Connection::to(address);
                return response;
            }
            Ok(response) => return response,
            Err(_) => *connection = Connection::to(address),
        }
    }
}

/// Asks random hosts for as long as it is told to. Whatever happens to the files, each answer is whole, and what leaves
/// files as they were is never seen half done.
fn go_on_asking(address: std::net::SocketAddr, seed: u64, stop: &AtomicBool, answered: &AtomicUsize) {
    let mut random = Random::new(seed);
    let mut connection = Connection::to(address);
    let mut tags = std::collections::HashMap::new();
    while !stop.load(Ordering::Relaxed) {
        let host = random.below(HOSTS);
        let response = ask(&mut connection, host);
        answered.fetch_add(1, Ordering::Relaxed);
        // Of a file that somebody has just begun to write to anything may be read, until that is noticed.
        if host < ATOMIC {
            assert!([200, 421].contains(&response.status), "{response:?}");
            if let Some(tag) = response.field("ETag") {
                let content = tags.entry(tag.to_string()).or_insert_with(|| response.content.clone());
                assert!(*content == response.content && content.starts_with(b"version "), "{response:?}");
            }
        }
    }
}

#[test]
fn hosts_are_what_the_model_says() {
    let bursts = std::env::var("CONNEGD_MODEL").ok().and_then(|text| text.parse().ok()).unwrap_or(12);
    let seed = std::env::var("CONNEGD_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let mut model = Model::new(seed);
    let mut command = connegd_command(&["--listen", "127.0.0.1:0", "--workers", "2", "--vhosts"]);
    command.arg(model.directory.path().join("hosts")).stderr(Stdio::null());
    let manager = Manager::new();
    let server = manager.start(command);
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..2)
        .map(|number| {
            let (stop, answered, address) = (stop.clone(), answered.clone(), server.address);
            std::thread::spawn(move || go_on_asking(address, number, &stop, &answered))
        })
        .collect();
    let mut connection = server.connect();
    let (mut slowest, mut steps) = (Duration::ZERO, 0);
    for burst in 0..bursts {
        for _ in 0..1 + model.random.below(BURST) {
            model.step();
            steps += 1;
        }
        let done = Instant::now();
        for host in 0..HOSTS {
            let what = format!("h{host} is one of {:?} after burst {burst}, seed {seed}", model.hosts[host].finally());
            eventually(&what, || model.check(&mut connection, host));
        }
        slowest = slowest.max(done.elapsed());
        // It may have been right before it had looked for the last time. When it has, nothing changes any more.
        manager.reload(&server);
        for _ in 0..2 {
            for host in 0..HOSTS {
                let what = format!("h{host} stays one of {:?}, seed {seed}", model.hosts[host].finally());
                eventually(&what, || model.check(&mut connection, host));
            }
        }
        for host in &mut model.hosts {
            host.states = host.finally();
        }
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.join().expect("all answers are whole");
    }
    let answered = answered.load(Ordering::Relaxed);
    println!(
        "{steps} steps, {answered} requests; the server was up to date {} ms after the last step at the latest",
        slowest.as_millis()
    );
}
