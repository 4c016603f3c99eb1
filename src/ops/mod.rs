//! What a server tells those who run it: its numbers, whether it is well, what it serves, and why it answers as it does.

pub mod explain;
mod metrics;
mod process;

use std::cell::OnceCell;
use std::fmt::Debug;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use serde::Serialize;

use crate::answer::Answer;
use crate::http::Status;
use crate::http::response::push_field;
use crate::runtime::{AccessLog, Desk, HostName, Hosts, Inquiry, Metrics, Overview, Site, Tls};
use explain::Subject;

/// The desk at which operators ask.
#[derive(Debug)]
pub struct Operations {
    /// What is served.
    pub hosts: Arc<Hosts>,
    /// How the server is doing.
    pub overview: Overview,
    /// What it has counted.
    pub metrics: Arc<Metrics>,
    /// The access log, if it writes one.
    pub log: Option<Arc<AccessLog>>,
    /// Where sites can be had: `http` or `https`, and an address.
    pub origin: (&'static str, SocketAddr),
    /// What makes connections secure, if they are.
    pub tls: Option<Arc<Tls>>,
}

/// A desk at which only decisions are explained, among the pages of every host.
#[derive(Debug)]
pub struct Explainer {
    /// What is served.
    pub hosts: Arc<Hosts>,
}

/// Where that is.
const EXPLAIN: &[u8] = b"/explain";

impl Desk for Explainer {
    fn takes(&self, target: &[u8]) -> bool {
        split(target).0 == EXPLAIN
    }

    fn answer(&self, inquiry: &Inquiry) -> Answer<'static> {
        let host = String::from_utf8_lossy(&inquiry.host);
        let scheme = if inquiry.is_secure { "https" } else { "http" };
        let origin = (!host.is_empty()).then(|| format!("{scheme}://{host}"));
        explanation(&self.hosts, split(&inquiry.target).1, |_| origin.clone())
    }
}

/// What OpenMetrics are, as a media type.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";
const PLAIN: &str = "text/plain; charset=utf-8";

/// The page at the root.
const INDEX: &str = include_str!("index.html");

impl Desk for Operations {
    fn takes(&self, _target: &[u8]) -> bool {
        true
    }

    fn answer(&self, inquiry: &Inquiry) -> Answer<'static> {
        let (path, query) = split(&inquiry.target);
        match path {
            b"/" => reply(Status::Ok, HTML, INDEX.into()),
            b"/metrics" => reply(Status::Ok, OPENMETRICS, metrics::exposition(self)),
            b"/healthz" => reply(Status::Ok, PLAIN, "ok\n".into()),
            b"/readyz" => match self.reason_not_to_ask() {
                None => reply(Status::Ok, PLAIN, "ready\n".into()),
                Some(reason) => reply(Status::ServiceUnavailable, PLAIN, format!("{reason}\n")),
            },
            b"/sites" => reply(Status::Ok, JSON, self.sites()),
            EXPLAIN => explanation(&self.hosts, query, |host| Some(self.origin_of(host, inquiry))),
            _ => reply(Status::NotFound, PLAIN, "there are /metrics, /healthz, /readyz, /sites and /explain\n".into()),
        }
    }
}

/// A site, as `/sites` tells of it.
#[derive(Debug, Serialize)]
struct ListedSite {
    /// The name that it is served under.
    host: String,
    /// What messages call it: the path of a webroot or of a directory.
    name: String,
    /// The build of the webroot, in hexadecimal.
    build: String,
    /// When it was opened, in seconds since 1970.
    opened: u64,
    /// How long it has been served.
    age_seconds: u64,
    resources: usize,
    /// Length of the file.
    bytes: u64,
    /// What of it serving reads besides contents, and so should be in memory.
    index_bytes: u64,
    /// Whether it is sent; not if somebody has written to its file.
    available: bool,
}

