//! Hosts by their names, and what each of them serves at the moment.
//!
//! A request looks a host up in a table that nobody changes: who adds or removes a host makes a new one. What a host
//! serves is replaced in its place. Neither waits for anybody: an answer that was begun finishes with what it began with.

use std::collections::HashMap;
use std::fmt;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, Guard};
use indexmap::IndexSet;

use super::site::Site;
use crate::http::host::{self, LONGEST};

/// For which hosts something is served.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HostName {
    /// Those that no other name is for.
    Default,
    /// The host of this name, in lower case, without a port.
    Exact(Box<[u8]>),
    /// All hosts in this domain, at any depth, unless there is a longer name for them.
    Below(Box<[u8]>),
}

/// What the file of the default host is called.
const DEFAULT: &str = "__default__";

impl HostName {
    /// The name that a file in a directory of virtual hosts has: `__default__`, `*.domain`, or a host. Names in other
    /// scripts are those that browsers make of them (UTS 46).
    ///
    /// # Errors
    ///
    /// What is wrong, as the end of a sentence that begins with the file's name.
    pub fn of_file(name: &str) -> Result<HostName, String> {
        if name == DEFAULT {
            return Ok(HostName::Default);
        }
        let (domain, make): (_, fn(_) -> _) = match name.strip_prefix("*.") {
            Some(domain) => (domain, HostName::Below),
            None => (name, HostName::Exact),
        };
        let is_wildcard = domain.len() < name.len();
        let domain = domain.strip_suffix('.').unwrap_or(domain);
        let wrong = || format!("is no name of a host; name it example.com, *.example.com or {DEFAULT}");
        // Nothing lies below an address.
        if is_wildcard && host::is_address(domain.as_bytes()) {
            return Err(wrong());
        }
        if domain.starts_with('[') {
            let lower = domain.to_ascii_lowercase();
            return Some(make(lower.as_bytes().into())).filter(|_| is_valid(&lower)).ok_or_else(wrong);
        }
        let ascii = idna::domain_to_ascii(domain)
            .ok()
            .filter(|ascii| !ascii.is_empty() && !ascii.contains('*') && is_valid(ascii));
        ascii.map(|ascii| make(ascii.into_bytes().into())).ok_or_else(wrong)
    }
}

/// Whether a request can have this name, without a port.
fn is_valid(name: &str) -> bool {
    crate::http::target::is_valid_host(name.as_bytes())
        && host::name(name.as_bytes(), &mut [0; LONGEST]) == Some(name.as_bytes())
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HostName::Default => f.write_str(DEFAULT),
            HostName::Exact(name) => f.write_str(&String::from_utf8_lossy(name)),
            HostName::Below(domain) => write!(f, "*.{}", String::from_utf8_lossy(domain)),
        }
    }
}

/// All hosts.
#[derive(Debug, Default)]
pub struct Hosts {
    table: ArcSwap<Table>,
    /// All names that there ever were, in the order of their numbers. Held by who changes the table.
    names: Mutex<IndexSet<HostName>>,
    /// The same as they are shown, for those who serve: they wait for nobody.
    shown: ArcSwap<Vec<Box<str>>>,
    swaps: AtomicU64,
    refusals: AtomicU64,
}

/// Stands for the name of a host, also when it is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostNumber(u32);

/// What a host serves. There is always something; a host that has nothing to serve is removed.
#[derive(Debug)]
struct Host {
    number: HostNumber,
    site: ArcSwap<Site>,
}

/// A site for as long as it takes to answer from it.
#[derive(Debug)]
pub struct Serving {
    site: Guard<Arc<Site>>,
    host: HostNumber,
}

impl Serving {
    /// The host that it is served for.
    pub fn host(&self) -> HostNumber {
        self.host
    }
}

impl Deref for Serving {
    type Target = Arc<Site>;

    fn deref(&self) -> &Arc<Site> {
        &self.site
    }
}

#[derive(Clone, Debug, Default)]
struct Table {
    exact: HashMap<Box<[u8]>, Arc<Host>>,
    below: HashMap<Box<[u8]>, Arc<Host>>,
    default: Option<Arc<Host>>,
}

