//! A listing for people: a page that needs nothing besides itself, and that can be read without its style, too.

use std::fmt::Write as _;

use super::{Entry, Page, shown};
use crate::build::walk::last_segment;
use crate::http::{date, escape};

/// `page` in HTML.
pub fn render(page: &Page<'_>) -> String {
    let mut out = String::with_capacity(2048 + 320 * page.entries.len());
    out += "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
            <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
            <meta name=\"color-scheme\" content=\"light dark\">\n<title>Index of ";
    push_text(&mut out, page.directory);
    out += "</title>\n<style>\n";
    out += include_str!("style.css");
    out += "</style>\n</head>\n<body>\n";
    push_ancestors(&mut out, page);
    out += "<main>\n<h1>";
    push_name(&mut out, if page.ancestors.is_empty() { b"/" } else { last_segment(page.directory) });
    out += "</h1>\n<table>\n<caption>";
    let (directories, files) = page.directories_and_files();
    out += &shown::summary(directories, files, page.length());
    out += "</caption>\n<thead>\n<tr><th scope=\"col\">Name</th><th scope=\"col\">Size</th>\
            <th scope=\"col\">Changed (UTC)</th><th scope=\"col\">Type</th></tr>\n</thead>\n<tbody>\n";
    if page.has_parent() {
        out += "<tr class=\"up\"><th scope=\"row\"><a href=\"../\">Parent directory</a></th><td></td><td></td><td></td></tr>\n";
    }
    for entry in &page.entries {
        push_row(&mut out, entry);
    }
    out += "</tbody>\n</table>\n</main>\n</body>\n</html>\n";
    out
}

/// The way from the root to here, with links to where something answers.
fn push_ancestors(out: &mut String, page: &Page<'_>) {
    if page.ancestors.is_empty() {
        return;
    }
    *out += "<nav aria-label=\"Path\">\n<ol>\n";
    for (place, (directory, answers)) in page.ancestors.iter().enumerate() {
        *out += "<li>";
        if *answers {
            let _ = write!(out, "<a href=\"{}\">", "../".repeat(page.ancestors.len() - place));
        }
        match last_segment(directory) {
            [] => *out += "Root",
            name => push_name(out, name),
        }
        *out += if *answers { "</a></li>\n" } else { "</li>\n" };
    }
    *out += "</ol>\n</nav>\n";
}

fn push_row(out: &mut String, entry: &Entry<'_>) {
    *out += if entry.file.is_some() { "<tr>" } else { "<tr class=\"directory\">" };
    *out += "<th scope=\"row\"><a href=\"";
    escape::push_html(out, entry.reference().as_bytes());
    *out += "\">";
    push_name(out, entry.name);
    *out += if entry.file.is_some() { "</a></th><td>" } else { "/</a></th><td>" };
    if let Some(file) = &entry.file {
        let (exact, short) = (file.length, shown::length(file.length));
        let _ = write!(out, "<data value=\"{exact}\" title=\"{exact} bytes\">{short}</data>");
    }
    *out += "</td><td>";
    if let Some(modified) = entry.modified {
        let exact = date::rfc3339(modified);
        let short = exact[..16].replace('T', " ");
        let _ = write!(out, "<time datetime=\"{exact}\">{short}</time>");
    }
    *out += "</td><td>";
    push_text(out, entry.kind().as_bytes());
    *out += "</td></tr>\n";
}

/// A name that does not turn the direction of what stands beside it.
fn push_name(out: &mut String, name: &[u8]) {
    *out += "<bdi>";
    push_text(out, name);
    *out += "</bdi>";
}

fn push_text(out: &mut String, text: &[u8]) {
    escape::push_html(out, shown::name(text).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::super::tests::{directory, file, page};
    use super::*;

    #[test]
    fn rows_tell_what_there_is() {
        let html = render(&page(vec![directory(b"old"), file(b"a.txt.gz")]));
        for part in [
            "<title>Index of /d é/e/</title>",
            "<li>Root</li>\n<li><a href=\"../\"><bdi>d é</bdi></a></li>",
            "<h1><bdi>e</bdi></h1>",
            "<caption>1 directory, 1 file, 1.2 kB</caption>",
            "<a href=\"../\">Parent directory</a>",
            "<tr class=\"directory\"><th scope=\"row\"><a href=\"old/\"><bdi>old</bdi>/</a></th>\
             <td></td><td></td><td>directory</td></tr>",
            "<tr><th scope=\"row\"><a href=\"a.txt.gz\"><bdi>a.txt.gz</bdi></a></th>\
             <td><data value=\"1234\" title=\"1234 bytes\">1.2 kB</data></td>\
             <td><time datetime=\"1994-11-06T08:49:37Z\">1994-11-06 08:49</time></td><td>text/plain, gzip</td></tr>",
        ] {
            assert!(html.contains(part), "{part}\n{html}");
        }
    }

    #[test]
    fn the_root_has_nothing_above_it() {
        let html = render(&Page { directory: b"/", ancestors: Vec::new(), entries: Vec::new() });
        assert!(html.contains("<h1><bdi>/</bdi></h1>") && html.contains("Nothing is here"), "{html}");
        assert!(!html.contains("<nav") && !html.contains("../"), "{html}");
    }

    #[test]
    fn names_are_no_markup() {
        let html = render(&page(vec![file(b"\"><script>alert('1')</script>&amp;\n\xff")]));
        assert!(
            html.contains("<a href=\"%22%3e%3cscript%3ealert(&#39;1&#39;)%3c%2fscript%3e&amp;amp%3b%0a%ff\">"),
            "{html}"
        );
        let shown = "&quot;&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;amp;\u{240a}\u{fffd}";
        assert!(html.contains(&format!("<bdi>{shown}</bdi>")), "{html}");
        assert!(!html.contains("<script"), "{html}");
    }
}
