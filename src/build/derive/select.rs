//! CSS selectors on a parsed page: types, ids, classes, attributes, descendants, children and siblings.

use std::rc::Rc;

use markup5ever_rcdom::Node;
use simplecss::{AttributeOperator, PseudoClass, Selector};

use super::dom;

/// A list of selectors, as `main, #content > .text`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selectors {
    /// Each by itself.
    texts: Vec<String>,
}

impl Selectors {
    /// Reads a list.
    ///
    /// # Errors
    ///
    /// Names what is no selector.
    pub fn parse(text: &str) -> Result<Selectors, String> {
        let texts: Vec<_> = parted(text).into_iter().map(str::trim).map(String::from).collect();
        match texts.iter().find(|text| !is_selector(text)) {
            Some(wrong) => Err(format!(
                "{wrong:?} is not a selector that is understood; expected one such as \"#content > .text\""
            )),
            None => Ok(Selectors { texts }),
        }
    }

    /// Whether an element matches one of them.
    pub fn matcher(&self) -> impl Fn(&Rc<Node>) -> bool + use<'_> {
        let selectors: Vec<_> = self.texts.iter().filter_map(|text| Selector::parse(text)).collect();
        move |node| dom::is_element(node) && selectors.iter().any(|selector| selector.matches(&Element(node.clone())))
    }
}

impl std::fmt::Display for Selectors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.texts.join(", "))
    }
}

/// The parts between commas that stand neither in brackets nor in quotes.
fn parted(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut quote, mut depth) = (Vec::new(), 0, None, 0_usize);
    for (place, character) in text.char_indices() {
        match (quote, character) {
            (Some(open), _) if open == character => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(character),
            (None, '[' | '(') => depth += 1,
            (None, ']' | ')') => depth = depth.saturating_sub(1),
            (None, ',') if depth == 0 => {
                parts.push(&text[start..place]);
                start = place + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

/// Whether this is one selector of the kind that can be matched. The library stops in the middle of what it does not
/// understand, so it must be able to write down all that it has read.
fn is_selector(text: &str) -> bool {
    let begins_well = text.starts_with(|first: char| first.is_alphanumeric() || "*.#[_-".contains(first));
    let ends_well = !text.ends_with(['>', '+', '.', '#', ':', '~', ',', '{', '}']);
    let ours = !text.contains(['~', ':', '{', '}', '\\']) || text.contains("~=");
    begins_well && ends_well && ours && Selector::parse(text).is_some()
}

/// An element, for the library that matches.
struct Element(Rc<Node>);

impl simplecss::Element for Element {
    fn parent_element(&self) -> Option<Element> {
        dom::parent(&self.0).filter(|parent| dom::is_element(parent)).map(Element)
    }

    fn prev_sibling_element(&self) -> Option<Element> {
        let parent = dom::parent(&self.0)?;
        let siblings = parent.children.borrow();
        let place = siblings.iter().position(|sibling| Rc::ptr_eq(sibling, &self.0))?;
        siblings[..place].iter().rev().find(|sibling| dom::is_element(sibling)).cloned().map(Element)
    }

    fn has_local_name(&self, name: &str) -> bool {
        dom::name(&self.0).is_some_and(|own| own.eq_ignore_ascii_case(name))
    }

    fn attribute_matches(&self, name: &str, operator: AttributeOperator<'_>) -> bool {
        dom::attribute(&self.0, name).is_some_and(|value| operator.matches(&value))
    }

    fn pseudo_class_matches(&self, _: PseudoClass<'_>) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matched(selectors: &str, html: &str) -> Vec<String> {
        let selectors = Selectors::parse(selectors).unwrap();
        let matches = selectors.matcher();
        let tree = dom::parse(html);
        dom::descendants(&tree).filter(|node| matches(node)).map(|node| dom::attribute(&node, "id").unwrap()).collect()
    }

    #[test]
    fn elements_are_found() {
        let html = "<div id=a class='x y'><p id=b>1<p id=c class=x data-k='v, w'>2</div><p id=d>3";
        for (selectors, expected) in [
            ("p", "b c d"),
            ("P", "b c d"),
            (".x", "a c"),
            ("#b, #d", "b d"),
            ("div .x", "c"),
            ("div > p", "b c"),
            ("p + p", "c"),
            ("p[data-k='v, w'], #a", "a c"),
            ("[class~=y]", "a"),
            ("body > *", "a d"),
            ("div.x.y", "a"),
            ("div.z", ""),
        ] {
            assert_eq!(matched(selectors, html).join(" "), expected, "{selectors}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for text in
            ["", ",", "a,", "> a", "a >", "a:hover", "a::before", "..", "#", "a { }", "a[", "!", "a ~ b", "a b >"]
        {
            assert!(Selectors::parse(text).is_err(), "{text:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_refused_or_matches_without_harm(text in "[a-z.#>+~*,:'\"\\[\\]=() {}\\\\-]{0,12}") {
            if let Ok(selectors) = Selectors::parse(&text) {
                let matches = selectors.matcher();
                dom::descendants(&dom::parse("<div class=a><p id=b>x")).for_each(|node| _ = matches(&node));
            }
        }
    }
}
