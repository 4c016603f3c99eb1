//! connegd beside Apache: `policy = "apache"` promises the answers of mod_negotiation, so both get the same random
//! sites and requests, and every difference is a fault.
//!
//! `CONNEGD_DIFFERENTIAL` says how many sites there are, `CONNEGD_SEED` which: site *n* of seed *s* is site 0 of
//! seed *s + n*. Of each kind of difference a case is made as small as can be and printed; `CONNEGD_SHOWN` says of
//! how many, and with 0 the first difference ends it all, which is enough for mutants.py. `CONNEGD_FEATURES` leaves out
//! features: it names those that stay, with commas.

mod case;
mod compare;
mod generate;
mod shrink;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::support::apache_server::Apache;
use crate::support::random::Random;
use crate::support::{Connection, Response, Server, Workshop, text};
use case::{Case, Request, Site};
use compare::{Answers, Difference, Kind, Verdict, judge};
use generate::Features;

/// Sites of an ordinary run of the tests, requests to each, and the seed.
const SITES: u64 = 12;
const REQUESTS: usize = 70;
const SEED: u64 = 2295;

/// Kinds of differences of which one case is made small and shown; `CONNEGD_SHOWN` says otherwise.
const SHOWN: u64 = 3;

#[test]
fn the_apache_policy_answers_as_apache_does() {
    if !Apache::is_installed() {
        // Written past the test runner, which would keep it to itself.
        let _ = writeln!(std::io::stderr(), "SKIPPED apache_differential: there is no Apache");
        return;
    }
    let features = Features::named(std::env::var("CONNEGD_FEATURES").ok().as_deref());
    let (sites, seed) = (number("CONNEGD_DIFFERENTIAL", SITES), number("CONNEGD_SEED", SEED));
    let shown = number("CONNEGD_SHOWN", SHOWN) as usize;
    let stand = Stand::new();
    let mut tried = 0;
    let mut statuses = BTreeMap::<u16, usize>::new();
    let mut excepted = BTreeMap::<&str, usize>::new();
    // By kind, the seeds and the cases.
    let mut wrong = BTreeMap::<Kind, Vec<(u64, Case)>>::new();
    for seed in seed..seed + sites {
        if shown == 0 && !wrong.is_empty() {
            break;
        }
        tried += 1;
        let mut random = Random::new(seed);
        let site = generate::site(&mut random, features);
        let mut pair = stand.serve(&site);
        for _ in 0..REQUESTS {
            let request = generate::request(&mut random, features, &site);
            let case = Case { site: site.clone(), request };
            let context = Context(&case, seed);
            let answers = pair.ask(&case);
            drop(context);
            *statuses.entry(answers.apache.status).or_default() += 1;
            match judge(&case, &answers) {
                Verdict::Same => {}
                Verdict::Excepted(reason) => *excepted.entry(reason).or_default() += 1,
                Verdict::Wrong(kind, _) => wrong.entry(kind).or_default().push((seed, case)),
            }
        }
    }
    println!(
        "after {tried} sites from seed {seed}, {REQUESTS} requests each; Apache's answers by status: {statuses:?}"
    );
    for (reason, count) in &excepted {
        println!("{count} differ with a reason: {reason}");
    }
    for ((theirs, ours, fields), cases) in &wrong {
        println!("{} differ: Apache {theirs}, connegd {ours}, in {}", cases.len(), fields.join(", "));
    }
    for (kind, cases) in wrong.iter().take(shown) {
        let (seed, case) = &cases[0];
        let is_as_wrong = |case: &Case| {
            let verdict = judge(case, &stand.serve(&case.site).ask(case));
            matches!(verdict, Verdict::Wrong(other, _) if other == *kind)
        };
        let small = shrink::shrink(case.clone(), is_as_wrong);
        println!("{}", stand.report(&small, *seed));
    }
    assert!(wrong.is_empty(), "connegd does not answer as Apache does");
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{variable} is no number")))
}

/// Apache, which serves all sites that are tried.
struct Stand {
    apache: Apache,
    workshop: Workshop,
    hosts: Cell<usize>,
}

