//! Notes in boxes ("Tip", "Warning") and tabs, by what the generators of sites write: Markdown has neither, so a note
//! becomes a quotation that begins with its title, and what is behind a tab stands below its name.

use std::rc::Rc;

use markup5ever_rcdom::Node;

use super::super::dom;

/// Classes of notes: Python-Markdown and Sphinx, Docusaurus, VitePress, GitHub, Quarto and Obsidian, Starlight, GitBook,
/// Bootstrap and Docsy, rustdoc.
const NOTES: &[&str] = &[
    "admonition",
    "theme-admonition",
    "custom-block",
    "markdown-alert",
    "callout",
    "starlight-aside",
    "hint",
    "alert",
    "warning",
];

/// Whether this is a note in a box.
pub fn is_note(node: &Rc<Node>) -> bool {
    dom::is_one_of(node, &["div", "aside", "section"]) && dom::has_class(node, |class| NOTES.contains(&class))
}

/// Puts the title of a note, which is its first element, in bold.
pub fn mark_title(note: &Rc<Node>) {
    let mut children = dom::take_children(note);
    let first = children.iter().position(|child| dom::is_element(child));
    if let Some(title) = first.filter(|&place| is_title(&children[place])) {
        let text = dom::line(&children[title]);
        children[title] = in_bold(&text);
    }
    dom::set_children(note, children);
}

fn is_title(node: &Rc<Node>) -> bool {
    dom::has_class(node, |class| {
        let class = class.to_ascii_lowercase();
        ["title", "heading", "header"].iter().any(|word| class.contains(word))
    })
}

/// A paragraph in bold.
fn in_bold(text: &str) -> Rc<Node> {
    dom::element("p", vec![dom::element("strong", vec![dom::text_node(text)])])
}

/// Puts the names of tabs that are children of `node` above what is behind them.
pub fn take_apart_tabs(node: &Rc<Node>) {
    let Some(list) = dom::children(node).into_iter().find(is_list_of_tabs) else { return };
    let is_tab = |tab: &Rc<Node>| dom::name(tab) == Some("label") || dom::said(tab, "role").as_deref() == Some("tab");
    let tabs = dom::descendants(&list).filter(is_tab).map(|tab| dom::line(&tab)).filter(|name| !name.is_empty());
    let tabs: Vec<_> = tabs.collect();
    let panels = panels(node, &list);
    if tabs.is_empty() || tabs.len() != panels.len() {
        return;
    }
    for (name, panel) in tabs.iter().zip(panels) {
        dom::insert(&panel, 0, in_bold(name));
    }
    dom::retain(node, &|child| !Rc::ptr_eq(child, &list));
}

/// Python-Markdown and VitePress have lists of labels; all others are by the book (WAI-ARIA 1.2).
fn is_list_of_tabs(node: &Rc<Node>) -> bool {
    dom::said(node, "role").as_deref() == Some("tablist")
        || dom::has_class(node, |class| matches!(class, "tabbed-labels" | "tabs"))
}

/// What is behind tabs, in the order of the page, without what is in these.
fn panels(node: &Rc<Node>, list: &Rc<Node>) -> Vec<Rc<Node>> {
    let mut found = Vec::new();
    for child in dom::children(node).into_iter().filter(|child| !Rc::ptr_eq(child, list)) {
        let is_called = |name: &str| dom::has_class(&child, |class| class == name);
        if dom::said(&child, "role").as_deref() == Some("tabpanel") || is_called("tabbed-block") {
            found.push(child);
        } else if is_called("blocks") {
            found.extend(dom::children(&child).into_iter().filter(|block| dom::is_element(block)));
        } else {
            found.extend(panels(&child, list));
        }
    }
    found
}
