//! Quality values: `q` in a request, `qs` in a site's configuration.

/// A quality value in thousandths: 0 (not acceptable) to 1000 (RFC 9110, section 12.4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quality(u16);

impl Quality {
    /// Not acceptable.
    pub const NONE: Quality = Quality(0);
    /// The default: fully acceptable.
    pub const FULL: Quality = Quality(1000);
    /// The smallest value above [`Quality::NONE`].
    pub const LEAST: Quality = Quality(1);

    /// From thousandths; anything above 1000 is 1000.
    pub const fn from_thousandths(thousandths: u16) -> Quality {
        if thousandths > 1000 { Quality::FULL } else { Quality(thousandths) }
    }

    /// The value in thousandths.
    pub const fn thousandths(self) -> u16 {
        self.0
    }

    /// The binary32 number nearest to the value. Products are compared in binary32 because Apache's
    /// are, and decimals choose another file on some inputs (R78).
    pub fn as_f32(self) -> f32 {
        f32::from(self.0) / 1000.0
    }

    /// Reads the value of a `q` or `qs` parameter as Apache reads it (R53).
    ///
    /// No input is an error: white space is skipped, what begins with neither `0` nor `.` counts as
    /// 1.000, and reading stops after three decimals or at the first byte that is no digit.
    pub fn parse(value: &[u8]) -> Quality {
        let fraction = match value.trim_ascii_start() {
            [b'.', rest @ ..] | [b'0', b'.', rest @ ..] => rest,
            [b'0', ..] => return Quality::NONE,
            _ => return Quality::FULL,
        };
        let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit());
        Quality(digits.zip([100, 10, 1]).map(|(&byte, place)| u16::from(byte - b'0') * place).sum())
    }

    /// As [`Quality::parse`], but a weight that is not zero stays above zero: `0.0009` is 0.001 (D5).
    pub fn parse_rounding_up(value: &[u8]) -> Quality {
        let quality = Quality::parse(value);
        let fraction = match value.trim_ascii_start() {
            [b'.', rest @ ..] | [b'0', b'.', rest @ ..] => rest,
            _ => return quality,
        };
        let nonzero = fraction.iter().take_while(|byte| byte.is_ascii_digit()).any(|&byte| byte != b'0');
        if quality == Quality::NONE && nonzero { Quality::LEAST } else { quality }
    }
}

impl std::fmt::Display for Quality {
    /// As RFC 9110 writes it, without trailing zeros: `1`, `0.5`, `0.125`, `0`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            0 => f.write_str("0"),
            1000.. => f.write_str("1"),
            value => {
                let digits = format!("{value:03}");
                write!(f, "0.{}", digits.trim_end_matches('0'))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_values_apache_reads() {
        for (text, thousandths) in [
            ("", 1000),
            ("1", 1000),
            ("1.5", 1000),
            ("-1", 1000),
            ("abc", 1000),
            ("+0.5", 1000),
            ("0", 0),
            ("0.", 0),
            ("00.9", 0),
            ("0x9", 0),
            (".5", 500),
            ("0.5x", 500),
            (" 0.5", 500),
            ("0.1239", 123),
            ("0.0009", 0),
            ("0.001", 1),
        ] {
            assert_eq!(Quality::parse(text.as_bytes()).thousandths(), thousandths, "{text:?}");
        }
    }

    #[test]
    fn a_small_weight_is_not_a_refusal() {
        for (text, thousandths) in
            [("0.0009", 1), ("0.000", 0), ("0.0000001", 1), ("0", 0), ("0.5", 500), ("0.00x9", 0), ("", 1000)]
        {
            assert_eq!(Quality::parse_rounding_up(text.as_bytes()).thousandths(), thousandths, "{text:?}");
        }
    }

    #[test]
    fn prints_what_it_parses() {
        for thousandths in 0..=1000 {
            let quality = Quality::from_thousandths(thousandths);
            assert_eq!(Quality::parse(quality.to_string().as_bytes()), quality);
        }
    }
}
