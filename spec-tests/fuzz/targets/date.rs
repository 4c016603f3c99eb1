//! Dates: what reads as one is one of the three ways to write it, and each way reads back, but not with a byte changed.
#![no_main]

use connegd::http::date::{imf_fixdate, parse};
use libfuzzer_sys::fuzz_target;

const LAST: u64 = 253_402_300_799;
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

fuzz_target!(|input: &[u8]| {
    is_well_read(input);
    let Some((number, [place, byte, ..])) = input.split_first_chunk::<8>() else { return };
    let number = u64::from_le_bytes(*number);
    // All that can be told, and besides it the years that two digits tell.
    for seconds in [number % (LAST + 1), number % 3_155_760_000] {
        for text in forms(seconds) {
            let two_digits = text.contains('-');
            if !two_digits || seconds < 3_155_760_000 {
                assert_eq!(parse(text.as_bytes()), Some(seconds), "{text}");
            }
            let mut changed = text.into_bytes();
            let place = usize::from(*place) % changed.len();
            changed[place] = *byte;
            is_well_read(&changed);
        }
    }
});

/// What is no date reads as none; of what reads as one, the forms must hold it.
fn is_well_read(text: &[u8]) {
    let Some(seconds) = parse(text) else { return };
    assert!(seconds <= LAST);
    let text = std::str::from_utf8(text).expect("text").trim();
    assert!(forms(seconds).iter().any(|form| form == text), "{text}");
}

/// The ways to write a date: IMF-fixdate, RFC 850, asctime with a space and with a zero.
fn forms(seconds: u64) -> [String; 4] {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let time = format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60);
    let name = DAYS[(days as usize + 4) % 7];
    let (year, month, day) = civil(days);
    let month = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"][month];
    let (short, two) = (&name[..3], year % 100);
    let forms = [
        format!("{short}, {day:02} {month} {year:04} {time} GMT"),
        format!("{name}, {day:02}-{month}-{two:02} {time} GMT"),
        format!("{short} {month} {day:2} {time} {year:04}"),
        format!("{short} {month} {day:02} {time} {year:04}"),
    ];
    assert_eq!(imf_fixdate(seconds), forms[0].as_bytes());
    forms
}

/// Year, month from 0, and day from 1 of a day since 1970, counted down.
fn civil(mut days: u64) -> (u64, usize, u64) {
    let mut year = 1970;
    let is_leap = |year: u64| year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    // Every 400 years have as many days.
    year += 400 * (days / 146_097);
    days %= 146_097;
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let lengths = [31, 28 + u64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    (year, month, days + 1)
}
