//! What can be said about what a client may ask: numbers within bounds, as flags or in a file.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use serde::{Deserialize, Deserializer, de};

use crate::http::request::MOST_FIELDS;
use crate::runtime::Limits;

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
    /// The most TLS handshakes that may fail in ten seconds for one address or network; then its new connections are closed
    /// unanswered until these are over; 0 for no bound [default: 100].
    #[arg(long, value_name = "N")]
    max_failed_handshakes: Option<Within<0, 1_000_000>>,
}

impl LimitSettings {
    /// These, and where they say nothing `others`.
    pub(super) fn or(self, others: LimitSettings) -> LimitSettings {
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
            max_failed_handshakes: self.max_failed_handshakes.or(others.max_failed_handshakes),
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
        set(&mut limits.failed_handshakes, self.max_failed_handshakes);
        limits
    }
}

/// What a number within bounds stands for.
pub(super) trait FromNumber {
    fn from_number(number: u64) -> Self;
}

impl FromNumber for u64 {
    fn from_number(number: u64) -> u64 {
        number
    }
}

impl FromNumber for u32 {
    fn from_number(number: u64) -> u32 {
        u32::try_from(number).unwrap_or(u32::MAX)
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

pub(super) fn set<T: FromNumber, const LEAST: u64, const MOST: u64>(
    value: &mut T,
    setting: Option<Within<LEAST, MOST>>,
) {
    if let Some(Within(number)) = setting {
        *value = T::from_number(number);
    }
}
