//! The host that a request is for (RFC 9110, section 7.2) → the name it is looked up by.

use super::target::host_and_port;

/// The longest name that is looked up, in bytes; a name in DNS has at most 253 of them (RFC 1035, section 2.3.4).
pub const LONGEST: usize = 255;

/// The name of a host: `authority` without its port and without the dot that ends an absolute name, in lower case. It is
/// written to `scratch` only if there are capitals in it, which browsers do not send. `None` if it is longer than
/// [`LONGEST`].
pub fn name<'a>(authority: &'a [u8], scratch: &'a mut [u8; LONGEST]) -> Option<&'a [u8]> {
    let host = host_and_port(authority).map_or(authority, |(host, _)| host);
    let host = host.strip_suffix(b".").unwrap_or(host);
    if !host.iter().any(u8::is_ascii_uppercase) {
        return (host.len() <= LONGEST).then_some(host);
    }
    let lower = scratch.get_mut(..host.len())?;
    lower.copy_from_slice(host);
    lower.make_ascii_lowercase();
    Some(lower)
}

/// The domains that `name` lies in, without its first labels: of `a.b.example`, `b.example` and `example`. An address has
/// none.
pub fn domains(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    let is_address = is_address(name);
    let dots = name.iter().enumerate().filter(move |&(_, &byte)| byte == b'.' && !is_address);
    dots.map(|(dot, _)| &name[dot + 1..])
}

/// Whether `name` is an address, or looks like one: no domain at the top is a number (RFC 1123, section 2.1), and browsers
/// take what ends in one for an address in IPv4.
pub fn is_address(name: &[u8]) -> bool {
    let last = name.rsplit(|&byte| byte == b'.').next().unwrap_or_default();
    name.starts_with(b"[") || !last.is_empty() && last.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (authority, expected) in [
            ("example.com", "example.com"),
            ("Example.COM:8080", "example.com"),
            ("example.com.:80", "example.com"),
            ("example.com:", "example.com"),
            ("example.com..", "example.com."),
            ("[2001:DB8::1]:80", "[2001:db8::1]"),
            ("127.0.0.1:80", "127.0.0.1"),
            ("", ""),
            (".", ""),
        ] {
            assert_eq!(name(authority.as_bytes(), &mut [0; LONGEST]), Some(expected.as_bytes()), "{authority}");
        }
        for letter in ["a", "A"] {
            assert!(name(letter.repeat(LONGEST).as_bytes(), &mut [0; LONGEST]).is_some());
            assert_eq!(name(letter.repeat(LONGEST + 1).as_bytes(), &mut [0; LONGEST]), None);
        }
    }

    #[test]
    fn domains_of_names() {
        let domains = |name: &'static str| domains(name.as_bytes()).map(<[u8]>::to_vec).collect::<Vec<_>>();
        assert_eq!(domains("a.b.example"), [b"b.example".to_vec(), b"example".to_vec()]);
        assert!(domains("localhost").is_empty() && domains("[::ffff:1.2.3.4]").is_empty());
        assert!(domains("127.0.0.1").is_empty());
        assert_eq!(domains("1.2.3.4a"), [b"2.3.4a".to_vec(), b"3.4a".to_vec(), b"4a".to_vec()]);
    }
}
