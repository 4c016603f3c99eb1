//! Code: what is left of it without what colours it, and its language.

use std::rc::Rc;

use markup5ever_rcdom::{Node, NodeData};

use super::super::dom;
use super::left_out::LeftOut;

/// Code without what colours it, and with its language. Nothing is left of a column that counts lines.
pub fn block(node: &Rc<Node>, left_out: &LeftOut<'_>) -> Option<Rc<Node>> {
    let mut text = String::new();
    push(node, left_out, &mut text);
    // What keeps a browser from breaking lines is no part of code.
    let text = text.trim_end().trim_start_matches('\n').replace('\u{a0}', " ");
    if text.is_empty() || counts_lines(&text) {
        return None;
    }
    let code = dom::element("code", vec![dom::text_node(&text)]);
    if let Some(language) = language(node) {
        dom::set_attribute(&code, "class", &format!("language-{language}"));
    }
    Some(dom::element("pre", vec![code]))
}

fn push(node: &Rc<Node>, left_out: &LeftOut<'_>, text: &mut String) {
    for child in dom::children(node) {
        match &child.data {
            NodeData::Text { contents } => text.push_str(&contents.borrow()),
            NodeData::Element { .. } if left_out.contains(&child) => {}
            NodeData::Element { name, .. } => {
                // A line may be an element of its own.
                let is_line = matches!(&*name.local, "div" | "p" | "li" | "tr");
                let at_start = text.is_empty() || text.ends_with('\n');
                if &*name.local == "br" || (is_line && !at_start) {
                    text.push('\n');
                }
                push(&child, left_out, text);
                if is_line && !text.ends_with('\n') {
                    text.push('\n');
                }
            }
            _ => {}
        }
    }
}

/// Whether these lines are numbers, each one more than the one before.
fn counts_lines(text: &str) -> bool {
    let numbers: Option<Vec<u64>> = text.lines().map(|line| line.trim().parse().ok()).collect();
    numbers.is_some_and(|numbers| {
        numbers.len() > 1 && numbers.windows(2).all(|pair| pair[0].checked_add(1) == Some(pair[1]))
    })
}

/// Code within a line, which is text and nothing else; a link that is all of it goes around it.
pub fn in_line(node: Rc<Node>) -> Rc<Node> {
    let text = dom::text(&node);
    let link = dom::descendants(&node).find(|below| dom::name(below) == Some("a"));
    let link = link.filter(|link| dom::text(link) == text);
    let code = dom::element("code", vec![dom::text_node(&text)]);
    match link {
        None => code,
        Some(link) => {
            let around = dom::element("a", vec![code]);
            dom::set_attribute(&around, "href", &dom::attribute(&link, "href").unwrap_or_default());
            around
        }
    }
}

/// The language of a block of code, by what the generators of sites write.
fn language(pre: &Rc<Node>) -> Option<String> {
    let code = dom::descendants(pre).find(|node| dom::name(node) == Some("code"));
    let own: Vec<_> = code.into_iter().chain([pre.clone()]).collect();
    let around: Vec<_> =
        dom::ancestors(pre).take(3).take_while(|node| dom::is_one_of(node, &["div", "figure"])).collect();
    let classes = |node: &Rc<Node>| dom::attribute(node, "class").unwrap_or_default().to_ascii_lowercase();
    let declared = own.iter().chain(&around).find_map(|node| {
        let by_class = classes(node).split_whitespace().find_map(|class| {
            let prefixes = ["language-", "lang-", "highlight-source-", "highlight-"];
            prefixes.iter().find_map(|prefix| class.strip_prefix(prefix)).map(String::from)
        });
        by_class.or_else(|| dom::said(node, "data-lang")).or_else(|| dom::said(node, "data-language"))
    });
    let bare = || {
        let classes: Vec<_> = own.iter().map(classes).collect();
        let mut names = classes.iter().flat_map(|classes| classes.split_whitespace());
        names.find(|class| LANGUAGES.contains(class)).map(String::from)
    };
    let language = declared.or_else(bare)?.to_ascii_lowercase();
    let is_name = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+#._-".contains(&byte));
    let says_nothing = ["none", "plain", "plaintext", "text", "txt", "default", "guessed", "nohighlight", "output"];
    (!language.is_empty() && is_name(&language) && !says_nothing.contains(&&language[..])).then_some(language)
}

/// Languages that some pages name in a class without any prefix.
const LANGUAGES: &[&str] = &[
    "bash",
    "c",
    "console",
    "cpp",
    "css",
    "diff",
    "go",
    "haskell",
    "html",
    "ini",
    "java",
    "javascript",
    "js",
    "json",
    "kotlin",
    "lua",
    "makefile",
    "perl",
    "php",
    "python",
    "ruby",
    "rust",
    "scala",
    "sh",
    "shell",
    "sql",
    "swift",
    "toml",
    "typescript",
    "ts",
    "xml",
    "yaml",
];
