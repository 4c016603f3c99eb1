//! What stands before Markdown: title, description, address.

use std::fmt;

/// What is said of a page before its content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FrontMatter {
    /// What it is called.
    pub title: Option<String>,
    /// What it is about.
    pub description: Option<String>,
    /// Its canonical address: a URL or an absolute path.
    pub url: Option<String>,
    /// Where it leads at once.
    pub redirect: Option<String>,
}

/// What begins and ends it.
const FENCE: &str = "---";

impl fmt::Display for FrontMatter {
    /// As YAML. Strings are written as JSON has them, which YAML understands.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{FENCE}")?;
        let FrontMatter { title, description, url, redirect } = self;
        for (key, value) in [("title", title), ("description", description), ("url", url), ("redirect", redirect)] {
            if let Some(value) = value {
                writeln!(f, "{key}: {}", serde_json::Value::from(value.as_str()))?;
            }
        }
        writeln!(f, "{FENCE}")
    }
}

impl FrontMatter {
    /// What stands before `markdown`, and what comes then. Of YAML only lines of a key and a string are understood.
    pub fn of(markdown: &str) -> (FrontMatter, &str) {
        let mut found = FrontMatter::default();
        let mut lines = markdown.split_inclusive('\n');
        let Some(first) = lines.next().filter(|line| line.trim_end() == FENCE) else { return (found, markdown) };
        let mut length = first.len();
        for line in lines {
            length += line.len();
            if line.trim_end() == FENCE {
                return (found, markdown[length..].trim_start_matches(['\r', '\n']));
            }
            let Some((key, value)) = line.split_once(':') else { continue };
            let place = match key {
                "title" => &mut found.title,
                "description" => &mut found.description,
                "url" => &mut found.url,
                "redirect" => &mut found.redirect,
                _ => continue,
            };
            *place = string(value.trim());
        }
        (FrontMatter::default(), markdown)
    }
}

fn string(yaml: &str) -> Option<String> {
    let text = match yaml.as_bytes() {
        [b'"', ..] => serde_json::from_str(yaml).ok()?,
        [b'\'', text @ .., b'\''] => String::from_utf8_lossy(text).replace("''", "'"),
        [b'|' | b'>' | b'[' | b'{' | b'&' | b'*', ..] => return None,
        _ => yaml.to_string(),
    };
    Some(text).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let full = FrontMatter {
            title: Some("A \"b\": c\\d".into()),
            description: Some("é\u{1f600} --- x".into()),
            url: Some("/a".into()),
            redirect: None,
        };
        let text = format!("{full}\n# A\n");
        assert_eq!(FrontMatter::of(&text), (full, "# A\n"));
    }

    #[test]
    fn that_of_others_is_understood_as_far_as_it_is_simple() {
        let (found, rest) =
            FrontMatter::of("---\r\ntitle: It's: here\ndescription: 'a ''b'''\nurl: >\n  x\n---\n\ntext");
        assert_eq!((found.title.as_deref(), found.description.as_deref()), (Some("It's: here"), Some("a 'b'")));
        assert_eq!((found.url, rest), (None, "text"));
        for text in ["", "# a", "---", "---\ntitle: x\n", "--- \n", "text\n---\ntitle: a\n---\n"] {
            assert_eq!(FrontMatter::of(text), (FrontMatter::default(), text));
        }
    }
}
