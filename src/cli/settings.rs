//! What the flags of connegd and its file of settings say, as one: flags win, then the file, then the defaults.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use log::LevelFilter;
use serde::{Deserialize, Deserializer, de};

use super::address::Address;
use super::args::{Connegd, Sending};
use super::limits::{LimitSettings, Within, set};
use crate::build::ConfigError;
use crate::live::{KeyFiles, Verify};
use crate::runtime::{Destination, Format, HostName, Limits, Model, Pair};

/// Everything that can be said about a server: flags, and the keys of its file, which are called the same.
#[derive(Args, Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Settings {
    /// What to serve for all hosts.
    #[arg(value_name = "OUT.webroot|SITE_DIR")]
    #[serde(rename = "serve")]
    source: Option<PathBuf>,
    /// Serve each webroot in DIR, or link to one, for the host of its name.
    ///
    /// `*.example.com` is for all hosts below, `__default__` for the rest. What changes there is served at once.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["source", "site_config"])]
    vhosts: Option<PathBuf>,
    /// Listen on ADDR; may be repeated. Port 0 takes a free one [default: 127.0.0.1:8080].
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Vec<Address>,
    /// How long contents are sent; `list` says which ways this kernel offers [default: auto].
    ///
    /// The ways are auto, sync, sendfile, mmap, aio, dio and async-sendfile.
    #[arg(long, value_name = "MODEL|list", help_heading = "Process")]
    io: Option<Sending>,
    /// Serve with N threads [default: one for each core].
    #[arg(long, value_name = "N", help_heading = "Process")]
    workers: Option<NonZeroUsize>,
    /// Read settings of the site from FILE instead of SITE_DIR/.mkroot.toml; only for a directory.
    #[arg(long, value_name = "FILE")]
    site_config: Option<PathBuf>,
    /// Share the addresses with other processes that say so (SO_REUSEPORT): a new one takes over without a gap.
    #[arg(long, help_heading = "Process")]
    reuse_port: bool,
    /// When contents are compared with their digests [default: background].
    ///
    /// Before they are served (open), slowly afterwards (background), or never (off).
    #[arg(long, value_name = "open|background|off")]
    verify: Option<Verify>,
    /// For answers that were begun when the server is told to end [default: 10].
    #[arg(long, value_name = "SECONDS", help_heading = "Process")]
    grace: Option<Within<0, 86_400>>,
    /// Answer at /explain, on every host, why a request gets what it gets: for whoever makes a site.
    #[arg(long)]
    explain: bool,
    /// Write a line for each request [default: off].
    ///
    /// To FILE, to standard output (-), or to the system's log (syslog). SIGUSR1 opens FILE anew.
    #[arg(long, value_name = "FILE|-|syslog|off", help_heading = "Operations")]
    access_log: Option<MayBeOff>,
    /// Where messages are written [default: -].
    ///
    /// To FILE, to standard error (-), or to the system's log (syslog). SIGUSR1 opens FILE anew.
    #[arg(long, value_name = "FILE|-|syslog", help_heading = "Operations")]
    error_log: Option<Destination>,
    /// How lines of both logs are written [default: combined].
    ///
    /// combined is Apache's, json has what was chosen, and why.
    #[arg(long, value_name = "combined|json", help_heading = "Operations")]
    log_format: Option<Format>,
    /// The least that is said: error, warn, info or debug [default: info].
    #[arg(long, value_name = "LEVEL", help_heading = "Operations")]
    log_level: Option<Level>,
    /// Tell about the server itself on ADDR, which not everybody should reach.
    ///
    /// There are /metrics, /healthz, /readyz, /sites and /explain.
    #[arg(long, value_name = "ADDR:PORT", help_heading = "Operations")]
    ops: Option<Address>,
    /// Speak TLS on all addresses of --listen, with the certificate in FILE (PEM, its chain behind it). It is read again when
    /// it changes.
    #[arg(long, value_name = "FILE", help_heading = "TLS")]
    tls_cert: Option<PathBuf>,
    /// The key of that certificate, if it is in another file.
    #[arg(long, value_name = "FILE", help_heading = "TLS")]
    tls_key: Option<PathBuf>,
    /// The same with a certificate for each host: NAME.pem with NAME.key, or NAME/fullchain.pem with NAME/privkey.pem, as
    /// certbot has them.
    #[arg(long, value_name = "DIR", help_heading = "TLS")]
    tls_certs: Option<PathBuf>,
    /// Besides TLS, listen on ADDR for requests that are not secure; may be repeated.
    #[arg(long, value_name = "ADDR:PORT", help_heading = "TLS")]
    listen_http: Vec<Address>,
    /// Send those who ask without TLS on to HTTPS, at PORT if clients see another one than that of --listen.
    #[arg(long, value_name = "PORT", num_args = 0..=1, require_equals = true, default_missing_value = "true", help_heading = "TLS")]
    redirect_http: Option<SendOn>,
    /// Say Strict-Transport-Security: VALUE over TLS, such as max-age=31536000.
    #[arg(long, value_name = "VALUE", help_heading = "TLS")]
    hsts: Option<Hsts>,
    /// Let the kernel encrypt long contents, if it can (kTLS) [default: on].
    #[arg(long, value_name = "on|off", help_heading = "TLS")]
    ktls: Option<Switch>,
    /// Become this user when everything is open that only root can have, such as port 80.
    #[arg(long, value_name = "NAME", help_heading = "Privileges")]
    user: Option<String>,
    /// What it gives up: on lets it write to its logs only and run no programs, and those threads that talk with clients open
    /// no files at all; strict lets it read only what it serves, and forbids calls that no server makes, at the price of
    /// some per cent of a small request [default: on].
    #[arg(long, value_name = "off|on|strict", help_heading = "Privileges")]
    sandbox: Option<Sandbox>,
    /// With --sandbox strict, where else it may read: below DIR, where links will lead for instance; may be repeated.
    #[arg(long, value_name = "DIR", help_heading = "Privileges")]
    readable: Vec<PathBuf>,
    /// What a client may ask.
    #[command(flatten)]
    limits: LimitSettings,
}

