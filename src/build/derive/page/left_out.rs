//! What of a page is no content: navigation, controls, what is hidden, and what generators of sites add.

use std::rc::Rc;

use markup5ever_rcdom::Node;

use super::super::dom;

/// What is left out of Markdown.
pub struct LeftOut<'l> {
    /// What the site's author wants left out besides.
    pub by_author: Option<&'l Matches<'l>>,
}

/// Whether an element is meant.
pub type Matches<'m> = dyn Fn(&Rc<Node>) -> bool + 'm;

impl LeftOut<'_> {
    /// Whether this element is left out with all that is in it.
    pub fn contains(&self, node: &Rc<Node>) -> bool {
        dom::is_one_of(node, ELEMENTS)
            || is_hidden(node)
            || dom::said(node, "role").is_some_and(|role| ROLES.contains(&&role[..]))
            || is_added(node)
            || self.by_author.is_some_and(|matches| matches(node))
    }
}

/// Elements that hold no text for readers, or only the way to other pages.
const ELEMENTS: &[&str] = &[
    "script", "style", "template", "noscript", "link", "meta", "title", "head", "nav", "dialog", "iframe", "object",
    "embed", "canvas", "button", "input", "select", "textarea", "datalist", "footer", "menu", "rp",
];

/// Roles of the same (WAI-ARIA 1.2, sections 5.3.4 and 5.4).
const ROLES: &[&str] = &[
    "navigation",
    "search",
    "banner",
    "contentinfo",
    "menu",
    "menubar",
    "toolbar",
    "dialog",
    "alertdialog",
    "tooltip",
    "doc-toc",
    "directory",
];

/// Classes by which the generators of sites call what they add to a page.
const CLASSES: &[&str] = &[
    // What links to the place where it stands.
    "anchorjs-link",
    "hash-link",
    "headerlink",
    // Ways to other pages, or through this one, and from it to where it is written.
    "back-to-top",
    "breadcrumb",
    "breadcrumbs",
    "edit-page",
    "edit-this-page",
    "mobile-nav-chapters",
    "nav-chapters",
    "nav-wrapper",
    "pagination",
    "pagination-nav",
    "skip-link",
    "skip-to-content",
    "table-of-contents",
    "toc",
    // What does something with code, or counts its lines.
    "code-copy",
    "copy-button",
    "copybtn",
    "gutter",
    "line-numbers",
    "lineno",
    "linenodiv",
    "linenos",
    "rouge-gutter",
    "src-line-numbers",
    "test-arrow",
    // Texts that are not seen, or only if asked for, or say what is to be done.
    "boring",
    "hideme",
    "mw-editsection",
    "noprint",
    "notable-traits",
    "screen-reader-text",
    "sr-only",
    "tooltip",
    "viewcode-link",
    "visually-hidden",
];

fn is_added(node: &Rc<Node>) -> bool {
    let is_meant = |class: &str| CLASSES.contains(&class) || (class == "lang" && is_beside_code(node));
    dom::has_class(node, is_meant) && !is_heading(node)
}

/// Whether this stands in a block of code whose language its class says.
fn is_beside_code(node: &Rc<Node>) -> bool {
    dom::parent(node).is_some_and(|above| dom::has_class(&above, |class| class.starts_with("language-")))
}

/// Whether nobody sees this, not even by choosing a tab.
pub fn is_hidden(node: &Rc<Node>) -> bool {
    if dom::said(node, "role").as_deref() == Some("tabpanel") {
        return false;
    }
    let style = || dom::attribute(node, "style").unwrap_or_default().replace(' ', "").to_ascii_lowercase();
    dom::attribute(node, "hidden").is_some()
        || dom::attribute(node, "aria-hidden").as_deref() == Some("true")
        || style().contains("display:none")
}

/// Whether this is a heading.
pub fn is_heading(node: &Node) -> bool {
    dom::is_one_of(node, &["h1", "h2", "h3", "h4", "h5", "h6"])
}
