//! Tables: which of them are any, and how they are written (GFM, section 4.10).

use std::rc::Rc;

use htmd::Element;
use htmd::element_handler::{HandlerResult, Handlers};
use markup5ever_rcdom::Node;

use super::super::dom;
use super::holds_blocks;

/// The most columns or rows that a cell can span, and the most places that all of a table can fill: more is a trap.
const MOST_SPANNED: usize = 100;
const MOST_FILLED: usize = 10_000;

/// Adds a table whose content was cleaned to `kept`. One that only puts things beside each other is taken apart.
pub fn add(node: Rc<Node>, kept: &mut Vec<Rc<Node>>) {
    let captions = dom::children(&node).into_iter().filter(|child| dom::name(child) == Some("caption"));
    kept.extend(captions.map(|caption| dom::element("p", dom::take_children(&caption))));
    let rows = rows(&node);
    let all = || rows.iter().flat_map(cells);
    let columns = rows.iter().map(|row| cells(row).len()).max().unwrap_or(0);
    let is_layout = dom::said(&node, "role").is_some_and(|role| role == "presentation" || role == "none");
    let has_heading = all().any(|cell| dom::name(&cell) == Some("th"));
    if columns <= 1 || is_layout || (!has_heading && all().any(|cell| holds_blocks(&cell))) {
        return kept.extend(all().map(|cell| dom::element("div", dom::take_children(&cell))));
    }
    all().for_each(|cell| put_code_in_line(&cell));
    kept.push(node);
}

/// The rows of a table, not those of tables in it.
fn rows(table: &Rc<Node>) -> Vec<Rc<Node>> {
    let parts = dom::children(table).into_iter().flat_map(|child| match dom::name(&child) {
        Some("thead" | "tbody" | "tfoot") => dom::children(&child),
        _ => vec![child],
    });
    parts.filter(|row| dom::name(row) == Some("tr")).collect()
}

fn cells(row: &Rc<Node>) -> Vec<Rc<Node>> {
    dom::children(row).into_iter().filter(|cell| dom::is_one_of(cell, &["td", "th"])).collect()
}

/// A row is one line, so what is a block of code elsewhere is code within the line here, one for each of its lines.
fn put_code_in_line(node: &Rc<Node>) {
    let mut children = Vec::new();
    for child in dom::take_children(node) {
        if dom::name(&child) == Some("pre") {
            for line in dom::text(&child).lines().filter(|line| !line.trim().is_empty()) {
                children.push(dom::element("p", vec![dom::element("code", vec![dom::text_node(line)])]));
            }
        } else {
            put_code_in_line(&child);
            children.push(child);
        }
    }
    dom::set_children(node, children);
}

/// The table as lines.
pub fn written(handlers: &dyn Handlers, element: Element<'_>) -> Option<HandlerResult> {
    let rows = rows(element.node);
    let is_heading = |row: &&Rc<Node>| {
        let in_head = dom::parent(row).is_some_and(|part| dom::name(&part) == Some("thead"));
        in_head || cells(row).iter().all(|cell| dom::name(cell) == Some("th"))
    };
    let mut lines = grid(&rows, handlers);
    // Markdown needs a heading, even an empty one.
    if rows.first().filter(is_heading).is_none() {
        lines.insert(0, Vec::new());
    }
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let alignments = rows.first().map(|row| cells(row).iter().map(delimiter).collect::<Vec<_>>()).unwrap_or_default();
    let delimiters = (0..columns).map(|column| alignments.get(column).copied().unwrap_or("---").to_string()).collect();
    lines.insert(1, delimiters);
    let mut text = String::from("\n\n");
    // What a row has less than the heading is empty anyhow.
    lines[0].resize(columns, String::new());
    for cells in lines {
        for cell in cells {
            text.push_str("| ");
            text.push_str(&cell);
            text.push_str(if cell.is_empty() { "" } else { " " });
        }
        text.push_str("|\n");
    }
    text.push('\n');
    Some(text.into())
}

/// What stands in each row and column. What spans rows stands in all of them, what spans columns in the first.
fn grid(rows: &[Rc<Node>], handlers: &dyn Handlers) -> Vec<Vec<String>> {
    let mut lines: Vec<Vec<Option<String>>> = vec![Vec::new(); rows.len()];
    let mut filled = 0;
    for (number, row) in rows.iter().enumerate() {
        let mut column = 0;
        for cell in cells(row) {
            while lines[number].get(column).is_some_and(Option::is_some) {
                column += 1;
            }
            let text = text_of(&cell, handlers);
            let (mut width, mut height) = (span(&cell, "colspan"), span(&cell, "rowspan"));
            filled += width * height;
            if filled > MOST_FILLED {
                (width, height) = (1, 1);
            }
            for line in lines.iter_mut().skip(number).take(height) {
                if line.len() < column + width {
                    line.resize(column + width, None);
                }
                line[column..column + width].fill(Some(String::new()));
                line[column] = Some(text.clone());
            }
            column += width;
        }
    }
    lines.into_iter().map(|line| line.into_iter().map(Option::unwrap_or_default).collect()).collect()
}

fn span(cell: &Rc<Node>, name: &str) -> usize {
    dom::said(cell, name).and_then(|text| text.parse().ok()).unwrap_or(1).clamp(1, MOST_SPANNED)
}

fn text_of(cell: &Rc<Node>, handlers: &dyn Handlers) -> String {
    let content = handlers.walk_children(cell).content;
    let lines = content.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("<br>").replace('|', "\\|")
}

/// How a column stands, by its first cell.
fn delimiter(cell: &Rc<Node>) -> &'static str {
    let style = dom::said(cell, "style").unwrap_or_default().replace(' ', "").to_ascii_lowercase();
    let by_style = style.split(';').find_map(|part| part.strip_prefix("text-align:").map(String::from));
    match by_style.or_else(|| dom::said(cell, "align")).as_deref() {
        Some("right") => "---:",
        Some("center") => ":---:",
        _ => "---",
    }
}
