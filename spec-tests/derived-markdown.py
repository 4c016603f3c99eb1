#!/usr/bin/env python3
"""Whether the Markdown that mkroot derives of pages says what they say.

    cargo build --release --bins
    spec-tests/derived-markdown.py                     # 2 000 pages of Debian's rust-doc
    spec-tests/derived-markdown.py --pages 0 DIR ...   # all pages of these sites

Each page that has a <main> is asked for as HTML and as Markdown. lxml reads the one, markdown-it renders the other by
the rules of GitHub's Markdown, and neither is ours. Words are counted in both, and elements that have a sign in
Markdown: headings, blocks of code, rows of tables, images. What is left out on purpose (LEFT_OUT, below) is taken out
of the HTML before.

What is wrong: a page in which a word or an element is missing, or is more often than it should be, beyond --most.

It needs Python 3.11 or later with venv, and the package registry once; packages are installed below the target
directory. The programs can be given by the environment: MKROOT, CONNEGD. CARGO_TARGET_DIR is heeded.

Exit status: 0 all is well, 1 something is wrong, 2 a program or package is missing or did not start.
"""

import argparse
import collections
import http.client
import random
import re
import subprocess
import tempfile
import urllib.parse
from pathlib import Path

import environment
from environment import Missing
from served import RUST_DOC, served

# What has no place in Markdown, as docs/agents.md tells; of the classes those that the trees at hand have.
CLASSES = ("boring", "hash-link", "headerlink", "hideme", "lang", "line-numbers", "linenos", "notable-traits",
           "pagination-nav", "src-line-numbers", "table-of-contents", "test-arrow", "toc", "tooltip", "viewcode-link",
           "visually-hidden")
LEFT_OUT = ["script", "style", "template", "noscript", "nav", "button", "input", "select", "footer", "*[@hidden]",
            "*[@aria-hidden='true']", "img[@alt='']", "a//img[@alt='logo']",
            # What a footnote is called, which is part of the sign.
            "aside[@role='doc-footnote']/span[@class='label']", "sup[@class='footnote-definition-label']",
            *(f"*[contains(concat(' ', normalize-space(@class), ' '), ' {name} ')]" for name in CLASSES)]
# mdBook has a block of code in another; one that is in a table has to be code in a line.
ELEMENTS = {
    "headings": ".//h1 | .//h2 | .//h3 | .//h4 | .//h5 | .//h6",
    "rows": ".//tr[count(td | th) > 1]",
    "images": ".//img",
    "blocks of code": ".//pre[not(ancestor::pre) and not(ancestor::table[.//th and not(@class='highlighttable')])]",
}
WORD = re.compile(r"\w+")


def get(connection, path, media_type):
    """The content, or None if there is none of this type."""
    connection.request("GET", urllib.parse.quote(path), headers={"Accept": media_type})
    response = connection.getresponse()
    content = response.read()
    is_wanted = response.status == 200 and response.headers["Content-Type"].startswith(media_type)
    return content if is_wanted else None


def seen(element):
    """The words and elements of a tree, counted."""
    counts = collections.Counter(WORD.findall(" ".join(element.itertext())))
    for name, path in ELEMENTS.items():
        counts[name] = sum(1 for found in element.xpath(path)
                           if found.tag == "img" or WORD.search("".join(found.itertext())))
    return counts


def content_of(html):
    """What of a page is its content, as far as the page says so."""
    import lxml.html
    main = lxml.html.document_fromstring(html).xpath("//main[not(@hidden)] | //*[@role='main']")
    if not main:
        return None
    # Beside the only article are lists of contents and the like.
    articles = main[0].xpath(".//article[not(@hidden)]")
    content = articles[0] if len(articles) == 1 and articles[0].xpath(".//h1") else main[0]
    for done in content.xpath(".//li//input[@type='checkbox'][@checked]"):
        done.tail = f" x {done.tail or ''}"
    for found in content.xpath(" | ".join(f".//{path}" for path in LEFT_OUT)):
        if found.getparent() is not None:
            found.drop_tree()
    return content


def rendered(markdown):
    """What comes behind the front matter."""
    import lxml.html
    from markdown_it import MarkdownIt
    from mdit_py_plugins.footnote import footnote_plugin
    body = markdown.decode().partition("\n---\n")[2]
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"]).use(footnote_plugin)
    # Footnotes are called as in the page, where chapters may count anew; else they would be counted by their order.
    parser.add_render_rule("footnote_caption", lambda _self, tokens, index, _options, _environment:
                           re.sub(r"-\d+$", "", tokens[index].meta["label"]))
    return lxml.html.fragment_fromstring(parser.render(body), create_parent="div")


def main():
    description, _, rest = __doc__.partition("\n\n")
    parser = argparse.ArgumentParser(
        description=description, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directories", nargs="*", type=Path, default=[RUST_DOC])
    parser.add_argument("--pages", type=int, default=2000, help="of each site; 0 is all")
    parser.add_argument("--most", type=int, default=0, help="how many words or elements of a page may differ")
    parser.add_argument("--seed", type=int, default=1, help="which pages")
    options = parser.parse_args()
    environment.enter("derived-markdown")
    missing = [str(path) for path in options.directories if not path.is_dir()]
    if missing:
        raise Missing(f"missing: {', '.join(missing)}")

    wrong = 0
    for directory in options.directories:
        pages = sorted("/" + str(page.relative_to(directory)) for page in directory.rglob("*.html") if page.is_file())
        if 0 < options.pages < len(pages):
            pages = random.Random(options.seed).sample(pages, options.pages)
        compared, words, without = 0, 0, 0
        with tempfile.TemporaryDirectory() as work, served(
                directory, Path(work, "out.webroot"), "--derive", "markdown", stderr=subprocess.DEVNULL) as address:
            connection = http.client.HTTPConnection(urllib.parse.urlsplit(address).netloc, timeout=20)
            for page in pages:
                html, markdown = get(connection, page, "text/html"), get(connection, page, "text/markdown")
                content = content_of(html) if html else None
                if content is None or markdown is None:
                    without += 1
                    continue
                expected, found = seen(content), seen(rendered(markdown))
                lost, more = expected - found, found - expected
                compared, words = compared + 1, words + sum(expected.values())
                if sum(lost.values()) + sum(more.values()) > options.most:
                    wrong += 1
                    print(f"{page}: lost {dict(lost.most_common(8))}, more {dict(more.most_common(8))}")
            connection.close()
        print(f"{directory}: {compared} pages with {words} words and elements compared; {without} have no <main>, or no Markdown")
        if compared == 0:
            raise Missing(f"{directory} has no page to compare")
    print(f"{wrong} pages differ")
    return 1 if wrong else 0


if __name__ == "__main__":
    environment.run(main)