/// How much a server gives up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sandbox {
    /// Nothing.
    Off,
    /// What no server needs.
    #[default]
    On,
    /// Whatever this one does not need.
    Strict,
}

impl FromStr for Sandbox {
    type Err = String;

    fn from_str(text: &str) -> Result<Sandbox, String> {
        match text {
            "off" => Ok(Sandbox::Off),
            "on" => Ok(Sandbox::On),
            "strict" => Ok(Sandbox::Strict),
            _ => Err(format!("{text:?} is none of off, on, strict")),
        }
    }
}

/// Whether something is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Switch {
    /// It is.
    #[default]
    On,
    /// It is not.
    Off,
}

impl FromStr for Switch {
    type Err = String;

    fn from_str(text: &str) -> Result<Switch, String> {
        match text {
            "on" => Ok(Switch::On),
            "off" => Ok(Switch::Off),
            _ => Err(format!("{text:?} is neither on nor off")),
        }
    }
}

/// Whether requests without TLS are sent on, and to which port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SendOn {
    No,
    /// To that of `--listen`.
    Same,
    To(u16),
}

impl FromStr for SendOn {
    type Err = String;

    fn from_str(text: &str) -> Result<SendOn, String> {
        match (text, text.parse()) {
            ("true", _) => Ok(SendOn::Same),
            ("false", _) => Ok(SendOn::No),
            (_, Ok(port @ 1..)) => Ok(SendOn::To(port)),
            _ => Err(format!("{text:?} is neither a port nor true or false")),
        }
    }
}

impl<'de> Deserialize<'de> for SendOn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<SendOn, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Value {
            Is(bool),
            Port(u16),
        }
        let text = match Value::deserialize(deserializer) {
            Ok(Value::Is(is)) => is.to_string(),
            Ok(Value::Port(port)) => port.to_string(),
            Err(_) => return Err(de::Error::custom("it is neither a port nor true or false")),
        };
        text.parse().map_err(de::Error::custom)
    }
}

/// The value of a Strict-Transport-Security field (RFC 6797, section 6.1).
#[derive(Clone, Debug, PartialEq, Eq)]
struct Hsts(String);

impl FromStr for Hsts {
    type Err = String;

    fn from_str(text: &str) -> Result<Hsts, String> {
        let mut directives = text.split(';').map(str::trim);
        let has_age = directives.clone().any(|directive| {
            let age = directive.to_ascii_lowercase();
            age.strip_prefix("max-age=").is_some_and(|age| age.trim_matches('"').parse::<u64>().is_ok())
        });
        let is_plain = |directive: &str| directive.chars().all(|character| matches!(character, '!'..='~'));
        match has_age && directives.all(is_plain) {
            true => Ok(Hsts(text.into())),
            false => Err(format!("{text:?} has no max-age; say for instance max-age=31536000; includeSubDomains")),
        }
    }
}

