//! A tree that was cleaned → Markdown, by `htmd`, and what is written otherwise here.

use std::rc::Rc;

use htmd::element_handler::{HandlerResult, Handlers};
use htmd::options::{BulletListMarker, HrStyle, LinkStyle, Options};
use htmd::{Element, HtmlToMarkdown};
use markup5ever_rcdom::{Node, NodeData};

use super::super::dom;
use super::table;

/// The name of elements whose text is Markdown already. Pages have none of these: see `clean`.
pub const RAW: &str = "raw-markdown";

/// Text that is Markdown already.
pub fn raw(markdown: &str) -> Rc<Node> {
    dom::element(RAW, vec![dom::text_node(markdown)])
}

/// All that is in `root` as Markdown.
pub fn to_markdown(root: &Rc<Node>) -> String {
    let options = Options {
        bullet_list_marker: BulletListMarker::Dash,
        ul_bullet_spacing: 1,
        ol_number_spacing: 1,
        hr_style: HrStyle::Asterisks,
        link_style: LinkStyle::InlinedPreferAutolinks,
        ..Options::default()
    };
    let converter = HtmlToMarkdown::builder()
        .options(options)
        .add_handler(vec![RAW], |_: &dyn Handlers, element: Element<'_>| Some(dom::text(element.node).into()))
        .add_handler(vec!["del", "s", "strike"], struck)
        .add_handler(vec!["sub", "sup"], raised)
        .add_handler(vec!["table"], table::written)
        .build();
    keep_links_from_being_images(root);
    converter.tree_to_markdown(root)
}

/// Elements that stand within a line.
const IN_LINE: &[&str] = &[
    "a", "abbr", "b", "bdi", "bdo", "cite", "del", "dfn", "em", "font", "i", "ins", "mark", "q", "s", "small", "span",
    "strike", "strong", "sub", "sup", "time", "u", "var",
];

/// Escapes exclamation marks right before links, which would be images with them.
fn keep_links_from_being_images(root: &Rc<Node>) {
    let mut before: Option<Rc<Node>> = None;
    for node in dom::descendants(root) {
        match (&node.data, dom::name(&node)) {
            (NodeData::Text { .. }, _) => before = Some(node),
            (_, Some("a" | RAW)) => {
                if let Some(text) = before.take() {
                    escape_last_mark(&text);
                }
            }
            (_, Some(name)) if IN_LINE.contains(&name) => {}
            _ => before = None,
        }
    }
}

fn escape_last_mark(text: &Rc<Node>) {
    let NodeData::Text { contents } = &text.data else { return };
    let Some(parent) = dom::parent(text) else { return };
    let Some(rest) = contents.borrow().strip_suffix('!').map(String::from) else { return };
    // In code nothing is escaped.
    if dom::name(&parent).is_none_or(|name| matches!(name, RAW | "code" | "pre")) {
        return;
    }
    contents.replace(rest.into());
    if let Some(place) = dom::children(&parent).iter().position(|child| Rc::ptr_eq(child, text)) {
        dom::insert(&parent, place + 1, raw("\\!"));
    }
}

/// What does not hold any more (GFM, section 6.5). Whole blocks keep their form.
fn struck(handlers: &dyn Handlers, element: Element<'_>) -> Option<HandlerResult> {
    let content = handlers.walk_children(element.node).content;
    let text = content.trim();
    if text.is_empty() || text.contains("\n\n") {
        return Some(content.into());
    }
    Some(content.replacen(text, &format!("~~{text}~~"), 1).into())
}

/// What stands lower or higher, which Markdown has no signs for: x² is not x2.
fn raised(handlers: &dyn Handlers, element: Element<'_>) -> Option<HandlerResult> {
    let content = handlers.walk_children(element.node).content;
    let text = content.trim();
    let is_alone = || dom::parent(element.node).is_some_and(|above| dom::line(&above) == dom::line(element.node));
    // What stands for a footnote says so by itself, and what stands beside nothing is only small.
    if text.is_empty() || text.starts_with("[^") || is_alone() {
        return Some(text.into());
    }
    Some(format!("<{0}>{text}</{0}>", element.tag).into())
}
