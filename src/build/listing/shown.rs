//! Names, lengths and counts as a person reads them.

/// A name as text that stays on its line and in its place: what is not UTF-8, and what would turn the direction of the
/// text around it, is shown as U+FFFD; control characters by their pictures.
pub fn name(name: &[u8]) -> String {
    String::from_utf8_lossy(name).chars().map(visible).collect()
}

fn visible(character: char) -> char {
    match character {
        '\0'..='\x1f' => char::from_u32(0x2400 + u32::from(character)).unwrap_or(char::REPLACEMENT_CHARACTER),
        '\x7f' => '\u{2421}',
        '\u{80}'..='\u{9f}'
        | '\u{61c}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}' => char::REPLACEMENT_CHARACTER,
        other => other,
    }
}

/// A length in bytes: `999 B`, `1.0 kB`, `10 kB`, `1.4 GB`.
pub fn length(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut unit = 1000_u64;
    let mut name = UNITS[0];
    for next in &UNITS[1..] {
        // What would be rounded to 1000 of these is 1.0 of the next.
        if bytes / unit < 999 || (bytes / unit == 999 && bytes % unit < unit / 2) {
            break;
        }
        (unit, name) = (unit * 1000, next);
    }
    let tenths = (u128::from(bytes) * 10 + u128::from(unit) / 2) / u128::from(unit);
    if tenths < 100 {
        return format!("{}.{} {name}", tenths / 10, tenths % 10);
    }
    format!("{} {name}", (u128::from(bytes) + u128::from(unit) / 2) / u128::from(unit))
}

/// What a directory holds, in words; `bytes` is the length of the files together.
pub fn summary(directories: usize, files: usize, bytes: u64) -> String {
    let count = |number: usize, one: &str, several: &str| match number {
        0 => None,
        1 => Some(format!("1 {one}")),
        _ => Some(format!("{number} {several}")),
    };
    let mut parts: Vec<_> =
        [count(directories, "directory", "directories"), count(files, "file", "files")].into_iter().flatten().collect();
    if files > 0 {
        parts.push(length(bytes));
    }
    if parts.is_empty() { "Nothing is here".into() } else { parts.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_on_their_lines() {
        assert_eq!(name("a\nb\u{202e}\t\x7f é".as_bytes()), "a\u{240a}b\u{fffd}\u{2409}\u{2421} é");
        assert_eq!(name(b"\xff\x00"), "\u{fffd}\u{2400}");
    }

    #[test]
    fn lengths_are_rounded() {
        for (bytes, expected) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (1049, "1.0 kB"),
            (1050, "1.1 kB"),
            (9949, "9.9 kB"),
            (9950, "10 kB"),
            (10_499, "10 kB"),
            (10_500, "11 kB"),
            (999_499, "999 kB"),
            (999_500, "1.0 MB"),
            (1_434_521, "1.4 MB"),
            (999_499_999, "999 MB"),
            (999_500_000, "1.0 GB"),
            (u64::MAX, "18 EB"),
        ] {
            assert_eq!(length(bytes), expected, "{bytes}");
        }
    }

    #[test]
    fn what_is_there_is_counted() {
        assert_eq!(summary(0, 0, 0), "Nothing is here");
        assert_eq!(summary(1, 0, 0), "1 directory");
        assert_eq!(summary(2, 1, 1000), "2 directories, 1 file, 1.0 kB");
        assert_eq!(summary(0, 2, 7), "2 files, 7 B");
    }
}
