//! Text as it stands on one line.

/// A text as one line: white space of any kind is one space.
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
