//! The little that it takes to write HTML.

use std::fmt::{self, Display};

use crate::http::escape;

/// `text` so that HTML shows it as it is, in text and in quoted attributes. Control characters, which HTML may not hold, are
/// shown as U+FFFD; bytes that are not UTF-8, too.
pub fn text<T: AsRef<[u8]> + ?Sized>(text: &T) -> Text<'_> {
    Text(text.as_ref())
}

/// What [`text`] gives.
pub struct Text<'t>(&'t [u8]);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: String = String::from_utf8_lossy(self.0).chars().filter(|&character| character != '\r').collect();
        let shown = shown.replace(|character| !matches!(character, '\n' | '\t') && is_control(character), "\u{fffd}");
        let mut out = String::with_capacity(shown.len() + shown.len() / 8);
        escape::push_html(&mut out, shown.as_bytes());
        f.write_str(&out)
    }
}

/// Control characters and noncharacters (HTML, section 13.2.3.5), and what turns the direction of the text around it.
fn is_control(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fdd0}'..='\u{fdef}')
        || u32::from(character) & 0xfffe == 0xfffe
}

/// A count of things: `1 byte`, `2 bytes`.
pub fn count(number: u64, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_no_markup() {
        for (written, shown) in [
            (&b"a <b> \"&'"[..], "a &lt;b&gt; &quot;&amp;&#39;"),
            (b"</textarea>\xff\0\x1b", "&lt;/textarea&gt;\u{fffd}\u{fffd}\u{fffd}"),
            ("line\r\n\tline\u{202e}\u{ffff}".as_bytes(), "line\n\tline\u{fffd}\u{fffd}"),
        ] {
            assert_eq!(text(written).to_string(), shown);
        }
    }
}
