//! What of a page is of no use in Markdown is taken out of its tree, and the rest put so that it can be written down.

use std::rc::Rc;

use markup5ever_rcdom::{Node, NodeData};

use super::super::dom;
use super::super::text::one_line;
use super::boxes;
use super::code;
use super::footnotes::{Footnotes, Label};
use super::head::Links;
use super::left_out::{self, LeftOut};
use super::{holds_blocks, is_block, says_something, table, write};

/// Takes out of a page what is of no use in Markdown, and puts the rest so that it can be written down.
pub struct Cleaner<'c> {
    pub left_out: LeftOut<'c>,
    pub links: &'c Links,
    pub footnotes: Footnotes,
    /// Whether what is usually around the content may be in it.
    pub loosely: bool,
}

impl Cleaner<'_> {
    /// Cleans all that is below `node`.
    pub fn clean_children(&self, node: &Rc<Node>) {
        let mut kept = Vec::new();
        // They still know whose they are, for what looks upwards.
        for child in dom::take_children(node) {
            self.clean(child, &mut kept);
        }
        dom::set_children(node, kept);
    }

    /// Adds what is left of `node` to `kept`.
    fn clean(&self, node: Rc<Node>, kept: &mut Vec<Rc<Node>>) {
        let name = match &node.data {
            NodeData::Text { .. } => return kept.push(node),
            NodeData::Element { name, .. } => name.local.clone(),
            _ => return,
        };
        if &*name == "input" {
            return kept.extend(checkbox(&node));
        }
        if self.left_out.contains(&node) {
            return;
        }
        if let Some(label) = self.footnotes.defined_by(&node) {
            return kept.push(self.footnote(&node, label));
        }
        if self.loosely && self.is_around(&node) {
            return;
        }
        match &*name {
            "pre" => return kept.extend(code::block(&node, &self.left_out)),
            "math" => return kept.extend(formula(&node)),
            "svg" => return kept.extend(label(&node).map(|label| dom::text_node(&label))),
            "img" => return kept.extend(self.image(&node)),
            "video" | "audio" => return kept.extend(self.recording(&node)),
            "a" => {
                if let Some(label) = self.footnotes.referred_to(&node) {
                    return kept.push(write::raw(&format!("[^{label}]")));
                }
            }
            "div" | "span" => {
                if let Some(formula) = delimited_formula(&node) {
                    return kept.push(formula);
                }
                boxes::take_apart_tabs(&node);
            }
            _ => {}
        }
        let are_footnotes = self.footnotes.are_in(&node);
        self.clean_children(&node);
        match &*name {
            "a" => self.link(node, kept),
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" if dom::line(&node).is_empty() && !has_image(&node) => {}
            "dt" if dom::has_class(&node, |class| class == "sig") => {
                let code = dom::element("code", vec![dom::text_node(&dom::line(&node))]);
                dom::set_children(&node, vec![dom::element("strong", vec![code])]);
                kept.push(node);
            }
            "dt" | "summary" if !holds_blocks(&node) => {
                let mut children = dom::take_children(&node);
                // Or the space would stand outside of the signs.
                let is_blank = |child: &Rc<Node>| !dom::is_element(child) && dom::text(child).trim().is_empty();
                children.truncate(children.iter().rposition(|child| !is_blank(child)).map_or(0, |last| last + 1));
                children.drain(..children.iter().position(|child| !is_blank(child)).unwrap_or(0));
                dom::set_children(&node, vec![dom::element("strong", children)]);
                kept.push(node);
            }
            "table" => table::add(node, kept),
            "code" | "kbd" | "samp" | "tt" => kept.push(code::in_line(node)),
            "ol" | "ul" if are_footnotes => kept.extend(dom::take_children(&node)),
            write::RAW => kept.extend(dom::take_children(&node)),
            // A badge keeps its distance by a style.
            "span"
                if dom::has_class(&node, |class| class == "stab" || class.to_ascii_lowercase().contains("badge")) =>
            {
                kept.extend([dom::text_node(" "), node, dom::text_node(" ")]);
            }
            _ if boxes::is_note(&node) => {
                boxes::mark_title(&node);
                kept.push(dom::element("blockquote", dom::take_children(&node)));
            }
            _ => kept.push(node),
        }
    }

    /// A footnote, as a block that begins with its label.
    fn footnote(&self, note: &Rc<Node>, label: &Label) -> Rc<Node> {
        self.footnotes.strip(note, label);
        self.clean_children(note);
        let block = dom::element("div", dom::take_children(note));
        let paragraph = dom::children(&block).into_iter().find(|child| dom::is_element(child));
        let first = paragraph.filter(|child| dom::name(child) == Some("p")).unwrap_or_else(|| block.clone());
        dom::insert(&first, 0, write::raw(&format!("[^{}]: ", label.unique)));
        block
    }

    /// Whether this is what stands around the content of a page.
    fn is_around(&self, node: &Rc<Node>) -> bool {
        let within = |names: &[&str]| dom::ancestors(node).any(|above| dom::is_one_of(&above, names));
        dom::is_one_of(node, &["header", "aside"]) && !within(&["article", "section", "blockquote", "figure"])
    }

    /// A link whose content was cleaned.
    fn link(&self, node: Rc<Node>, kept: &mut Vec<Rc<Node>>) {
        let text = dom::text(&node);
        let has_image = has_image(&node);
        let is_sign = !says_something(&text) && !has_image;
        let Some(reference) = dom::said(&node, "href") else { return kept.extend(dom::take_children(&node)) };
        // The title is that of a mouse pointer; most repeat the text or the address.
        dom::remove_attribute(&node, "title");
        let in_heading = || dom::ancestors(&node).any(|above| left_out::is_heading(&above));
        match self.links.resolved(&reference) {
            _ if text.trim().is_empty() && !has_image => {}
            // Signs that link to where they stand, as ¶, or do something, as [−].
            None if is_sign => {}
            Some(place) if place.starts_with('#') && is_sign => {}
            Some(place) if place == "#" || (place.starts_with('#') && in_heading()) => {
                kept.extend(dom::take_children(&node))
            }
            // Markdown's links are within a line.
            Some(target) if holds_blocks(&node) => {
                link_first(&node, &target);
                kept.extend(dom::take_children(&node));
            }
            Some(target) => {
                dom::set_attribute(&node, "href", &target);
                kept.push(node);
            }
            None => kept.extend(dom::take_children(&node)),
        }
    }

    fn image(&self, node: &Rc<Node>) -> Option<Rc<Node>> {
        let alternative = dom::attribute(node, "alt").map(|text| one_line(&text));
        // The name of the file says nothing that the address does not.
        let alternative = alternative.filter(|text| dom::said(node, "src").as_ref() != Some(text));
        // An empty one says that it is decoration (HTML, section 4.8.4.4.4), and so do these in a link.
        let in_link = || dom::ancestors(node).any(|above| dom::name(&above) == Some("a"));
        let is_sign = |text: &str| ["logo", "icon"].iter().any(|word| text.eq_ignore_ascii_case(word));
        let is_decoration = |text: &str| text.is_empty() || (is_sign(text) && in_link());
        if alternative.as_deref().is_some_and(is_decoration) {
            return None;
        }
        let sources = ["src", "data-src", "data-original"].into_iter().filter_map(|name| dom::said(node, name));
        match sources.filter_map(|source| self.links.resolved(&source)).next() {
            Some(source) => {
                dom::set_attribute(node, "src", &source);
                dom::set_attribute(node, "alt", &alternative.unwrap_or_default());
                dom::remove_attribute(node, "title");
                Some(node.clone())
            }
            None => alternative.map(|text| dom::text_node(&text)),
        }
    }

    /// A link in place of what is seen or heard.
    fn recording(&self, node: &Rc<Node>) -> Option<Rc<Node>> {
        let sources = std::iter::once(node.clone()).chain(dom::descendants(node));
        let source = sources.filter_map(|node| dom::said(&node, "src")).next()?;
        let label = dom::said(node, "aria-label").or_else(|| dom::said(node, "title"));
        let label = label.unwrap_or_else(|| dom::name(node).unwrap_or_default().into());
        let link = dom::element("a", vec![dom::text_node(&label)]);
        dom::set_attribute(&link, "href", &self.links.resolved(&source)?);
        Some(link)
    }
}

