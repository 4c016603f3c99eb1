//! Dates (RFC 9110, section 5.6.7): the one format that is sent, and the three that are understood; and the one that
//! pages and programs want.

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

/// `seconds` since 1970-01-01T00:00:00Z as ISO 8601 and RFC 3339 have it: `1994-11-06T08:49:37Z`. Of years after 9999 as
/// [`imf_fixdate`].
pub fn rfc3339(seconds: u64) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    // The calendar is worked out there; here the parts are put into another order.
    let text = imf_fixdate(seconds);
    let part = |range: std::ops::Range<usize>| std::str::from_utf8(&text[range]).unwrap_or_default();
    let month = MONTHS.iter().position(|month| *month == part(8..11)).map_or(0, |place| place + 1);
    format!("{}-{month:02}-{}T{}Z", part(12..16), part(5..7), part(17..25))
}

/// The seconds since 1970-01-01T00:00:00Z that `date` tells, in IMF-fixdate, in the format of RFC 850 or in that of
/// asctime; `None` if it is none of these.
///
/// Names are those of the RFC in its own case, the name of the day must be that of the date, and nothing may follow but
/// white space. The two digits of RFC 850 are years from 1970 to 2069, whatever the year is now: what was meant for
/// another century has the name of another day, and so is no date rather than a wrong one. A leap second is no date
/// either; no clock that files are stamped by shows one.
pub fn parse(date: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(date).ok()?.trim();
    let time = httpdate::parse_http_date(text).ok()?;
    // In the format of RFC 850 the crate takes any byte for the space before the time.
    let before_time = text.strip_suffix(" GMT").map(|rest| rest.as_bytes()[rest.len() - "_08:49:37".len()]);
    if before_time.is_some_and(|byte| byte != b' ') {
        return None;
    }
    time.duration_since(SystemTime::UNIX_EPOCH).ok().map(|since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use proptest::prop_oneof;

    use super::{imf_fixdate, parse, rfc3339};

    #[test]
    fn writes_the_example_of_the_rfc() {
        assert_eq!(&imf_fixdate(784_111_777), b"Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(&imf_fixdate(0), b"Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(&imf_fixdate(u64::MAX), b"Fri, 31 Dec 9999 23:59:59 GMT");
    }

    #[test]
    fn writes_the_format_of_rfc_3339() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (784_111_777, "1994-11-06T08:49:37Z"),
            (1_709_164_800, "2024-02-29T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (u64::MAX, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(seconds), expected);
        }
    }

    #[test]
    fn reads_three_formats() {
        for (date, seconds) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
            ("Sunday, 06-Nov-94 08:49:37 GMT", 784_111_777),
            ("Sun Nov  6 08:49:37 1994", 784_111_777),
            ("Sun Nov 06 08:49:37 1994", 784_111_777),
            (" Sun, 06 Nov 1994 08:49:37 GMT\t", 784_111_777),
            ("Thu, 29 Feb 2024 00:00:00 GMT", 1_709_164_800),
            ("Thursday, 01-Jan-70 00:00:00 GMT", 0),
            ("Tuesday, 31-Dec-69 23:59:59 GMT", 3_155_759_999),
            ("Fri, 31 Dec 9999 23:59:59 GMT", 253_402_300_799),
        ] {
            assert_eq!(parse(date.as_bytes()), Some(seconds), "{date:?}");
        }
    }

    #[test]
    fn what_is_no_date() {
        for date in [
            "",
            "0",
            "784111777",
            "1994-11-06T08:49:37Z",
            "sun, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06 nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 gmt",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sun, 06 Nov 1994 08:49:37 +0000",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 94 08:49:37 GMT",
            "Sun,  06 Nov 1994 08:49:37 GMT",
            "Mon, 06 Nov 1994 08:49:37 GMT",    // it was a Sunday
            "Saturday, 06-Nov-94 08:49:37 GMT", // so here
            "Thursday, 06-Nov-70 08:49:37 GMT", // 2070, not 1970
            "Sunday, 06-Nov-1994 08:49:37 GMT",
            "Sun, 06-Nov-94 08:49:37 GMT",
            "Sunday, 06-Nov-94,08:49:37 GMT",
            "Sun, 31 Feb 1994 08:49:37 GMT",
            "Wed, 29 Feb 2023 00:00:00 GMT",
            "Sun, 00 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:00:00 GMT",
            "Sun, 06 Nov 1994 08:60:00 GMT",
            "Sat, 31 Dec 2016 23:59:60 GMT",
            "Wed, 31 Dec 1969 23:59:59 GMT",
            "Sat, 01 Jan 10000 00:00:00 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT x",
            "Sun, 06 Nov 1994 08:49:37 GMT; length=1",
            "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37\u{a0}GMT",
        ] {
            assert_eq!(parse(date.as_bytes()), None, "{date:?}");
        }
        assert_eq!(parse(b"Sun, 06 Nov 1994 08:49:37 GM\xff"), None);
    }

    proptest::proptest! {
        #[test]
        fn a_date_in_any_format_reads_back(seconds in prop_oneof![0u64..3_155_760_000, 0u64..=253_402_300_799]) {
            let text = String::from_utf8(imf_fixdate(seconds).to_vec()).unwrap();
            proptest::prop_assert_eq!(parse(text.as_bytes()), Some(seconds));
            let words: Vec<_> = text.split([' ', ',']).filter(|word| !word.is_empty()).collect();
            let [day_name, day, month, year, time, _] = words[..] else { panic!("{text}") };
            let short_day = day.strip_prefix('0').unwrap_or(day);
            let asctime = format!("{day_name} {month} {short_day:>2} {time} {year}");
            proptest::prop_assert_eq!(parse(asctime.as_bytes()), Some(seconds), "{}", asctime);
            let days = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
            let long_name = days.into_iter().find(|name| name.starts_with(day_name)).unwrap();
            let rfc850 = format!("{long_name}, {day}-{month}-{} {time} GMT", &year[2..]);
            // Two digits tell the century only as far as the day's name does.
            if ("1970".."2070").contains(&year) {
                proptest::prop_assert_eq!(parse(rfc850.as_bytes()), Some(seconds), "{}", rfc850);
            }
        }

        #[test]
        fn any_bytes_are_a_date_or_none(bytes: Vec<u8>) {
            if let Some(seconds) = parse(&bytes) {
                proptest::prop_assert!(seconds <= 253_402_300_799);
            }
        }
    }
}
