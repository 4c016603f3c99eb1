//! What the flags of connegd and its file of settings say, as one: flags win, then the file, then the defaults.

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use serde::{Deserialize, Deserializer, de};

use super::args::{Connegd, Sending};
use crate::build::ConfigError;
use crate::http::request::MOST_FIELDS;
use crate::live::Verify;
use crate::runtime::{Limits, Model};

/// A whole number within bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Within<const LEAST: u64, const MOST: u64>(u64);

impl<const LEAST: u64, const MOST: u64> Within<LEAST, MOST> {
    fn new(number: Option<u64>, shown: impl fmt::Display) -> Result<Self, String> {
        match number.filter(|number| (LEAST..=MOST).contains(number)) {
            Some(number) => Ok(Within(number)),
            None => Err(format!("{shown} is not a whole number from {LEAST} to {MOST}")),
        }
    }
}

impl<const LEAST: u64, const MOST: u64> FromStr for Within<LEAST, MOST> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Within::new(text.parse().ok(), format_args!("{text:?}"))
    }
}

impl<'de, const LEAST: u64, const MOST: u64> Deserialize<'de> for Within<LEAST, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = i64::deserialize(deserializer)?;
        Within::new(u64::try_from(number).ok(), number).map_err(de::Error::custom)
    }
}

type Seconds = Within<1, 86_400>;

/// The bounds that a client meets: flags, and the table `[limits]` of the file.
#[derive(Args, Clone, Copy, Debug, Default, Deserialize)]
#[command(next_help_heading = "Limits")]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct LimitSettings {
    /// For the whole head of a request, however it trickles: 408 [default: 30].
    #[arg(long, value_name = "SECONDS")]
    header_timeout: Option<Seconds>,
    /// For the next request on a connection [default: 60].
    #[arg(long, value_name = "SECONDS")]
    keep_alive_timeout: Option<Seconds>,
    /// For the whole content of a request: 408 [default: 30].
    #[arg(long, value_name = "SECONDS")]
    content_timeout: Option<Seconds>,
    /// For a client to receive so many seconds' worth of the minimum rate [default: 30].
    #[arg(long, value_name = "SECONDS")]
    send_timeout: Option<Seconds>,
    /// The least that a client must receive on average while it is waited for [default: 500].
    #[arg(long, value_name = "BYTES_PER_SECOND")]
    min_send_rate: Option<Within<0, 1_000_000_000>>,
    /// The longest request target: 414 [default: 8192].
    #[arg(long, value_name = "BYTES")]
    max_target: Option<Within<1, 1_048_576>>,
    /// The longest head: 431 [default: 65536].
    #[arg(long, value_name = "BYTES")]
    max_head: Option<Within<64, 1_048_576>>,
    /// The most fields in a head: 431 [default: 100].
    #[arg(long, value_name = "N")]
    max_fields: Option<Within<1, { MOST_FIELDS as u64 }>>,
    /// The longest content of a request; it is read and dropped: 413 [default: 65536].
    #[arg(long, value_name = "BYTES")]
    max_content: Option<Within<0, 1_073_741_824>>,
    /// The most connections; beyond it those give way that wait longest [default: 16384].
    #[arg(long, value_name = "N")]
    max_connections: Option<Within<1, 1_000_000>>,
    /// The most connections from one IPv4 address or IPv6 network (/64); 0 for no bound: 503 [default: 1024].
    #[arg(long, value_name = "N")]
    max_connections_per_address: Option<Within<0, 1_000_000>>,
}

impl LimitSettings {
    /// These, and where they say nothing `others`.
    fn or(self, others: LimitSettings) -> LimitSettings {
        LimitSettings {
            header_timeout: self.header_timeout.or(others.header_timeout),
            keep_alive_timeout: self.keep_alive_timeout.or(others.keep_alive_timeout),
            content_timeout: self.content_timeout.or(others.content_timeout),
            send_timeout: self.send_timeout.or(others.send_timeout),
            min_send_rate: self.min_send_rate.or(others.min_send_rate),
            max_target: self.max_target.or(others.max_target),
            max_head: self.max_head.or(others.max_head),
            max_fields: self.max_fields.or(others.max_fields),
            max_content: self.max_content.or(others.max_content),
            max_connections: self.max_connections.or(others.max_connections),
            max_connections_per_address: self.max_connections_per_address.or(others.max_connections_per_address),
        }
    }

    /// The limits that these settings make of the defaults.
    pub fn limits(self) -> Limits {
        let mut limits = Limits::default();
        set(&mut limits.header_timeout, self.header_timeout);
        set(&mut limits.keep_alive_timeout, self.keep_alive_timeout);
        set(&mut limits.content_timeout, self.content_timeout);
        set(&mut limits.send_timeout, self.send_timeout);
        set(&mut limits.min_send_rate, self.min_send_rate);
        set(&mut limits.head.target, self.max_target);
        set(&mut limits.head.head, self.max_head);
        set(&mut limits.head.fields, self.max_fields);
        set(&mut limits.content, self.max_content);
        set(&mut limits.connections, self.max_connections);
        set(&mut limits.connections_per_address, self.max_connections_per_address);
        limits
    }
}

/// What a number within bounds stands for.
trait FromNumber {
    fn from_number(number: u64) -> Self;
}

impl FromNumber for u64 {
    fn from_number(number: u64) -> u64 {
        number
    }
}

impl FromNumber for usize {
    fn from_number(number: u64) -> usize {
        usize::try_from(number).unwrap_or(usize::MAX)
    }
}

impl FromNumber for Duration {
    fn from_number(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }
}

fn set<T: FromNumber, const LEAST: u64, const MOST: u64>(value: &mut T, setting: Option<Within<LEAST, MOST>>) {
    if let Some(Within(number)) = setting {
        *value = T::from_number(number);
    }
}

/// A file of settings.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct File {
    listen: Vec<SocketAddr>,
    workers: Option<NonZeroUsize>,
    grace: Option<Within<0, 86_400>>,
    reuse_port: bool,
    verify: Option<Verify>,
    io: Option<Model>,
    limits: LimitSettings,
}

/// How to serve, all said and done.
#[derive(Clone, Debug)]
pub struct ServerSettings {
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
    /// What a client may ask.
    pub limits: Limits,
}

impl ServerSettings {
    /// What the flags say, and the file that they name.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or holds an unknown key or a bad value.
    pub fn of(arguments: &Connegd) -> Result<ServerSettings, ConfigError> {
        let file = match &arguments.config {
            Some(path) => read(path)?,
            None => File::default(),
        };
        let mut grace = Duration::from_secs(10);
        set(&mut grace, arguments.grace.or(file.grace));
        let said = match arguments.io {
            Some(Sending::By(model)) => Some(model),
            Some(Sending::List) | None => None,
        };
        Ok(ServerSettings {
            listen: if arguments.listen.is_empty() { file.listen } else { arguments.listen.clone() },
            reuse_port: arguments.reuse_port || file.reuse_port,
            verify: arguments.verify.or(file.verify).unwrap_or_default(),
            model: said.or(file.io).unwrap_or_default(),
            workers: arguments.workers.or(file.workers),
            grace,
            limits: arguments.limits.or(file.limits).limits(),
        })
    }
}

fn read(path: &Path) -> Result<File, ConfigError> {
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
        let shown = |error: ConfigError| error.to_string().replace(&path.path().display().to_string(), "F");
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
            ("[limits]\nheader-time = 1\n", "F:2:1: unknown field `header-time`, expected one of `header-timeout`"),
            ("listen = [\"localhost\"]\n", "F:1:11: invalid socket address syntax"),
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