impl Operations {
    /// Why this server should not be asked, if there is a reason.
    fn reason_not_to_ask(&self) -> Option<&'static str> {
        if self.overview.is_stopping() {
            Some("it is about to end")
        } else if self.hosts.count() == 0 {
            Some("there is nothing to serve")
        } else {
            None
        }
    }

    /// Where whoever asks finds a site: under its host's name, or, where that is none in particular, at the server's address. Where that
    /// is any address, it is under the name that the one who asks knows this machine by.
    fn origin_of(&self, host: &HostName, inquiry: &Inquiry) -> String {
        let (scheme, address) = self.origin;
        let asked = String::from_utf8_lossy(&inquiry.host);
        // A port comes last, and is none if it is part of an address in brackets.
        let asked = asked.rsplit_once(':').filter(|(_, port)| !port.contains(']')).map_or(&*asked, |(name, _)| name);
        let name = match host {
            HostName::Exact(_) => host.to_string(),
            _ if address.ip().is_unspecified() && !asked.is_empty() => asked.to_string(),
            _ => return format!("{scheme}://{address}"),
        };
        match (scheme, address.port()) {
            ("http", 80) | ("https", 443) => format!("{scheme}://{name}"),
            (_, port) => format!("{scheme}://{name}:{port}"),
        }
    }

    fn sites(&self) -> String {
        let now = SystemTime::now();
        let sites = self.hosts.names().into_iter().filter_map(|host| {
            let site = self.hosts.site_of(&host)?;
            let webroot = site.webroot();
            Some(ListedSite {
                host: host.to_string(),
                name: site.name().to_string(),
                build: site.build().to_string(),
                opened: site.since().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs()),
                age_seconds: now.duration_since(site.since()).map_or(0, |age| age.as_secs()),
                resources: webroot.resources().len(),
                bytes: webroot.file_length(),
                index_bytes: webroot.index_length(),
                available: site.is_available(),
            })
        });
        // There is nothing in it that has no form in JSON.
        let sites: Vec<_> = sites.collect();
        serde_json::to_string_pretty(&sites).unwrap_or_default() + "\n"
    }
}

/// The path of a request target, and its query.
fn split(target: &[u8]) -> (&[u8], Option<&[u8]>) {
    match target.iter().position(|&byte| byte == b'?') {
        Some(place) => (&target[..place], Some(&target[place + 1..])),
        None => (target, None),
    }
}

/// The page that explains a decision. Where a host's site can be had is told by `origin_of`.
fn explanation(
    hosts: &Hosts,
    query: Option<&[u8]>,
    origin_of: impl Fn(&HostName) -> Option<String>,
) -> Answer<'static> {
    let names: Vec<_> = hosts.names().into_iter().map(|name| (name.to_string(), name)).collect();
    let shown: Vec<_> = names.iter().map(|(shown, _)| shown.as_str()).collect();
    let found: OnceCell<(Arc<Site>, Option<String>)> = OnceCell::new();
    let page = explain::page(query, &shown, |wanted| {
        let (shown, name) = names.iter().find(|(shown, _)| shown == wanted)?;
        let site = hosts.site_of(name).filter(|site| site.is_available())?;
        let (site, origin) = found.get_or_init(|| (site.clone(), origin_of(name)));
        Some(Subject { name: shown, webroot: site.webroot(), origin: origin.as_deref() })
    });
    reply_with(page.status, HTML, page.html, EXPLAIN_POLICY)
}

/// What a page may load: nothing.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";
/// The same, but for the page that is shown within the explanation, which inherits this and has its own styles and images.
const EXPLAIN_POLICY: &str = "default-src 'none'; style-src * 'unsafe-inline'; img-src * data:; font-src *; media-src *; \
                              form-action 'self'; base-uri *; frame-ancestors 'none'";

fn reply(status: Status, media_type: &str, content: String) -> Answer<'static> {
    reply_with(status, media_type, content, POLICY)
}

fn reply_with(status: Status, media_type: &str, content: String, policy: &str) -> Answer<'static> {
    let mut fields = Vec::new();
    push_field(&mut fields, "Content-Type", media_type.as_bytes());
    push_field(&mut fields, "Cache-Control", b"no-store");
    push_field(&mut fields, "X-Content-Type-Options", b"nosniff");
    push_field(&mut fields, "Content-Security-Policy", policy.as_bytes());
    Answer::made(status, fields, content.into_bytes())
}
