//! A listing for agents, and for people with a terminal: a table in GitHub's dialect of Markdown.

use std::fmt::Write as _;

use super::{Entry, Page, shown};
use crate::http::date;

/// `page` as a heading, a link to the parent directory, and a table.
pub fn render(page: &Page<'_>) -> String {
    let mut out = format!("# Index of {}\n\n", text(page.directory));
    if page.has_parent() {
        out += "[Parent directory](../)\n\n";
    }
    let (directories, files) = page.directories_and_files();
    let _ = writeln!(out, "{}.", shown::summary(directories, files, page.length()));
    if !page.entries.is_empty() {
        out += "\n| Name | Size | Bytes | Changed | Type |\n| --- | ---: | ---: | --- | --- |\n";
    }
    for entry in &page.entries {
        push_row(&mut out, entry);
    }
    out
}

fn push_row(out: &mut String, entry: &Entry<'_>) {
    let slash = if entry.file.is_none() { "/" } else { "" };
    // Parentheses would have to be in pairs.
    let reference = entry.reference().replace('(', "%28").replace(')', "%29");
    let length = entry.file.as_ref().map(|file| file.length);
    let cells = [
        format!("[{}{slash}]({reference})", text(entry.name)),
        length.map(shown::length).unwrap_or_default(),
        length.map(|length| length.to_string()).unwrap_or_default(),
        entry.modified.map(date::rfc3339).unwrap_or_default(),
        text(entry.kind().as_bytes()),
    ];
    for cell in cells {
        *out += "| ";
        *out += &cell;
        if !cell.is_empty() {
            out.push(' ');
        }
    }
    *out += "|\n";
}

/// A name as text in which nothing is markup. An underscore within a word is none, and stays readable.
fn text(name: &[u8]) -> String {
    let name: Vec<char> = shown::name(name).chars().collect();
    let is_word = |place: Option<usize>| place.and_then(|place| name.get(place)).is_some_and(|c| c.is_alphanumeric());
    let mut out = String::with_capacity(name.len());
    for (place, &character) in name.iter().enumerate() {
        let within_word = is_word(place.checked_sub(1)) && is_word(Some(place + 1));
        if "\\`*[]<>&|~$!".contains(character) || (character == '_' && !within_word) {
            out.push('\\');
        }
        out.push(character);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::tests::{directory, file, page};
    use super::*;

    #[test]
    fn it_is_a_table() {
        assert_eq!(
            render(&page(vec![directory(b"old"), file(b"a_b(1).txt.gz")])),
            "# Index of /d é/e/\n\n[Parent directory](../)\n\n1 directory, 1 file, 1.2 kB.\n\n\
             | Name | Size | Bytes | Changed | Type |\n| --- | ---: | ---: | --- | --- |\n\
             | [old/](old/) | | | | directory |\n\
             | [a_b(1).txt.gz](a_b%281%29.txt.gz) | 1.2 kB | 1234 | 1994-11-06T08:49:37Z | text/plain, gzip |\n"
        );
        assert!(render(&page(vec![])).ends_with("(../)\n\nNothing is here.\n"));
    }

    #[test]
    fn names_are_no_markup() {
        for (name, expected) in [
            (&b"a|b\\|c"[..], "a\\|b\\\\\\|c"),
            (b"[x](y)", "\\[x\\](y)"),
            (b"`*~<b>&amp;$1![", "\\`\\*\\~\\<b\\>\\&amp;\\$1\\!\\["),
            (b"_a_b_", "\\_a_b\\_"),
            (b"__init__.py", "\\_\\_init\\_\\_.py"),
            (b"a\n# b\r\xff", "a\u{240a}# b\u{240d}\u{fffd}"),
        ] {
            assert_eq!(text(name), expected, "{}", name.escape_ascii());
        }
    }
}
