//! A page → Markdown: its content without what stands around it.
//!
//! Where the content is, is found here, and what is of no use in Markdown is taken out of it; what is left is written down by
//! `htmd`. All that is pure, and nothing a page holds makes it fail but what [`to_markdown`] says.

use std::collections::HashMap;
use std::rc::Rc;

use htmd::HtmlToMarkdown;
use htmd::options::{BulletListMarker, HrStyle, LinkStyle, Options};
use markup5ever_rcdom::{Node, NodeData};
use url::Url;

use super::dom;
use super::front_matter::FrontMatter;
use super::left_out::{self, LeftOut, Matches};
use super::select::Selectors;
use super::text::one_line;

/// How many elements may stand in one another: what walks the tree calls itself as often, and a stack is short.
const DEEPEST: usize = 192;

/// A page and where it is.
pub struct Page<'p> {
    /// Its text.
    pub html: &'p str,
    /// Where references in it begin.
    pub url: &'p Url,
    /// Whether references into the site become URLs; else they are absolute paths.
    pub with_host: bool,
    /// What it is called where it says nothing of it.
    pub canonical: &'p str,
    /// Where its content is.
    pub content: Option<&'p Selectors>,
    /// What is left out.
    pub remove: Option<&'p Selectors>,
}

/// The page's content as Markdown, with its title and description as front matter.
///
/// # Errors
///
/// If there is no text in it, or its elements are nested too deeply.
pub fn to_markdown(page: &Page<'_>) -> Result<String, String> {
    let tree = dom::parse(page.html);
    let depth = dom::depth(&tree);
    if depth > DEEPEST {
        return Err(format!("its elements are nested {depth} deep; {DEEPEST} can be followed"));
    }
    let mut links = Links { base: page.url.clone(), site: page.url.origin(), with_host: page.with_host };
    let head = Head::read(&tree, &mut links);
    if let Some(target) = head.redirect {
        // What else such a page says is for who is not led on.
        let front_matter = FrontMatter { redirect: Some(target.clone()), ..FrontMatter::default() };
        return Ok(format!("{front_matter}\n[This page has moved.](<{target}>)\n"));
    }
    let matches_removed = page.remove.map(Selectors::matcher);
    let mut cleaner = Cleaner {
        left_out: LeftOut { by_author: matches_removed.as_ref().map(|matches| matches as &Matches<'_>) },
        links: &links,
        loosely: false,
    };
    let (root, loosely) = content(&tree, page.content, &cleaner.left_out);
    cleaner.loosely = loosely;
    cleaner.clean_children(&root);

    let markdown = converter().tree_to_markdown(&root);
    if !says_something(&markdown) {
        return Err("there is no text in its content".into());
    }
    let front_matter = FrontMatter {
        title: head.title.or_else(|| first_heading(&root)),
        description: head.description,
        url: Some(head.canonical.unwrap_or_else(|| page.canonical.into())),
        redirect: None,
    };
    Ok(format!("{front_matter}\n{}\n", markdown.trim_end()))
}

fn converter() -> HtmlToMarkdown {
    let options = Options {
        bullet_list_marker: BulletListMarker::Dash,
        ul_bullet_spacing: 1,
        ol_number_spacing: 1,
        hr_style: HrStyle::Asterisks,
        link_style: LinkStyle::InlinedPreferAutolinks,
        ..Options::default()
    };
    HtmlToMarkdown::builder().options(options).build()
}

fn says_something(text: &str) -> bool {
    text.contains(char::is_alphanumeric)
}

fn first_heading(root: &Rc<Node>) -> Option<String> {
    let heading = dom::descendants(root).find(|node| dom::is_one_of(node, &["h1", "h2", "h3"]))?;
    Some(dom::line(&heading)).filter(|line| !line.is_empty())
}

/// References of a page, as they are right elsewhere.
struct Links {
    base: Url,
    site: url::Origin,
    with_host: bool,
}

impl Links {
    /// The reference as a URL or, within the site, as an absolute path. One to a place in the same page stays. `None` if
    /// it leads nowhere that a reader of Markdown could go.
    fn resolved(&self, reference: &str) -> Option<String> {
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
struct Head {
    title: Option<String>,
    description: Option<String>,
    canonical: Option<String>,
    /// Where it leads at once.
    redirect: Option<String>,
}

impl Head {
    /// Reads it, and lets `links` begin where the page says.
    fn read(tree: &Rc<Node>, links: &mut Links) -> Head {
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
        let Some(content) = dom::said(node, "content") else { return };
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

/// Where the content is, and whether that was guessed: then what is usually around it may still be in it.
fn content(tree: &Rc<Node>, selectors: Option<&Selectors>, left_out: &LeftOut<'_>) -> (Rc<Node>, bool) {
    if let Some(matches) = selectors.map(Selectors::matcher)
        && let Some(found) = dom::descendants(tree).find(|node| matches(node))
    {
        return (found, false);
    }
    let is_shown = |node: &Rc<Node>| {
        !std::iter::once(node.clone()).chain(dom::ancestors(node)).any(|node| left_out::is_hidden(&node))
    };
    let is_main =
        |node: &Rc<Node>| dom::name(node) == Some("main") || dom::said(node, "role").as_deref() == Some("main");
    let mut weights = HashMap::new();
    let whole = weigh(tree, false, left_out, &mut weights);
    let weight = |node: &Rc<Node>| weights.get(&Rc::as_ptr(node)).copied().unwrap_or(0);
    let the_article = |node: &Rc<Node>| {
        let mut articles = dom::descendants(node).filter(|node| dom::name(node) == Some("article") && is_shown(node));
        articles.next().filter(|_| articles.next().is_none())
    };
    if let Some(main) = dom::descendants(tree).find(|node| is_main(node) && is_shown(node) && weight(node) > 0) {
        // Beside the article there often are lists of contents and links to what is next.
        let article = the_article(&main).filter(|article| weight(article) * 2 > weight(&main));
        return (article.unwrap_or(main), false);
    }
    if let Some(article) = the_article(tree).filter(|article| weight(article) * 2 > whole) {
        return (article, false);
    }
    // Down to where most of the text parts.
    let body = dom::descendants(tree).find(|node| dom::name(node) == Some("body")).unwrap_or_else(|| tree.clone());
    let mut root = body;
    loop {
        let heaviest =
            dom::children(&root).into_iter().filter(|node| dom::is_one_of(node, CONTAINERS)).max_by_key(&weight);
        match heaviest {
            Some(child) if weight(&child) * 5 >= weight(&root) * 4 && weight(&child) > 0 => root = child,
            _ => return (root, true),
        }
    }
}

/// Elements that hold a page's content together with others.
const CONTAINERS: &[&str] =
    &["div", "section", "article", "form", "center", "table", "tbody", "tr", "td", "span", "font", "main"];

/// How many characters of text an element has that are no links and that nothing speaks against.
fn weigh(node: &Rc<Node>, aside: bool, left_out: &LeftOut<'_>, weights: &mut HashMap<*const Node, usize>) -> usize {
    let aside = aside
        || dom::is_one_of(node, &["a", "header", "footer", "aside", "head"])
        || (dom::is_element(node) && left_out.contains(node));
    if aside {
        return 0;
    }
    let own = match &node.data {
        NodeData::Text { contents } => {
            contents.borrow().chars().filter(|character| character.is_alphanumeric()).count()
        }
        _ => 0,
    };
    let weight = own + dom::children(node).iter().map(|child| weigh(child, aside, left_out, weights)).sum::<usize>();
    weights.insert(Rc::as_ptr(node), weight);
    weight
}

/// Takes out of a page what is of no use in Markdown, and puts the rest so that it can be written down.
struct Cleaner<'c> {
    left_out: LeftOut<'c>,
    links: &'c Links,
    /// Whether what is usually around the content may be in it.
    loosely: bool,
}

impl Cleaner<'_> {
    fn clean_children(&self, node: &Rc<Node>) {
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
        if self.left_out.contains(&node) || (self.loosely && self.is_around(&node)) {
            return;
        }
        match &*name {
            "pre" => return kept.extend(self.code(&node)),
            "math" => return kept.extend(formula(&node)),
            "svg" => return kept.extend(label(&node).map(|label| dom::text_node(&label))),
            "img" => return kept.extend(self.image(&node)),
            "video" | "audio" => return kept.extend(self.recording(&node)),
            _ => {}
        }
        self.clean_children(&node);
        match &*name {
            "a" => self.link(node, kept),
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" if dom::line(&node).is_empty() && !has_image(&node) => {}
            "dt" | "summary" if !holds_blocks(&node) => {
                let strong = dom::element("strong", dom::take_children(&node));
                dom::set_children(&node, vec![strong]);
                kept.push(node);
            }
            "table" => table(node, kept),
            "code" | "kbd" | "samp" | "tt" => kept.push(inline_code(node)),
            _ => kept.push(node),
        }
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
            Some(target) => {
                dom::set_attribute(&node, "href", &target);
                kept.push(node);
            }
            None => kept.extend(dom::take_children(&node)),
        }
    }

    fn image(&self, node: &Rc<Node>) -> Option<Rc<Node>> {
        let alternative = dom::attribute(node, "alt").map(|text| one_line(&text));
        // An empty one says that it is decoration (HTML, section 4.8.4.4.4), and so do these.
        let is_decoration =
            |text: &str| text.is_empty() || ["logo", "icon"].iter().any(|word| text.eq_ignore_ascii_case(word));
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

    /// Code without what colours it, and with its language. Nothing is left of a column that counts lines.
    fn code(&self, node: &Rc<Node>) -> Option<Rc<Node>> {
        let mut text = String::new();
        self.push_code(node, &mut text);
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

    fn push_code(&self, node: &Rc<Node>, text: &mut String) {
        for child in dom::children(node) {
            match &child.data {
                NodeData::Text { contents } => text.push_str(&contents.borrow()),
                NodeData::Element { .. } if self.left_out.contains(&child) => {}
                NodeData::Element { name, .. } => {
                    // A line may be an element of its own.
                    let is_line = matches!(&*name.local, "div" | "p" | "li" | "tr");
                    let at_start = text.is_empty() || text.ends_with('\n');
                    if &*name.local == "br" || (is_line && !at_start) {
                        text.push('\n');
                    }
                    self.push_code(&child, text);
                    if is_line && !text.ends_with('\n') {
                        text.push('\n');
                    }
                }
                _ => {}
            }
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
fn inline_code(node: Rc<Node>) -> Rc<Node> {
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

/// Whether what is in this cannot stand within a line.
fn holds_blocks(node: &Rc<Node>) -> bool {
    const BLOCKS: &[&str] = &[
        "blockquote",
        "div",
        "dl",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "ol",
        "p",
        "pre",
        "section",
        "table",
        "ul",
    ];
    dom::descendants(node).any(|below| dom::is_one_of(&below, BLOCKS))
}

fn has_image(node: &Rc<Node>) -> bool {
    dom::descendants(node).any(|node| dom::name(&node) == Some("img"))
}

/// What a picture without a source is called.
fn label(node: &Rc<Node>) -> Option<String> {
    let title = || dom::descendants(node).find(|node| dom::name(node) == Some("title")).map(|title| dom::line(&title));
    dom::said(node, "aria-label").or_else(title).filter(|label| !label.is_empty())
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

/// Adds a table whose content was cleaned. One that only puts things beside each other is taken apart; one without a
/// heading gets an empty one, which Markdown needs.
fn table(node: Rc<Node>, kept: &mut Vec<Rc<Node>>) {
    let is_own = |element: &Rc<Node>| {
        dom::ancestors(element)
            .find(|above| dom::name(above) == Some("table"))
            .is_some_and(|above| Rc::ptr_eq(&above, &node))
    };
    let rows: Vec<_> =
        dom::descendants(&node).filter(|element| dom::name(element) == Some("tr") && is_own(element)).collect();
    let cells = |row: &Rc<Node>| -> Vec<_> {
        dom::children(row).into_iter().filter(|cell| dom::is_one_of(cell, &["td", "th"])).collect()
    };
    let columns = rows.iter().map(|row| cells(row).len()).max().unwrap_or(0);
    let is_layout = dom::said(&node, "role").is_some_and(|role| role == "presentation" || role == "none");
    let has_heading = dom::descendants(&node).any(|element| dom::name(&element) == Some("th") && is_own(&element));
    if columns <= 1 || is_layout || (!has_heading && rows.iter().flat_map(cells).any(|cell| holds_blocks(&cell))) {
        let parts = rows.iter().flat_map(cells).map(|cell| dom::element("div", dom::take_children(&cell)));
        let captions = dom::children(&node).into_iter().filter(|child| dom::name(child) == Some("caption"));
        let captions: Vec<_> = captions.map(|caption| dom::element("p", dom::take_children(&caption))).collect();
        kept.extend(captions);
        return kept.extend(parts);
    }
    if !has_heading {
        let empty = (0..columns).map(|_| dom::element("th", Vec::new())).collect();
        let heading = dom::element("thead", vec![dom::element("tr", empty)]);
        let mut children = dom::take_children(&node);
        children.insert(0, heading);
        dom::set_children(&node, children);
    }
    kept.push(node);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn markdown(html: &str) -> Result<String, String> {
        with(html, None, None)
    }

    fn with(html: &str, content: Option<&str>, remove: Option<&str>) -> Result<String, String> {
        let url = Url::parse("http://site.invalid/docs/page.html").unwrap();
        let selectors = |text: Option<&str>| text.map(|text| Selectors::parse(text).unwrap());
        let (content, remove) = (selectors(content), selectors(remove));
        let (content, remove) = (content.as_ref(), remove.as_ref());
        to_markdown(&Page { html, url: &url, with_host: false, canonical: "/docs/page", content, remove })
    }

    /// What comes behind the front matter.
    fn body(html: &str) -> String {
        let markdown = markdown(html).unwrap();
        FrontMatter::of(&markdown).1.trim_end().to_string()
    }

    #[test]
    fn content_is_found() {
        let text = "<p>Long enough to be what the page is about, by far.";
        for (html, expected) in [
            (format!("<nav>n</nav><main>{text}</main><footer>f</footer>"), true),
            (format!("<div role=main>{text}</div><p>n"), true),
            (format!("<main hidden><p>n</main><main>{text}</main>"), true),
            (format!("<main><div>n</div><article>{text}</article><div>n</div></main>"), true),
            (format!("<div>n</div><article>{text}</article>"), true),
            (format!("<div id=a>n</div><div id=b><div>{text}</div></div>"), true),
            (format!("<header>n</header><aside>n</aside><div>{text}</div><ul><li><a href=n>n</a></ul>"), true),
            (format!("<table><tr><td><a href=n>n</a><td>{text}</table>"), true),
            // As much beside it as in it: then all is content.
            (format!("<article>{text}</article><article>{text} n</article>"), false),
        ] {
            let found = body(&html);
            assert!(found.starts_with("Long enough") || found.contains("[n]"), "{html}: {found}");
            assert_eq!(!found.contains(" n") && !found.contains("\nn"), expected, "{html}: {found}");
        }
    }

    #[test]
    fn the_author_can_say_where_content_is_and_what_is_none() {
        let html = "<main><p>a</main><div id=c><p>b<p class=ad>c<p>d</div>";
        let body = |content, remove| FrontMatter::of(&with(html, content, remove).unwrap()).1.to_string();
        assert_eq!(body(None, None), "a\n");
        assert_eq!(body(Some("#none, #c"), None), "b\n\nc\n\nd\n");
        assert_eq!(body(Some("#c"), Some(".ad")), "b\n\nd\n");
        assert_eq!(body(Some("#none"), None), "a\n");
    }

    #[test]
    fn what_is_no_text_is_left_out() {
        let html = "<main><script>s</script><style>s</style><p>a<button>s</button><p hidden>s<p style='display: none'>s\
                    <p aria-hidden=true>s<div class=toc>s</div><input value=s><nav>s</nav><noscript>s</noscript>\
                    <div role=search>s</div><svg><title>drawing</title></svg><p><a href=javascript:s()>[−]</a>b";
        assert_eq!(body(html), "a\n\ndrawing\n\nb");
    }

    #[test]
    fn links_lead_to_the_same_places() {
        for (link, expected) in [
            ("<a href=x.html>t</a>", "[t](/docs/x.html)"),
            ("<a href=../x?y=1#z>t</a>", "[t](/x?y=1#z)"),
            ("<a href='/a b'>t</a>", "[t](/a%20b)"),
            ("<a href=https://example.org/x>t</a>", "[t](https://example.org/x)"),
            ("<a href=//example.org/x>t</a>", "[t](http://example.org/x)"),
            ("<a href=mailto:a@example.org>t</a>", "[t](mailto:a@example.org)"),
            ("<a href=#z>t</a>", "[t](#z)"),
            ("<a href=#>t</a>", "t"),
            ("<a href=javascript:x()>t</a>", "t"),
            ("<a name=x>t</a>", "t"),
            ("<a href=x>&amp;</a>", "[&](/docs/x)"),
            ("<a href=x title=tip>t</a>", "[t](/docs/x)"),
            ("<code><a href=x>t</a></code>", "[`t`](/docs/x)"),
            ("<code>a<a href=x>t</a></code>", "`at`"),
        ] {
            assert_eq!(body(&format!("<main><p>{link}")), expected, "{link}");
        }
        assert_eq!(body("<base href=/deep/er/><main><p><a href=x>t</a>"), "[t](/deep/er/x)");
        assert_eq!(body("<main><h2 id=a>T <a href=#a>¶</a></h2><p>x"), "## T\n\nx");
        assert_eq!(body("<main><h2 id=a><a href=#a><code>-h</code>/<i>T</i></a></h2><p>x"), "## `-h`/*T*\n\nx");
        let url = Url::parse("https://example.org/b/docs/page.html").unwrap();
        let html = "<main><p><a href=x>t</a> <a href=#y>u</a>";
        let page = Page { html, url: &url, with_host: true, canonical: "c", content: None, remove: None };
        assert!(to_markdown(&page).unwrap().ends_with("\n[t](https://example.org/b/docs/x) [u](#y)\n"));
    }

    #[test]
    fn images_have_their_texts() {
        for (image, expected) in [
            ("<img src=x.png alt='A  cat'>", "![A cat](/docs/x.png)"),
            ("<img src=x.png>", "![](/docs/x.png)"),
            ("a<img src=x.png alt=''>", "a"),
            ("<img src='data:image/png;base64,AAAA' alt='A cat'>", "A cat"),
            ("<img src='data:,' data-src=x.png alt='A cat'>", "![A cat](/docs/x.png)"),
            ("<picture><source srcset=x.avif><img src=x.png alt=c></picture>", "![c](/docs/x.png)"),
            ("<a href=y><img src=x.png alt=c></a>", "[![c](/docs/x.png)](/docs/y)"),
            ("<video src=x.mp4 title=Talk></video>", "[Talk](/docs/x.mp4)"),
        ] {
            assert_eq!(body(&format!("<main><p>{image}<p>z")), format!("{expected}\n\nz"), "{image}");
        }
    }

    #[test]
    fn code_keeps_its_lines_and_its_language() {
        for (code, expected) in [
            ("<pre><code class=language-rust>a\n  b\n</code></pre>", "```rust\na\n  b\n```"),
            ("<pre class='rust x'><a href=y>a</a><br>&nbsp;b</pre>", "```rust\na\n b\n```"),
            (
                "<div class='highlight-python notranslate'><div><pre><span>a</span>\n</pre></div></div>",
                "```python\na\n```",
            ),
            ("<pre data-lang=go>a</pre>", "```go\na\n```"),
            ("<pre class=language-none>a`b</pre>", "```\na`b\n```"),
            ("<pre>a\n```\nb</pre>", "````\na\n```\nb\n````"),
            ("<pre><code><div>a</div><div>b</div></code></pre>", "```\na\nb\n```"),
            ("<table><tr><td class=linenos><pre>1\n2</pre><td><pre>a\nb</pre></table>", "```\na\nb\n```"),
            ("<table><tr><td><pre>1\n2</pre><td><pre>a\nb</pre></table>", "```\na\nb\n```"),
            ("<pre>a<button>Copy</button></pre>", "```\na\n```"),
        ] {
            assert_eq!(body(&format!("<main>{code}<p>z")), format!("{expected}\n\nz"), "{code}");
        }
    }

    #[test]
    fn tables_lists_and_terms() {
        for (html, expected) in [
            ("<table><tr><th>a<th>b<tr><td>1<td>2</table>", "| a | b |\n| - | - |\n| 1 | 2 |"),
            ("<table><tr><td>1<td>2<tr><td>3<td>4</table>", "|   |   |\n| - | - |\n| 1 | 2 |\n| 3 | 4 |"),
            ("<table role=presentation><tr><td>1<td>2</table>", "1\n\n2"),
            ("<table><tr><td><p>1</table>", "1"),
            ("<ul><li>a<ol><li>b<li>c</ol><li>d</ul>", "- a\n  1. b\n  2. c\n- d"),
            ("<dl><dt>T<dd>m</dl>", "**T**\n\nm"),
            ("<details><summary>S</summary><p>m</details>", "**S**\n\nm"),
            ("<details><summary><h3>S</h3></summary><p>m</details>", "### S\n\nm"),
            ("<math alttext='x^2'><mi>x</mi></math>", "`$x^2$`"),
        ] {
            assert_eq!(body(&format!("<main>{html}</main>")), expected, "{html}");
        }
    }

    #[test]
    fn the_head_is_said_first() {
        let found = markdown(
            "<html lang=en><head><title>A \"t\"\n x</title><meta name=Description content=' d  e '>\
             <meta property=og:description content=no><link rel=canonical href=/c></head><main><h1>H</h1>",
        );
        assert_eq!(found.unwrap(), "---\ntitle: \"A \\\"t\\\" x\"\ndescription: \"d e\"\nurl: \"/c\"\n---\n\n# H\n");
        assert_eq!(markdown("<main><h1>H</h1>").unwrap(), "---\ntitle: \"H\"\nurl: \"/docs/page\"\n---\n\n# H\n");
        assert_eq!(
            markdown("<meta http-equiv=refresh content='0; URL=\"../new\"'><p>wait").unwrap(),
            "---\nredirect: \"/new\"\n---\n\n[This page has moved.](</new>)\n"
        );
    }

    #[test]
    fn what_cannot_be_converted_says_why() {
        assert!(markdown("<main><p>…</main>").unwrap_err().contains("no text"));
        assert!(markdown("").unwrap_err().contains("no text"));
        let deep = "<div>".repeat(DEEPEST + 10) + "x";
        assert!(markdown(&deep).unwrap_err().contains("nested"));
        // As deep as is allowed it is done on a small stack, in a build without optimisation.
        for element in ["<div>", "<blockquote>", "<ul><li>", "<span>", "<table><tr><td>", "<b>", "<a href=x><i>"] {
            let count = (DEEPEST - 5) / element.matches('<').count();
            let html = element.repeat(count / 2) + "x";
            std::thread::Builder::new()
                .stack_size(2 << 20)
                .spawn(move || drop(markdown(&html)))
                .unwrap()
                .join()
                .unwrap();
        }
    }

    proptest::proptest! {
        #[test]
        fn any_page_is_converted_or_not(html in "(<[a-z/]{1,6}( (href|src|class|alt)=[a-z#:/.'\"]{0,9})?>|[ -~]{0,5}|&#?[a-z0-9]{1,4};){0,40}") {
            let first = markdown(&html);
            proptest::prop_assert_eq!(first, markdown(&html));
        }
    }
}