/// Makes the first line in `node` that says something a link.
fn link_first(node: &Rc<Node>, target: &str) {
    let mut children = dom::take_children(node);
    let says = |child: &Rc<Node>| says_something(&dom::text(child)) || is_image(child) || has_image(child);
    if let Some(first) = children.iter().position(says) {
        if is_block(&children[first]) || holds_blocks(&children[first]) {
            link_first(&children[first], target);
        } else {
            let in_line = children[first..].iter().take_while(|child| !is_block(child) && !holds_blocks(child)).count();
            let link = dom::element("a", children.drain(first..first + in_line).collect());
            dom::set_attribute(&link, "href", target);
            children.insert(first, link);
        }
    }
    dom::set_children(node, children);
}

fn is_image(node: &Rc<Node>) -> bool {
    dom::name(node) == Some("img")
}

fn has_image(node: &Rc<Node>) -> bool {
    dom::descendants(node).any(|node| is_image(&node))
}

/// What a picture without a source is called.
fn label(node: &Rc<Node>) -> Option<String> {
    let title = || dom::descendants(node).find(|node| dom::name(node) == Some("title")).map(|title| dom::line(&title));
    dom::said(node, "aria-label").or_else(title).filter(|label| !label.is_empty())
}

/// The sign of an item that is done or is to be done (GFM, section 5.3).
fn checkbox(input: &Rc<Node>) -> Option<Rc<Node>> {
    let is_box = dom::said(input, "type").is_some_and(|kind| kind.eq_ignore_ascii_case("checkbox"));
    let in_item = || dom::ancestors(input).take(3).any(|above| dom::name(&above) == Some("li"));
    let is_done = || dom::attribute(input, "checked").is_some();
    (is_box && in_item()).then(|| write::raw(if is_done() { "[x]" } else { "[ ]" }))
}

