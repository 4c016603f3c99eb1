//! What a page says of itself, and where its references lead.

use std::rc::Rc;

use markup5ever_rcdom::Node;
use url::Url;

use super::super::dom;
use super::super::text::one_line;

/// References of a page, as they are right elsewhere.
pub struct Links {
    base: Url,
    site: url::Origin,
    with_host: bool,
}

impl Links {
    /// References that begin at `url`; those into the site become URLs or absolute paths.
    pub fn of(url: &Url, with_host: bool) -> Links {
        Links { base: url.clone(), site: url.origin(), with_host }
    }

    /// The reference as a URL or, within the site, as an absolute path. One to a place in the same page stays. `None` if
    /// it leads nowhere that a reader of Markdown could go.
    pub fn resolved(&self, reference: &str) -> Option<String> {
        let reference = reference.trim();
        if reference.starts_with('#') {
            return Some(reference.into());
        }
        let Ok(url) = self.base.join(reference) else { return Some(reference.into()) };
        match url.scheme() {
            "javascript" | "data" | "blob" | "about" | "vbscript" => None,
            _ if self.with_host || url.origin() != self.site => Some(url.into()),
            _ => Some(url[url::Position::BeforePath..].into()),
        }
    }
}

/// What a page says of itself.
#[derive(Default)]
pub struct Head {
    pub title: Option<String>,
    pub description: Option<String>,
    pub canonical: Option<String>,
    /// Where it leads at once.
    pub redirect: Option<String>,
}

impl Head {
    /// Reads it, and lets `links` begin where the page says.
    pub fn read(tree: &Rc<Node>, links: &mut Links) -> Head {
        let mut head = Head::default();
        let elements: Vec<_> =
            dom::descendants(tree).filter(|node| dom::is_one_of(node, &["base", "title", "meta", "link"])).collect();
        let base = elements.iter().filter(|node| dom::name(node) == Some("base"));
        if let Some(base) = base.filter_map(|node| dom::said(node, "href")).next()
            && let Ok(url) = links.base.join(&base)
        {
            links.base = url;
        }
        for node in &elements {
            match dom::name(node) {
                // That of a picture is another one.
                Some("title")
                    if head.title.is_none() && !dom::ancestors(node).any(|above| dom::is_one_of(&above, &["svg"])) =>
                {
                    head.title = Some(dom::line(node)).filter(|title| !title.is_empty());
                }
                Some("meta") => head.read_meta(node, links),
                Some("link") if head.canonical.is_none() => {
                    let is_canonical = dom::said(node, "rel").is_some_and(|rel| rel.eq_ignore_ascii_case("canonical"));
                    let target = dom::said(node, "href").filter(|_| is_canonical);
                    head.canonical =
                        target.and_then(|target| links.resolved(&target)).filter(|url| !url.starts_with('#'));
                }
                _ => {}
            }
        }
        head
    }

    fn read_meta(&mut self, node: &Rc<Node>, links: &Links) {
        // Some generators write what a page has none of as their language prints it.
        let Some(content) = dom::said(node, "content").filter(|content| content != "None") else { return };
        let key = dom::said(node, "name").or_else(|| dom::said(node, "property")).unwrap_or_default();
        match &key.to_ascii_lowercase()[..] {
            "description" => self.description = Some(one_line(&content)),
            "og:description" if self.description.is_none() => self.description = Some(one_line(&content)),
            _ => {}
        }
        if dom::said(node, "http-equiv").is_some_and(|name| name.eq_ignore_ascii_case("refresh")) {
            let target = content.to_ascii_lowercase().find("url=").map(|place| &content[place + "url=".len()..]);
            let target = target.map(|target| target.trim_matches(['"', '\'', ' ']));
            self.redirect = target.and_then(|target| links.resolved(target)).filter(|target| !target.starts_with('#'));
        }
    }
}
