//! Where a server listens, as it is written on the command line and in a file.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, de};

/// An address and a port. A message about what is none says what would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address(pub SocketAddr);

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Address, String> {
        text.parse().map(Address).map_err(|_| format!("{text:?} is no address with a port: {}", advice(text)))
    }
}

/// What would do instead of `text`: the same port if it has one, since that is mostly right.
fn advice(text: &str) -> String {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => (host, port),
        _ if text.parse::<u16>().is_ok() => ("", text),
        _ => return "127.0.0.1:8080 is one for this machine only, [::]:80 one for everybody".into(),
    };
    let is_name = host.chars().any(char::is_alphabetic) && !host.contains(':');
    let name = if is_name { "names are not looked up; " } else { "" };
    format!("{name}127.0.0.1:{port} is for this machine only, [::]:{port} for everybody")
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Address, D::Error> {
        deserializer.deserialize_str(Written)
    }
}

/// Refuses what is no address while it is read, so that the message has its place, also in a list.
struct Written;

impl de::Visitor<'_> for Written {
    type Value = Address;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an address with a port, such as \"127.0.0.1:8080\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Address, E> {
        text.parse().map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_address_is_answered_with_one() {
        for (text, expected) in [
            ("8080", "127.0.0.1:8080 is for this machine only, [::]:8080 for everybody"),
            (":80", "127.0.0.1:80 is for this machine only, [::]:80 for everybody"),
            ("localhost:80", "names are not looked up; 127.0.0.1:80 is for this machine only, [::]:80 for everybody"),
            ("::1:80", "127.0.0.1:80 is for this machine only, [::]:80 for everybody"),
            ("localhost", "127.0.0.1:8080 is one for this machine only, [::]:80 one for everybody"),
            ("127.0.0.1:99999", "127.0.0.1:8080 is one for this machine only, [::]:80 one for everybody"),
        ] {
            let message = format!("{text:?} is no address with a port: {expected}");
            assert_eq!(text.parse::<Address>(), Err(message));
        }
        assert_eq!("[::1]:80".parse(), Ok(Address(SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 80)))));
    }
}