impl<'de> Deserialize<'de> for Hsts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Hsts, D::Error> {
        from_text(deserializer)
    }
}

/// Where the access log goes, or that there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
struct MayBeOff(Option<Destination>);

impl FromStr for MayBeOff {
    type Err = String;

    fn from_str(text: &str) -> Result<MayBeOff, String> {
        match text {
            "off" => Ok(MayBeOff(None)),
            text => text.parse().map(|destination| MayBeOff(Some(destination))),
        }
    }
}

/// How grave a message must be.
#[derive(Clone, Copy, Debug)]
struct Level(LevelFilter);

impl FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Level, String> {
        match text {
            "error" => Ok(Level(LevelFilter::Error)),
            "warn" => Ok(Level(LevelFilter::Warn)),
            "info" => Ok(Level(LevelFilter::Info)),
            "debug" => Ok(Level(LevelFilter::Debug)),
            _ => Err(format!("{text:?} is none of error, warn, info, debug")),
        }
    }
}

/// What is written in a file as on the command line.
fn from_text<'de, T: FromStr<Err = String>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
}

impl<'de> Deserialize<'de> for Destination {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Destination, D::Error> {
        from_text(deserializer)
    }
}

impl<'de> Deserialize<'de> for MayBeOff {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<MayBeOff, D::Error> {
        from_text(deserializer)
    }
}

impl<'de> Deserialize<'de> for Level {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Level, D::Error> {
        from_text(deserializer)
    }
}

/// What is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A webroot, or a site and perhaps a file with its settings.
    One(PathBuf, Option<PathBuf>),
    /// A directory of webroots.
    Hosts(PathBuf),
}

/// How to serve, all said and done.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// What is served, if anybody has said.
    pub source: Option<Source>,
    /// Where to listen; nothing if nobody has said.
    pub listen: Vec<SocketAddr>,
    /// Threads that serve; `None` for one for each core.
    pub workers: Option<NonZeroUsize>,
    /// Whether addresses are shared with other processes.
    pub reuse_port: bool,
    /// When contents are verified.
    pub verify: Verify,
    /// How long contents are sent.
    pub model: Model,
    /// How long answers that were begun may take once the server is told to end.
    pub grace: Duration,
    /// Whether every host explains its decisions.
    pub explain: bool,
    /// Where a line for each request is written.
    pub access_log: Option<Destination>,
    /// Where messages are written.
    pub error_log: Destination,
    /// How both are written.
    pub log_format: Format,
    /// How grave a message must be at least.
    pub log_level: LevelFilter,
    /// Where the server tells about itself.
    pub ops: Option<SocketAddr>,
    /// Whom to become.
    pub user: Option<String>,
    /// What to give up.
    pub sandbox: Sandbox,
    /// Where to read nevertheless.
    pub readable: Vec<PathBuf>,
    /// How connections are made secure, if they are.
    pub tls: Option<TlsSettings>,
    /// What a client may ask.
    pub limits: Limits,
}

/// How connections are made secure.
#[derive(Clone, Debug)]
pub struct TlsSettings {
    /// Where certificates are found.
    pub files: KeyFiles,
    /// Where to listen for requests that are not secure.
    pub listen_http: Vec<SocketAddr>,
    /// Whether these are sent on, and if so to which port of HTTPS, if it is said.
    pub send_on: Option<Option<u16>>,
    /// What Strict-Transport-Security says.
    pub hsts: Option<String>,
    /// Whether the kernel may encrypt.
    pub by_kernel: bool,
}

