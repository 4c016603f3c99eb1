//! IMF-fixdate, the one date format that is sent (RFC 9110, section 5.6.7).

use std::time::{Duration, SystemTime};

/// Length of an IMF-fixdate in bytes.
pub const LENGTH: usize = 29;

/// `seconds` since 1970-01-01T00:00:00Z as an IMF-fixdate: `Sun, 06 Nov 1994 08:49:37 GMT`.
///
/// Years after 9999, which the format cannot hold, are shown as its last second.
pub fn imf_fixdate(seconds: u64) -> [u8; LENGTH] {
    const LAST: u64 = 253_402_300_799; // 9999-12-31T23:59:59Z
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.min(LAST));
    let mut text = [b' '; LENGTH];
    let mut rest = &mut text[..];
    // Cannot fail: the format is 29 bytes for every date up to the year 9999.
    let _ = std::io::Write::write_fmt(&mut rest, format_args!("{}", httpdate::HttpDate::from(time)));
    text
}

#[cfg(test)]
mod tests {
    use super::imf_fixdate;

    #[test]
    fn writes_the_example_of_the_rfc() {
        assert_eq!(&imf_fixdate(784_111_777), b"Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(&imf_fixdate(0), b"Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(&imf_fixdate(u64::MAX), b"Fri, 31 Dec 9999 23:59:59 GMT");
    }
}
