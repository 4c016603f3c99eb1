//! Footnotes: which links lead to one, and what is one, by what the generators of sites write.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use markup5ever_rcdom::{Node, NodeData};

use super::super::dom;

/// The footnotes of a content.
#[derive(Default)]
pub struct Footnotes {
    /// What each is called, by its identifier.
    labels: HashMap<String, Label>,
    /// The identifiers of the places that refer to them.
    references: HashSet<String>,
}

/// What a footnote is called.
pub struct Label {
    /// In the page, where several can be called the same.
    pub shown: String,
    /// In Markdown.
    pub unique: String,
}

impl Footnotes {
    /// Those in `root` that something in it refers to.
    pub fn of(root: &Rc<Node>) -> Footnotes {
        let mut footnotes = Footnotes::default();
        let links = dom::descendants(root).filter(|node| dom::name(node) == Some("a"));
        let links = links.filter_map(|link| place(&link).filter(|_| is_reference(&link)).map(|place| (link, place)));
        let links: Vec<_> = links.collect();
        // Most pages have none.
        if links.is_empty() {
            return footnotes;
        }
        let notes = dom::descendants(root).filter(|node| dom::is_one_of(node, &["li", "aside", "div", "p"]));
        let notes: HashMap<_, _> = notes.filter_map(|note| dom::said(&note, "id").map(|id| (id, note))).collect();
        let mut taken = HashSet::new();
        for (link, id) in links {
            let (Some(note), Some(shown)) = (notes.get(&id), label(&dom::text(&link))) else { continue };
            if !dom::ancestors(&link).any(|above| Rc::ptr_eq(&above, note)) {
                // Chapters count anew.
                let numbered = (2..).map(|number| format!("{shown}-{number}"));
                let mut labels = std::iter::once(shown.clone()).chain(numbered);
                if !footnotes.labels.contains_key(&id)
                    && let Some(unique) = labels.find(|label| taken.insert(label.clone()))
                {
                    footnotes.labels.insert(id, Label { shown, unique });
                }
                let around = std::iter::once(link.clone()).chain(dom::ancestors(&link).take(2));
                footnotes.references.extend(around.filter_map(|node| dom::said(&node, "id")));
            }
        }
        footnotes
    }

    /// What the footnote is called to which this leads.
    pub fn referred_to(&self, link: &Rc<Node>) -> Option<&str> {
        self.labels.get(&place(link).filter(|_| is_reference(link))?).map(|label| &label.unique[..])
    }

    /// What this is called, if it is a footnote.
    pub fn defined_by(&self, note: &Rc<Node>) -> Option<&Label> {
        if self.labels.is_empty() {
            return None;
        }
        self.labels.get(&dom::said(note, "id")?)
    }

    /// Whether this is a list of footnotes.
    pub fn are_in(&self, list: &Rc<Node>) -> bool {
        dom::is_one_of(list, &["ol", "ul"]) && dom::children(list).iter().any(|item| self.defined_by(item).is_some())
    }

    /// Takes away what leads from a footnote to where it is referred to, and what it is called.
    pub fn strip(&self, note: &Rc<Node>, label: &Label) {
        let leads_back = |node: &Rc<Node>| {
            dom::name(node) == Some("a") && place(node).is_some_and(|place| self.references.contains(&place))
        };
        dom::retain(note, &|node| !leads_back(node));
        // The label comes before all other text; brackets may be around it.
        let first = dom::descendants(note).find(|node| match &node.data {
            NodeData::Text { contents } => !contents.borrow().trim().is_empty(),
            _ => false,
        });
        let above = first.iter().flat_map(|text| dom::ancestors(text)).take_while(|above| !Rc::ptr_eq(above, note));
        let stands_for_label =
            |node: &Rc<Node>| dom::is_one_of(node, &["sup", "span", "a"]) && bare(&dom::text(node)) == label.shown;
        if let Some(found) = above.filter(stands_for_label).last() {
            dom::retain(note, &|node| !Rc::ptr_eq(node, &found));
        }
        // Where the link back was all of it, brackets are left.
        if let Some(rest) = dom::children(note).iter().find(|child| !dom::text(child).trim().is_empty())
            && bare(&dom::text(rest)).is_empty()
        {
            dom::retain(note, &|node| !Rc::ptr_eq(node, rest));
        }
    }
}

/// Whether a link looks like one to a footnote.
fn is_reference(link: &Rc<Node>) -> bool {
    let says_so = dom::said(link, "role").is_some_and(|role| role == "doc-noteref")
        || dom::attribute(link, "data-footnote-ref").is_some()
        || dom::has_class(link, |class| matches!(class, "footnote-ref" | "footnote-reference"));
    says_so || dom::ancestors(link).take(2).any(|above| dom::name(&above) == Some("sup"))
}

/// The identifier to which a link leads, if that is in the same page.
fn place(link: &Rc<Node>) -> Option<String> {
    dom::said(link, "href")?.strip_prefix('#').map(String::from).filter(|place| !place.is_empty())
}

/// What a footnote is called by the text that refers to it.
fn label(text: &str) -> Option<String> {
    let text = text.trim().trim_matches(['[', ']', '(', ')']);
    let is_one = |text: &str| {
        !text.is_empty()
            && text.len() <= 32
            && text.chars().all(|character| character.is_alphanumeric() || "*†‡§-_.".contains(character))
            // Arrows and the like are no names.
            && text.chars().any(|character| character.is_alphanumeric() || "*†‡§".contains(character))
    };
    is_one(text).then(|| text.into())
}

/// A text without brackets and white space.
fn bare(text: &str) -> String {
    text.chars().filter(|character| !character.is_whitespace() && !"[]()".contains(*character)).collect()
}