impl Settings {
    /// These, and where they say nothing `others`.
    fn or(self, others: Settings) -> Settings {
        // What to serve is one thing, however it is said.
        let (source, vhosts, site_config) = match (&self.source, &self.vhosts) {
            (None, None) => (others.source, others.vhosts, self.site_config.or(others.site_config)),
            _ => (self.source, self.vhosts, self.site_config),
        };
        Settings {
            source,
            vhosts,
            site_config,
            listen: if self.listen.is_empty() { others.listen } else { self.listen },
            io: self.io.or(others.io),
            workers: self.workers.or(others.workers),
            reuse_port: self.reuse_port || others.reuse_port,
            verify: self.verify.or(others.verify),
            grace: self.grace.or(others.grace),
            explain: self.explain || others.explain,
            access_log: self.access_log.or(others.access_log),
            error_log: self.error_log.or(others.error_log),
            log_format: self.log_format.or(others.log_format),
            log_level: self.log_level.or(others.log_level),
            ops: self.ops.or(others.ops),
            tls_cert: self.tls_cert.or(others.tls_cert),
            tls_key: self.tls_key.or(others.tls_key),
            tls_certs: self.tls_certs.or(others.tls_certs),
            listen_http: if self.listen_http.is_empty() { others.listen_http } else { self.listen_http },
            redirect_http: self.redirect_http.or(others.redirect_http),
            hsts: self.hsts.or(others.hsts),
            ktls: self.ktls.or(others.ktls),
            user: self.user.or(others.user),
            sandbox: self.sandbox.or(others.sandbox),
            readable: if self.readable.is_empty() { others.readable } else { self.readable },
            limits: self.limits.or(others.limits),
        }
    }

    /// Whether only the ways of sending are asked for.
    pub fn wants_list(&self) -> bool {
        self.io == Some(Sending::List)
    }

    fn tls(&self) -> Result<Option<TlsSettings>, String> {
        let chain = match (&self.tls_cert, &self.tls_key, &self.tls_certs) {
            (Some(chain), ..) => Some(chain),
            (None, Some(_), _) => return Err("--tls-key is the key of --tls-cert, which is not said".into()),
            (None, None, Some(_)) => None,
            (None, None, None) => {
                let pointless = [
                    ("--listen-http", !self.listen_http.is_empty()),
                    ("--redirect-http", self.redirect_http.is_some_and(|send_on| send_on != SendOn::No)),
                    ("--hsts", self.hsts.is_some()),
                ];
                return match pointless.iter().find(|(_, is_said)| *is_said) {
                    Some((flag, _)) => {
                        Err(format!("{flag} is for a server that speaks TLS; say --tls-cert or --tls-certs"))
                    }
                    None => Ok(None),
                };
            }
        };
        let pair = chain.map(|chain| {
            let key = self.tls_key.as_ref().unwrap_or(chain).clone();
            Pair { name: HostName::Default, chain: chain.clone(), key }
        });
        Ok(Some(TlsSettings {
            files: KeyFiles { pair, directory: self.tls_certs.clone() },
            listen_http: self.listen_http.iter().map(|Address(address)| *address).collect(),
            send_on: match self.redirect_http {
                None | Some(SendOn::No) => None,
                Some(SendOn::Same) => Some(None),
                Some(SendOn::To(port)) => Some(Some(port)),
            },
            hsts: self.hsts.clone().map(|Hsts(value)| value),
            by_kernel: self.ktls.unwrap_or_default() == Switch::On,
        }))
    }

    fn source(&self) -> Result<Option<Source>, String> {
        match (&self.source, &self.vhosts) {
            (Some(_), Some(_)) => Err("serve and vhosts are two things, and one of them can be served".into()),
            (Some(source), None) => Ok(Some(Source::One(source.clone(), self.site_config.clone()))),
            (None, Some(vhosts)) => Ok(Some(Source::Hosts(vhosts.clone()))),
            (None, None) => Ok(None),
        }
    }
}

impl ServerSettings {
    /// What the flags say, and the file that they name.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, holds an unknown key or a bad value, or what is said contradicts itself.
    pub fn of(arguments: &Connegd) -> Result<ServerSettings, Box<dyn std::error::Error>> {
        let file = match &arguments.config {
            Some(path) => read(path)?,
            None => Settings::default(),
        };
        let said = arguments.settings.clone().or(file);
        let mut grace = Duration::from_secs(10);
        set(&mut grace, said.grace);
        Ok(ServerSettings {
            source: said.source()?,
            tls: said.tls()?,
            user: said.user,
            sandbox: said.sandbox.unwrap_or_default(),
            readable: said.readable,
            listen: said.listen.into_iter().map(|Address(address)| address).collect(),
            reuse_port: said.reuse_port,
            verify: said.verify.unwrap_or_default(),
            model: match said.io {
                Some(Sending::By(model)) => model,
                Some(Sending::List) | None => Model::default(),
            },
            workers: said.workers,
            grace,
            explain: said.explain,
            access_log: said.access_log.and_then(|MayBeOff(destination)| destination),
            error_log: said.error_log.unwrap_or(Destination::Stdout),
            log_format: said.log_format.unwrap_or_default(),
            log_level: said.log_level.map_or(LevelFilter::Info, |Level(level)| level),
            ops: said.ops.map(|Address(address)| address),
            limits: said.limits.limits(),
        })
    }
}

