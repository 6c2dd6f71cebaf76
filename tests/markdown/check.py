"""Looks at Markdown as GitHub would show it, with GitHub's own parser.

Reads `[{"name", "markdown", "links", "limit", "plain"}]` from stdin and prints the problems as a JSON list.
`links` are the addresses that may be linked, `limit` is the most bytes, and `plain` says that no text in it was
chosen by anybody, so that a character of Markdown in the page is Markdown that was not parsed.
"""

import json
import re
import sys
import unicodedata
from html.parser import HTMLParser

import cmarkgfm
from cmarkgfm.cmark import Options

# Element, and the attributes that it may have.
KNOWN = {
    "a": {"href"}, "blockquote": set(), "br": set(), "code": {"class"}, "details": set(), "h3": set(),
    "li": set(), "p": set(), "pre": {"lang"}, "strong": set(), "sub": set(), "summary": set(), "table": set(),
    "tbody": set(), "td": {"align"}, "th": {"align"}, "thead": set(), "tr": set(), "ul": set(),
}
BLOCKS = {"p", "pre", "table", "ul"}
VERBATIM = {"code", "pre"}
MARKER = re.compile(r" tunegate:v1 key=[0-9a-f]{12} run=\d+\.\d+ head=[0-9a-f]{40} ")
# What GitHub turns into links, pictures or formulas in text outside of code.
LIVE = {
    "a mention": re.compile(r"(?<![A-Za-z0-9_/])@[A-Za-z0-9]"),
    "a reference": re.compile(r"#\d|\bGH-\d", re.IGNORECASE),
    "an address": re.compile(r"://|\bwww\.|\bmailto:", re.IGNORECASE),
    "a commit": re.compile(r"\b(?=[0-9]*[a-f])[0-9a-f]{7,40}\b"),
    "a picture's name": re.compile(r":[A-Za-z0-9_+-]+:"),
    "a formula": re.compile(r"\$"),
}
UNPARSED = re.compile(r"[|`<>\\]|\*\*|\]\(|^\s*(-|#+) ", re.MULTILINE)


def render(text):
    return cmarkgfm.github_flavored_markdown_to_html(text, options=Options.CMARK_OPT_UNSAFE)


class Page(HTMLParser):
    """The page, with what is wrong with it."""

    def __init__(self, document):
        super().__init__(convert_charrefs=True)
        self.document = document
        self.problems = []
        self.open = []
        self.comments = []
        self.counts = {}
        self.folds = []
        self.text = []

    def handle_starttag(self, tag, attributes):
        self.counts[tag] = self.counts.get(tag, 0) + 1
        if tag not in KNOWN:
            self.problems.append(f"element <{tag}>")
        for name, value in attributes:
            if name not in KNOWN.get(tag, set()):
                self.problems.append(f"attribute {name} of <{tag}>")
            if tag == "a" and name == "href" and value not in self.document["links"]:
                self.problems.append(f"link to {value}")
        if self.folds and tag in BLOCKS:
            self.folds[-1] += 1
        if tag == "details":
            self.folds.append(0)
        if tag == "summary" and (not self.open or self.open[-1] != "details"):
            self.problems.append("<summary> outside of <details>")
        if tag != "br":
            self.open.append(tag)
        if tag in VERBATIM:
            # Stands for the code: what is beside it does not touch.
            self.text.append("\0")
        elif tag not in {"a", "strong", "sub"}:
            self.text.append("\n")

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.problems.append(f"</{tag}> closes another element")
        if tag == "details" and self.folds and self.folds.pop() == 0:
            self.problems.append("<details> without parsed Markdown")

    def handle_comment(self, data):
        self.comments.append(data)

    def handle_decl(self, decl):
        self.problems.append(f"declaration {decl}")

    def handle_pi(self, data):
        self.problems.append(f"instruction {data}")

    def handle_data(self, data):
        if not VERBATIM.intersection(self.open) and "a" not in self.open:
            self.text.append(data)


def tables(markdown):
    """Tables of the source, each a list of lines; fenced code is passed over."""
    found, fence, inside = [], None, False
    for line in markdown.split("\n"):
        mark = re.match(r"(`{3,}|~{3,})", line)
        if mark and fence is None:
            fence = mark.group(1)
        elif fence is not None and line.strip() == fence:
            fence = None
        is_row = fence is None and line.startswith("|")
        if is_row and not inside:
            found.append([])
        if is_row:
            found[-1].append(line)
        inside = is_row
    return found


def cells(row, count):
    """Whether GitHub splits the row into so many cells. As a body row it would cut and fill without a word; a
    header has to fit the line below it."""
    html = render(row + "\n" + "|---" * count + "|\n")
    return html.count("<th>") == count


def check_tables(page, markdown):
    all_tables = tables(markdown)
    rows = 0
    for table in all_tables:
        count = render("\n".join(table[:2]) + "\n").count("<th")
        count -= render("\n".join(table[:2]) + "\n").count("<thead")
        rows += len(table) - 1
        for row in table[:1] + table[2:]:
            if not cells(row, count):
                page.problems.append(f"not {count} cells: {row}")
    if page.counts.get("table", 0) != len(all_tables):
        page.problems.append(f"{page.counts.get('table', 0)} of {len(all_tables)} tables are tables")
    if page.counts.get("tr", 0) != rows:
        page.problems.append(f"{page.counts.get('tr', 0)} of {rows} rows are rows")


def check(document):
    markdown = document["markdown"]
    page = Page(document)
    page.feed(render(markdown))
    page.close()
    if page.open:
        page.problems.append(f"never closed: {page.open}")
    check_tables(page, markdown)
    text = "".join(page.text)
    for name, pattern in LIVE.items():
        for match in pattern.finditer(text):
            page.problems.append(f"{name}: {text[max(0, match.start() - 20):match.end() + 20]!r}")
    if document["plain"]:
        for match in UNPARSED.finditer(text):
            page.problems.append(f"not parsed: {text[max(0, match.start() - 20):match.end() + 20]!r}")
    marked = markdown.startswith("<!-- ")
    if len(page.comments) != int(marked) or any(not MARKER.fullmatch(text) for text in page.comments):
        page.problems.append(f"comments {page.comments}")
    hidden = {c for c in markdown if c != "\n" and unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"}}
    if hidden:
        page.problems.append(f"hidden characters {sorted(map(ascii, hidden))}")
    size = len(markdown.encode("utf-8"))
    if size > document["limit"]:
        page.problems.append(f"{size} bytes, more than {document['limit']}")
    return [f"{document['name']}: {problem}" for problem in page.problems]


if __name__ == "__main__":
    sys.stdin.reconfigure(encoding="utf-8")
    json.dump([problem for document in json.load(sys.stdin) for problem in check(document)], sys.stdout)
