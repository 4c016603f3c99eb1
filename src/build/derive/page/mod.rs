//! A page → Markdown: its content without what stands around it.
//!
//! `head` reads what a page says of itself. Where the content is, is found here; `clean` takes out of it what is of no use in
//! Markdown (`left_out` says what) and puts the rest right, with `code`, `table`, `footnotes` and `boxes`; `write` writes it
//! down. All that is pure, and nothing a page holds makes it fail but what [`to_markdown`] says.

mod boxes;
mod clean;
mod code;
mod footnotes;
mod head;
mod left_out;
mod table;
mod write;

use std::collections::HashMap;
use std::rc::Rc;

use markup5ever_rcdom::{Node, NodeData};
use url::Url;

use super::dom;
use super::front_matter::FrontMatter;
use super::select::Selectors;
use clean::Cleaner;
use footnotes::Footnotes;
use head::{Head, Links};
use left_out::{LeftOut, Matches};

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
    let mut links = Links::of(page.url, page.with_host);
    let head = Head::read(&tree, &mut links);
    if let Some(target) = head.redirect {
        // What else such a page says is for who is not led on.
        let front_matter = FrontMatter { redirect: Some(target.clone()), ..FrontMatter::default() };
        return Ok(format!("{front_matter}\n[This page has moved.](<{target}>)\n"));
    }
    let matches_removed = page.remove.map(Selectors::matcher);
    let left_out = LeftOut { by_author: matches_removed.as_ref().map(|matches| matches as &Matches<'_>) };
    let (root, loosely) = content(&tree, page.content, &left_out);
    Cleaner { left_out, links: &links, footnotes: Footnotes::of(&root), loosely }.clean_children(&root);

    let markdown = write::to_markdown(&root);
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

fn first_heading(root: &Rc<Node>) -> Option<String> {
    let heading = dom::descendants(root).find(|node| dom::is_one_of(node, &["h1", "h2", "h3"]))?;
    Some(dom::line(&heading)).filter(|line| !line.is_empty())
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
    // Headings may be links to themselves, which weigh nothing.
    let holds_something = |node: &Rc<Node>| weight(node) > 0 || first_heading(node).is_some();
    if let Some(main) = dom::descendants(tree).find(|node| is_main(node) && is_shown(node) && holds_something(node)) {
        // Beside the article there often are lists of contents and links to what is next, but not the page's heading.
        let has_h1 = |node: &Rc<Node>| dom::descendants(node).any(|node| dom::name(&node) == Some("h1"));
        let is_all = |article: &Rc<Node>| weight(article) * 2 > weight(&main) && has_h1(article) == has_h1(&main);
        let article = the_article(&main).filter(is_all);
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

/// Elements that cannot stand within a line.
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
    "li",
    "ol",
    "p",
    "pre",
    "section",
    "table",
    "ul",
];

fn is_block(node: &Rc<Node>) -> bool {
    dom::is_one_of(node, BLOCKS)
}

fn holds_blocks(node: &Rc<Node>) -> bool {
    dom::descendants(node).any(|below| is_block(&below))
}

fn says_something(text: &str) -> bool {
    text.contains(char::is_alphanumeric)
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
        assert_eq!(body(&format!("<main><h1>h</h1><article>{text}</article></main>")).find("# h"), Some(0));
        // Even a single heading, which links to itself.
        assert_eq!(body("<h1>n</h1><main><h1 id=a><a href=#a>h</a></h1></main>"), "# h");
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
            // Or it would be an image.
            ("T: !<a href=x>t</a>", "T: \\![t](/docs/x)"),
            ("<i>!</i> x <b>y!</b><i><a href=x>t</a></i>", "*!* x **y\\!***[t](/docs/x)*"),
            ("y! <a href=x>t</a>", "y! [t](/docs/x)"),
            ("<code>!</code><a href=x>t</a>", "`!`[t](/docs/x)"),
            // A card is a link with all that is in it.
            ("</p><a href=x><h2><svg></svg> t</h2><p>u</p></a>", "## [t](/docs/x)\n\nu"),
            ("</p><a href=x><div><img src=y alt=c></div><div>t</div></a>", "[![c](/docs/y)](/docs/x)\n\nt"),
            ("</p><a href=x>t <b>u</b><div>v</div></a>", "[t **u**](/docs/x)\n\nv"),
            ("y!<p><a href=x>t</a>", "y!\n\n[t](/docs/x)"),
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
            ("<img src=x.png alt=x.png>", "![](/docs/x.png)"),
            ("<img src=x.png alt=Logo>", "![Logo](/docs/x.png)"),
            ("a<a href=y><img src=x.png alt=Logo></a>", "a"),
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
            ("<pre class=line-numbers>1</pre><pre>a</pre>", "```\na\n```"),
            ("<pre>a<button>Copy</button></pre>", "```\na\n```"),
            ("<div class=language-js><span class=lang>js</span><pre>a</pre></div>", "```js\na\n```"),
            ("<p><span class=lang>js</span>", "js"),
            (
                "<pre><code><span class=boring>fn main() {\n</span>a\n<span class=boring>}</span></code></pre>",
                "```\na\n```",
            ),
        ] {
            assert_eq!(body(&format!("<main>{code}<p>z")), format!("{expected}\n\nz"), "{code}");
        }
    }

    #[test]
    fn tables_lists_and_terms() {
        for (html, expected) in [
            ("<table><tr><th>a<th>b<tr><td>1<td>2</table>", "| a | b |\n| --- | --- |\n| 1 | 2 |"),
            ("<table><tr><td>1<td>2<tr><td>3<td>4</table>", "| | |\n| --- | --- |\n| 1 | 2 |\n| 3 | 4 |"),
            ("<table role=presentation><tr><td>1<td>2</table>", "1\n\n2"),
            ("<table><tr><td><p>1</table>", "1"),
            ("<ul><li>a<ol><li>b<li>c</ol><li>d</ul>", "- a\n  1. b\n  2. c\n- d"),
            ("<dl><dt>T<dd>m</dl>", "**T**\n\nm"),
            ("<dl><dt> <a id=x></a> <code>T</code> <dd>m</dl>", "**`T`**\n\nm"),
            ("<details><summary>S</summary><p>m</details>", "**S**\n\nm"),
            ("<details><summary><h3>S</h3></summary><p>m</details>", "### S\n\nm"),
            ("<math alttext='x^2'><mi>x</mi></math>", "`$x^2$`"),
        ] {
            assert_eq!(body(&format!("<main>{html}</main>")), expected, "{html}");
        }
    }

    #[test]
    fn tables_keep_their_places() {
        for (html, expected) in [
            // Names of rows are cells, too, and a row may be shorter.
            (
                "<thead><tr><th>a<th style='text-align: right'>b<th align=center>c<tbody><tr><th>x<td>1<td>2<tr><td>3",
                "| a | b | c |\n| --- | ---: | :---: |\n| x | 1 | 2 |\n| 3 |",
            ),
            (
                "<tr><th>a<th>b<th>c<tr><td rowspan=2>x<td colspan=2>1<tr><td>2<td>3",
                "| a | b | c |\n| --- | --- | --- |\n| x | 1 | |\n| x | 2 | 3 |",
            ),
            ("<tr><th>a<th>b<tr><td>x|y<td><code>x|y</code>", "| a | b |\n| --- | --- |\n| x\\|y | `x\\|y` |"),
            (
                "<tr><th>a<th>b<tr><td><p>1<p>2<td><ul><li>3<li>4</ul><pre>x\ny</pre>",
                "| a | b |\n| --- | --- |\n| 1<br>2 | - 3<br>- 4<br>`x`<br>`y` |",
            ),
            ("<caption>C</caption><tr><th>a<th>b<tr><td>1<td>2", "C\n\n| a | b |\n| --- | --- |\n| 1 | 2 |"),
        ] {
            assert_eq!(body(&format!("<main><table>{html}</table></main>")), expected, "{html}");
        }
        // What spans more than can be is taken for one place in the end.
        let trap = format!("<table>{}</table>", "<tr><th>a<th colspan=100 rowspan=65000>b".repeat(2000));
        assert!(body(&trap).len() < 1_000_000);
    }

    #[test]
    fn what_markdown_has_no_signs_for() {
        for (html, expected) in [
            ("<a href=x>t</a><span class='stab x'>new</span><span class=VPBadge>tip</span>s", "[t](/docs/x) new tip s"),
            ("x<sup>2</sup> H<sub>2</sub>O<sup></sup>", "x<sup>2</sup> H<sub>2</sub>O"),
            ("<p><b><sup>Syntax</sup></b><p>x", "**Syntax**\n\nx"),
            ("a <del>b</del> <s>c </s>d", "a ~~b~~ ~~c~~ d"),
            ("<del><p>a<p>b</del>", "a\n\nb"),
            (
                "<ul><li><input type=checkbox checked disabled> a<li><label><input type=checkbox> b</label></ul>",
                "- [x] a\n- [ ] b",
            ),
            ("a<input type=checkbox> b", "a b"),
            ("<span class='math notranslate'>\\(x_1\\)</span>", "`$x_1$`"),
            ("<div class=arithmatex>\\[x_1\\]</div>", "`$$x_1$$`"),
            ("<dl><dt class='sig py'><span>f</span>(<em>x</em>)<dd>m</dl>", "**`f(x)`**\n\nm"),
            (
                "<dl><dt class=sig>f<a href=m.html><span class=viewcode-link>[source]</span></a><dd>m</dl>",
                "**`f`**\n\nm",
            ),
            ("<raw-markdown>*a*</raw-markdown>", "\\*a\\*"),
        ] {
            assert_eq!(body(&format!("<main>{html}</main>")), expected, "{html}");
        }
    }

    /// As the generators of sites write them: Python-Markdown, docutils, GitHub's and Docusaurus's, old and new mdBook.
    #[test]
    fn footnotes_are_found() {
        for html in [
            "<p>a<sup id=fnref:1><a class=footnote-ref href=#fn:1>1</a></sup><div class=footnote><ol><li id=fn:1>\
             <p>n&#160;<a class=footnote-backref href=#fnref:1>↩</a></ol></div>",
            "<p>a<a class='footnote-reference brackets' href=#f1 id=id1 role=doc-noteref><span>[</span>1<span>]</span></a>\
             <aside class='footnote brackets' id=f1 role=doc-footnote><span class=label><span>[</span><a role=doc-backlink \
             href=#id1>1</a><span>]</span></span><p>n</aside>",
            "<p>a<sup><a href=#user-content-fn-1 id=user-content-fnref-1 data-footnote-ref>1</a></sup><section><ol>\
             <li id=user-content-fn-1><p>n <a href=#user-content-fnref-1 data-footnote-backref>↩</a></ol></section>",
            "<p>a<sup class=footnote-reference><a href=#1>1</a></sup><div class=footnote-definition id=1>\
             <sup class=footnote-definition-label>1</sup><p>n</div>",
            "<p>a<sup class=footnote-reference id=fr-1><a href=#footnote-1>1</a></sup><ol><li id=footnote-1>n \
             <a href=#fr-1>↩</a></ol>",
        ] {
            assert_eq!(body(&format!("<main>{html}</main>")), "a[^1]\n\n[^1]: n", "{html}");
        }
        let note = |id: &str| format!("<p>a<sup><a href=#{id}>1</a></sup><div id={id}><sup>1</sup> n</div>");
        assert_eq!(body(&format!("<main>{}{}", note("x"), note("y"))), "a[^1]\n\n[^1]: n\n\na[^1-2]\n\n[^1-2]: n");
        // Neither a power nor a link to another place is one.
        for (html, expected) in [
            ("<p>2<sup>1</sup><p id=1>n", "2<sup>1</sup>\n\nn"),
            ("<p>a<a href=#n>1</a><p id=n>n", "a[1](#n)\n\nn"),
            ("<p>a<sup><a href=#n>1</a></sup>", "a<sup>[1](#n)</sup>"),
            ("<p>a<sup><a href=#n>as is said there</a></sup><p id=n>n", "a<sup>[as is said there](#n)</sup>\n\nn"),
        ] {
            assert_eq!(body(&format!("<main>{html}</main>")), expected, "{html}");
        }
    }

    /// As the generators of sites write them.
    #[test]
    fn notes_and_tabs_are_told_apart() {
        for html in [
            "<div class='admonition note'><p class=admonition-title>T<p>n</div>",
            "<div class='theme-admonition theme-admonition-tip x_1'><div class=admonitionHeading_2><span><svg></svg></span>T\
             </div><div class=admonitionContent_3><p>n</div></div>",
            "<div class='tip custom-block'><p class=custom-block-title>T<p>n</div>",
            "<div class='markdown-alert markdown-alert-tip'><p class=markdown-alert-title><svg></svg>T<p>n</div>",
            "<aside class='starlight-aside'><p class=starlight-aside__title>T<div><p>n</div></aside>",
            "<div class='alert alert-info' role=alert><h4 class=alert-heading>T</h4><p>n</div>",
        ] {
            assert_eq!(body(&format!("<main><p>x</p>{html}</main>")), "x\n\n> **T**\n> \n> n", "{html}");
        }
        assert_eq!(body("<main><div class=warning><p>n</div></main>"), "> n");
        for html in [
            "<div class=tabbed-set><input type=radio><input type=radio><div class=tabbed-labels><label>A</label><label>B</label>\
             </div><div class=tabbed-content><div class=tabbed-block><p>a</div><div class=tabbed-block><p>b</div></div></div>",
            "<div class=tabs-container><ul role=tablist><li role=tab>A<li role=tab>B</ul><div><div role=tabpanel><p>a</div>\
             <div role=tabpanel hidden><p>b</div></div></div>",
            "<div class=vp-code-group><div class=tabs><input><label>A</label><input><label>B</label></div><div class=blocks>\
             <div><p>a</div><div><p>b</div></div></div>",
        ] {
            assert_eq!(body(&format!("<main>{html}</main>")), "**A**\n\na\n\n**B**\n\nb", "{html}");
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