impl Hosts {
    /// The site that answers a request with this authority: that of the host's own name, else that of the longest domain
    /// which it lies in, else the default. Costs one hash; where there are domains, one more for each label of a name
    /// that has no site of its own.
    pub fn find(&self, authority: &[u8]) -> Option<Serving> {
        self.table.load().find(authority).map(|host| host.serving())
    }

    /// The site that answers where the host is not known.
    pub fn default_site(&self) -> Option<Serving> {
        self.table.load().default.as_ref().map(|host| host.serving())
    }

    /// The site of the host of this very name.
    pub fn site_of(&self, name: &HostName) -> Option<Serving> {
        self.table.load().host(name).map(|host| host.serving())
    }

    /// The names that something is served for, in order.
    pub fn names(&self) -> Vec<HostName> {
        let table = self.table.load();
        let exact = table.exact.keys().cloned().map(HostName::Exact);
        let below = table.below.keys().cloned().map(HostName::Below);
        let mut names: Vec<_> = exact.chain(below).chain(table.default.iter().map(|_| HostName::Default)).collect();
        names.sort_unstable();
        names
    }

    /// The name that a number stands for.
    pub fn name_of(&self, number: HostNumber) -> Option<HostName> {
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.get_index(number.0 as usize).cloned()
    }

    /// Lets `body` see how the name is shown that a number stands for.
    pub(super) fn with_shown<T>(&self, number: HostNumber, body: impl FnOnce(&str) -> T) -> Option<T> {
        self.shown.load().get(number.0 as usize).map(|shown| body(shown))
    }

    /// How often a host was given another site.
    pub fn swaps(&self) -> u64 {
        self.swaps.load(Ordering::Relaxed)
    }

    /// How often a site was not let in.
    pub fn refusals(&self) -> u64 {
        self.refusals.load(Ordering::Relaxed)
    }

    /// A webroot could not be served, or a site not be packed.
    pub fn note_refusal(&self) {
        self.refusals.fetch_add(1, Ordering::Relaxed);
    }

    /// How many names have something of their own to serve.
    pub fn count(&self) -> usize {
        let table = self.table.load();
        table.exact.len() + table.below.len() + usize::from(table.default.is_some())
    }

    /// Lets hosts serve these sites from now on, and others nothing of their own any more.
    pub fn change(&self, sites: impl IntoIterator<Item = (HostName, Arc<Site>)>, gone: &[HostName]) {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let current = self.table.load();
        // Copied once, and only if there is a name more or less.
        let mut changed = (!gone.is_empty()).then(|| Table::clone(&current));
        if let Some(table) = &mut changed {
            gone.iter().for_each(|name| table.remove(name));
        }
        for (name, site) in sites {
            match changed.as_ref().unwrap_or(&current).host(&name) {
                Some(host) => {
                    host.site.store(site);
                    self.swaps.fetch_add(1, Ordering::Relaxed);
                }
                None => {
                    let number = HostNumber(names.insert_full(name.clone()).0 as u32);
                    let host = Arc::new(Host { number, site: ArcSwap::new(site) });
                    changed.get_or_insert_with(|| Table::clone(&current)).insert(name, host);
                }
            }
        }
        if self.shown.load().len() < names.len() {
            self.shown.store(Arc::new(names.iter().map(|name| name.to_string().into()).collect()));
        }
        if let Some(table) = changed {
            self.table.store(Arc::new(table));
        }
    }
}

impl Host {
    fn serving(&self) -> Serving {
        Serving { site: self.site.load(), host: self.number }
    }
}

impl Table {
    fn find(&self, authority: &[u8]) -> Option<&Arc<Host>> {
        let named = if self.exact.is_empty() && self.below.is_empty() { None } else { self.find_named(authority) };
        named.or(self.default.as_ref())
    }

    fn find_named(&self, authority: &[u8]) -> Option<&Arc<Host>> {
        let mut scratch = [0; LONGEST];
        let name = host::name(authority, &mut scratch)?;
        if let Some(host) = self.exact.get(name) {
            return Some(host);
        }
        if self.below.is_empty() {
            return None;
        }
        host::domains(name).find_map(|domain| self.below.get(domain))
    }