/// A formula in TeX that a script would find by the signs around it.
fn delimited_formula(node: &Rc<Node>) -> Option<Rc<Node>> {
    if !dom::has_class(node, |class| matches!(class, "math" | "arithmatex")) {
        return None;
    }
    let text = dom::line(node);
    let between = |start, end| text.strip_prefix(start)?.strip_suffix(end).map(str::trim);
    let in_line = between("\\(", "\\)").map(|tex| format!("${tex}$"));
    let tex = in_line.or_else(|| between("\\[", "\\]").map(|tex| format!("$${tex}$$")))?;
    let code = dom::element("code", vec![dom::text_node(&tex)]);
    Some(if dom::name(node) == Some("div") { dom::element("p", vec![code]) } else { code })
}

/// A formula as TeX, if the page has it, else its text.
fn formula(node: &Rc<Node>) -> Option<Rc<Node>> {
    let is_tex = |node: &Rc<Node>| {
        dom::name(node) == Some("annotation") && dom::said(node, "encoding").as_deref() == Some("application/x-tex")
    };
    let tex = dom::descendants(node).find(is_tex).map(|annotation| dom::line(&annotation));
    let tex = tex.or_else(|| dom::said(node, "alttext"));
    let text = match tex {
        // As code, or its backslashes and underscores would be taken for Markdown's.
        Some(tex) => return Some(dom::element("code", vec![dom::text_node(&format!("${tex}$"))])),
        None => dom::line(node),
    };
    Some(text).filter(|text| !text.is_empty()).map(|text| dom::text_node(&text))
}