fn read(path: &Path) -> Result<Settings, ConfigError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable { path: path.to_path_buf(), source })?;
    toml::from_str(&text).map_err(|error| ConfigError::of_toml(path, &text, &error))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn settings(line: &str, file: &str) -> Result<ServerSettings, String> {
        let path = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(path.path(), file).expect("a file");
        let words = ["connegd", "--config", path.path().to_str().expect("a path")];
        let arguments = Connegd::try_parse_from(words.into_iter().chain(line.split_whitespace()).chain(["x.webroot"]));
        let arguments = arguments.map_err(|error| error.to_string())?;
        let shown =
            |error: Box<dyn std::error::Error>| error.to_string().replace(&path.path().display().to_string(), "F");
        ServerSettings::of(&arguments).map_err(shown)
    }

    #[test]
    fn flags_win_then_the_file_then_the_defaults() {
        let defaults = settings("", "").unwrap();
        assert_eq!(format!("{:?}", defaults.limits), format!("{:?}", Limits::default()));
        assert_eq!((defaults.listen.len(), defaults.workers, defaults.grace.as_secs()), (0, None, 10));
        let file = "listen = [\"127.0.0.1:1\", \"[::1]:2\"]\nworkers = 3\ngrace = 0\nio = \"dio\"\n[limits]\nheader-timeout = 5\nmax-head = 100\n";
        let said = settings("--header-timeout 7 --max-content 0", file).unwrap();
        assert_eq!((said.listen.len(), said.workers.map(NonZeroUsize::get), said.grace.as_secs()), (2, Some(3), 0));
        assert_eq!((said.limits.header_timeout.as_secs(), said.limits.head.head, said.limits.content), (7, 100, 0));
        assert_eq!((defaults.model, said.model), (Model::Auto, Model::Dio));
        let said = settings("--listen 127.0.0.1:3 --workers 1 --grace 4 --io async-sendfile", file).unwrap();
        assert_eq!(said.model, Model::AsyncSendfile);
        assert_eq!((said.listen.len(), said.workers.map(NonZeroUsize::get), said.grace.as_secs()), (1, Some(1), 4));
    }

    #[test]
    fn mistakes_are_shown_with_their_place_and_what_would_do() {
        for (file, expected) in [
            ("[limits]\nheader-timeout = 0\n", "F:2:18: 0 is not a whole number from 1 to 86400"),
            ("[limits]\nmax-fields = 1000\n", "F:2:14: 1000 is not a whole number from 1 to 256"),
            ("[limits]\nmax-head = -1\n", "F:2:12: -1 is not a whole number from 64 to 1048576"),
            (
                "[limits]\nheader-time = 1\n",
                "F:2:1: unknown field `header-time`, did you mean `header-timeout`? expected one of",
            ),
            ("listen = [\"localhost\"]\n", "F:1:11: \"localhost\" is no address with a port: 127.0.0.1:8080 is one"),
            ("io = \"uring\"\n", "F:1:6: unknown variant `uring`, expected one of `auto`, `sync`"),
            ("workers = 0\n", "F:1:11: invalid value: integer `0`, expected a nonzero usize"),
        ] {
            let error = settings("", file).unwrap_err();
            assert!(error.starts_with(expected), "{file:?}: {error}");
        }
        let error = settings("--header-timeout 1.5", "").unwrap_err();
        assert!(error.contains("\"1.5\" is not a whole number from 1 to 86400"), "{error}");
    }

    /// Each setting reaches its limit.
    #[test]
    fn every_setting_is_used() {
        let names = [
            "header-timeout",
            "keep-alive-timeout",
            "content-timeout",
            "send-timeout",
            "min-send-rate",
            "max-target",
            "max-head",
            "max-fields",
            "max-content",
            "max-connections",
            "max-connections-per-address",
            "max-failed-handshakes",
        ];
        let mut seen = std::collections::HashSet::from([format!("{:?}", Limits::default())]);
        for name in names {
            let by_flag = settings(&format!("--{name} 77"), "").unwrap();
            let by_file = settings("", &format!("[limits]\n{name} = 77\n")).unwrap();
            let shown = format!("{:?}", by_flag.limits);
            assert_eq!(shown, format!("{:?}", by_file.limits), "{name}");
            assert!(seen.insert(shown), "{name} changes nothing");
        }
    }
}