impl Stand {
    fn new() -> Stand {
        let workshop = Workshop::with_site(&[]);
        Stand { apache: Apache::start_for_hosts(&workshop.site()), workshop, hosts: Cell::new(0) }
    }

    /// Where the site of a host is.
    fn site(&self, host: &str) -> PathBuf {
        self.workshop.site().join(host)
    }

    /// Both servers, ready to answer for a site.
    fn serve(&self, site: &Site) -> Pair<'_> {
        self.hosts.set(self.hosts.get() + 1);
        let host = format!("site-{}", self.hosts.get());
        site.write(&self.site(&host));
        let server = Server::start_in_silence(&self.site(&host));
        let (apache, ours) = (Peer::new(self.apache.address), Peer::new(server.address));
        Pair { stand: self, host, apache, ours, _server: server }
    }

    /// Everything that is needed to understand a difference.
    fn report(&self, case: &Case, seed: u64) -> String {
        let answers = self.serve(&case.site).ask(case);
        let mut report = format!("\n== CONNEGD_SEED={seed} CONNEGD_DIFFERENTIAL=1\n{}", describe(case));
        for (whose, response) in [("Apache", &answers.apache), ("connegd", &answers.ours)] {
            let _ = writeln!(report, "-- {whose}\n{}", response.status_line);
            for (name, value) in &response.fields {
                let _ = writeln!(report, "{name}: {value}");
            }
            if response.status == 200 {
                let _ = writeln!(report, "{}", compare::content(&response.content));
            }
        }
        if let Verdict::Wrong(_, differences) = judge(case, &answers) {
            for Difference { what, apache, ours } in differences {
                let _ = writeln!(report, "!! {what}: Apache {apache:?}, connegd {ours:?}");
            }
        }
        report
    }
}

/// Two servers of one site.
struct Pair<'s> {
    stand: &'s Stand,
    host: String,
    apache: Peer,
    ours: Peer,
    _server: Server,
}

impl Pair<'_> {
    fn ask(&mut self, Case { site, request }: &Case) -> Answers {
        let apache = self.apache.ask(request, &request.bytes_for_apache(&self.host, site.transparent));
        Answers { apache, ours: self.ours.ask(request, &request.bytes(&self.host)) }
    }
}

impl Drop for Pair<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.stand.site(&self.host));
    }
}

/// A server, with a connection to it as long as it keeps one.
struct Peer {
    address: SocketAddr,
    connection: Option<Connection>,
}

impl Peer {
    fn new(address: SocketAddr) -> Peer {
        Peer { address, connection: None }
    }

    fn ask(&mut self, request: &Request, bytes: &[u8]) -> Response {
        let mut connection = self.connection.take().unwrap_or_else(|| Connection::to(self.address));
        connection.send(bytes);
        let response = connection.receive(request.method == "HEAD");
        let option = response.fields.iter().find(|(name, _)| name.eq_ignore_ascii_case("Connection"));
        let keeps = match option {
            Some((_, option)) => !option.eq_ignore_ascii_case("close"),
            None => !request.version.ends_with('0'),
        };
        self.connection = keeps.then_some(connection);
        response
    }
}

/// Says which case it was if something panics.
struct Context<'c>(&'c Case, u64);

impl Drop for Context<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("in site {}:\n{}", self.1, describe(self.0));
        }
    }
}

/// A case, for people.
fn describe(case: &Case) -> String {
    let mut text_of = String::new();
    for path in case.site.files.keys() {
        let content = compare::content(&case.site.content(path));
        let _ = writeln!(text_of, "{path}: {content}");
    }
    for directory in case.site.settings.keys() {
        let _ = writeln!(text_of, "-- {directory}.mkroot.toml\n{}", case.site.toml(directory).trim_end());
        let _ = writeln!(text_of, "-- {directory}.htaccess\n{}", case.site.htaccess(directory).trim_end());
    }
    let _ = writeln!(text_of, "-- request\n{}", text(&case.request.bytes("site")).trim_end());
    text_of
}
