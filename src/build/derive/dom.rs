//! The tree of a parsed page, and what is done to it.

use std::cell::RefCell;
use std::rc::Rc;

use html5ever::tendril::TendrilSink;
use html5ever::{Attribute, LocalName, ParseOpts, QualName, local_name, ns, parse_document};
use markup5ever_rcdom::{Node, NodeData, RcDom};

use super::text::one_line;

/// Parses a page. Any text is one.
pub fn parse(html: &str) -> Rc<Node> {
    parse_document(RcDom::default(), ParseOpts::default()).one(html).document
}

/// The local name of an element.
pub fn name(node: &Node) -> Option<&str> {
    match &node.data {
        NodeData::Element { name, .. } => Some(&name.local),
        _ => None,
    }
}

/// Whether this is an element.
pub fn is_element(node: &Node) -> bool {
    matches!(node.data, NodeData::Element { .. })
}

/// Whether this is an element of one of these names.
pub fn is_one_of(node: &Node, names: &[&str]) -> bool {
    name(node).is_some_and(|name| names.contains(&name))
}

/// The value of an attribute.
pub fn attribute(node: &Node, name: &str) -> Option<String> {
    let NodeData::Element { attrs, .. } = &node.data else { return None };
    attrs.borrow().iter().find(|attribute| &*attribute.name.local == name).map(|attribute| attribute.value.to_string())
}

/// The value of an attribute without white space around it, unless that is empty.
pub fn said(node: &Node, name: &str) -> Option<String> {
    attribute(node, name).map(|value| value.trim().to_string()).filter(|value| !value.is_empty())
}

/// Whether one of an element's classes is meant.
pub fn has_class(node: &Node, is_meant: impl Fn(&str) -> bool) -> bool {
    let NodeData::Element { attrs, .. } = &node.data else { return false };
    let attributes = attrs.borrow();
    let classes = attributes.iter().find(|attribute| &*attribute.name.local == "class");
    classes.is_some_and(|classes| classes.value.split_ascii_whitespace().any(is_meant))
}

/// Sets an attribute.
pub fn set_attribute(node: &Node, name: &str, value: &str) {
    let NodeData::Element { attrs, .. } = &node.data else { return };
    let mut attributes = attrs.borrow_mut();
    match attributes.iter_mut().find(|attribute| &*attribute.name.local == name) {
        Some(attribute) => attribute.value = value.into(),
        None => {
            attributes.push(Attribute { name: QualName::new(None, ns!(), LocalName::from(name)), value: value.into() })
        }
    }
}

/// Takes an attribute away.
pub fn remove_attribute(node: &Node, name: &str) {
    if let NodeData::Element { attrs, .. } = &node.data {
        attrs.borrow_mut().retain(|attribute| &*attribute.name.local != name);
    }
}

/// What a node is a child of.
pub fn parent(node: &Node) -> Option<Rc<Node>> {
    let weak = node.parent.take();
    let parent = weak.as_ref().and_then(std::rc::Weak::upgrade);
    node.parent.set(weak);
    parent
}

/// The nodes above a node, the nearest first.
pub fn ancestors(node: &Node) -> impl Iterator<Item = Rc<Node>> {
    std::iter::successors(parent(node), |node| parent(node))
}

/// A node's children, as they are now.
pub fn children(node: &Node) -> Vec<Rc<Node>> {
    node.children.borrow().clone()
}

/// Takes a node's children away from it. Whoever moves them must: a node that is dropped empties all that is still below it.
pub fn take_children(node: &Node) -> Vec<Rc<Node>> {
    std::mem::take(&mut *node.children.borrow_mut())
}

/// Puts a child among those that a node has.
pub fn insert(node: &Rc<Node>, place: usize, child: Rc<Node>) {
    let mut children = take_children(node);
    children.insert(place, child);
    set_children(node, children);
}

/// Takes away all below a node that is not to be kept, with what is in it.
pub fn retain(node: &Rc<Node>, keep: &dyn Fn(&Rc<Node>) -> bool) {
    let kept: Vec<_> = take_children(node).into_iter().filter(keep).collect();
    kept.iter().for_each(|child| retain(child, keep));
    set_children(node, kept);
}

/// All nodes below a node, in the order of the page.
pub fn descendants(node: &Rc<Node>) -> impl Iterator<Item = Rc<Node>> + use<> {
    let mut waiting: Vec<_> = node.children.borrow().iter().rev().cloned().collect();
    std::iter::from_fn(move || {
        let next = waiting.pop()?;
        waiting.extend(next.children.borrow().iter().rev().cloned());
        Some(next)
    })
}

/// How many elements stand in one another at most.
pub fn depth(node: &Rc<Node>) -> usize {
    let (mut deepest, mut waiting) = (0, vec![(node.clone(), 0)]);
    while let Some((node, depth)) = waiting.pop() {
        deepest = deepest.max(depth);
        waiting.extend(node.children.borrow().iter().map(|child| (child.clone(), depth + 1)));
    }
    deepest
}

/// The text below a node, as it stands; a line break is a newline.
pub fn text(node: &Rc<Node>) -> String {
    let mut text = String::new();
    for node in std::iter::once(node.clone()).chain(descendants(node)) {
        match &node.data {
            NodeData::Text { contents } => text.push_str(&contents.borrow()),
            NodeData::Element { name, .. } if name.local == local_name!("br") => text.push('\n'),
            _ => {}
        }
    }
    text
}

/// The text below a node as one line.
pub fn line(node: &Rc<Node>) -> String {
    one_line(&text(node))
}

/// A new element.
pub fn element(name: &str, children: Vec<Rc<Node>>) -> Rc<Node> {
    let element = Node::new(NodeData::Element {
        name: QualName::new(None, ns!(html), LocalName::from(name)),
        attrs: RefCell::default(),
        template_contents: RefCell::default(),
        mathml_annotation_xml_integration_point: false,
    });
    set_children(&element, children);
    element
}

/// A new text.
pub fn text_node(text: &str) -> Rc<Node> {
    Node::new(NodeData::Text { contents: RefCell::new(text.into()) })
}

/// Gives a node these children in place of those it has.
pub fn set_children(node: &Rc<Node>, children: Vec<Rc<Node>>) {
    for child in &children {
        child.parent.set(Some(Rc::downgrade(node)));
    }
    *node.children.borrow_mut() = children;
}