    fn host(&self, name: &HostName) -> Option<&Arc<Host>> {
        match name {
            HostName::Default => self.default.as_ref(),
            HostName::Exact(name) => self.exact.get(name),
            HostName::Below(domain) => self.below.get(domain),
        }
    }

    fn insert(&mut self, name: HostName, host: Arc<Host>) {
        match name {
            HostName::Default => self.default = Some(host),
            HostName::Exact(name) => drop(self.exact.insert(name, host)),
            HostName::Below(domain) => drop(self.below.insert(domain, host)),
        }
    }

    fn remove(&mut self, name: &HostName) {
        match name {
            HostName::Default => self.default = None,
            HostName::Exact(name) => drop(self.exact.remove(name)),
            HostName::Below(domain) => drop(self.below.remove(domain)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::site::tests::site;

    fn hosts(names: &[&str]) -> Hosts {
        let hosts = Hosts::default();
        hosts.change(names.iter().map(|name| (HostName::of_file(name).expect("a name"), site(name))), &[]);
        hosts
    }

    fn found(hosts: &Hosts, authority: &str) -> Option<String> {
        hosts.find(authority.as_bytes()).map(|site| site.name().to_string())
    }

    #[test]
    fn the_most_specific_name_answers() {
        let all = ["example.com", "*.example.com", "*.b.example.com", "Bücher.example", "[::1]", "__default__"];
        let hosts = hosts(&all);
        for (authority, expected) in [
            ("example.com", "example.com"),
            ("EXAMPLE.com.:8080", "example.com"),
            ("a.example.com", "*.example.com"),
            ("x.y.example.com", "*.example.com"),
            ("a.b.example.com", "*.b.example.com"),
            ("b.example.com", "*.example.com"),
            ("xexample.com", "__default__"),
            ("xn--bcher-kva.example", "Bücher.example"),
            ("[::1]:80", "[::1]"),
            ("", "__default__"),
            (&"a.".repeat(200), "__default__"),
        ] {
            assert_eq!(found(&hosts, authority).as_deref(), Some(expected), "{authority}");
        }
        hosts.change([], &[HostName::Default]);
        assert_eq!(found(&hosts, "other"), None);
        assert!(hosts.default_site().is_none());
        hosts.change([], &[HostName::of_file("*.b.example.com").expect("a name")]);
        assert_eq!(found(&hosts, "a.b.example.com").as_deref(), Some("*.example.com"));
        assert_eq!(found(&self::hosts(&["a"]), "b"), None);
    }

    #[test]
    fn a_site_goes_when_its_last_answer_is_done() {
        let hosts = hosts(&["a", "b"]);
        let old = hosts.find(b"a").expect("a site");
        let weak = Arc::downgrade(&old);
        hosts.change([(HostName::of_file("a").expect("a name"), site("new"))], &[]);
        assert_eq!((found(&hosts, "a").as_deref(), old.name()), (Some("new"), "a"));
        assert!(weak.upgrade().is_some());
        drop(old);
        assert!(weak.upgrade().is_none());
        let removed = Arc::downgrade(&hosts.find(b"b").expect("a site"));
        hosts.change([], &[HostName::of_file("b").expect("a name")]);
        assert!(removed.upgrade().is_none());
    }

    #[test]
    fn names_of_files() {
        let addresses = ["[::1", "*.[::1]", "*.0.0.1"];
        for name in
            ["a b", "a/b", "", "*", "*.", "a..b:80", "*.*.a", "a_\u{0}b", &"a".repeat(256)].iter().chain(&addresses)
        {
            assert!(HostName::of_file(name).is_err(), "{name:?}");
        }
        for (name, shown) in [
            ("Example.COM", "example.com"),
            ("example.com.", "example.com"),
            ("*.Straße.de", "*.xn--strae-oqa.de"),
            ("my_host", "my_host"),
            ("127.0.0.1", "127.0.0.1"),
            ("[2001:DB8::1]", "[2001:db8::1]"),
            ("__default__", "__default__"),
        ] {
            assert_eq!(HostName::of_file(name).map(|name| name.to_string()).as_deref(), Ok(shown), "{name:?}");
        }
    }
}
