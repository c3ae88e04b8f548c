"""Follow every relative link in the Markdown pages: the file must exist, and the heading too.

Links to the web are not fetched: a check that fails because somebody else is down is no check.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
SKIPPED = {"node_modules", "build", "dist"}
FENCED = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(<?([^)\s>]+)>?[^)]*\)")
HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*$", re.MULTILINE)
SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)


def main() -> int:
    """Print each link that leads nowhere; 1 if there is one."""
    pages = {page: page.read_text("utf-8") for page in _pages(ROOT)}
    problems = [problem for page in pages for problem in _problems(page, pages)]
    for problem in problems:
        print(problem)
    print(f"links: {len(pages)} pages read, {len(problems)} dead links")
    return 1 if problems else 0


def links(text: str) -> list[str]:
    """The relative targets that a page links to, outside of code blocks."""
    return [t for t in LINK.findall(FENCED.sub("", text)) if not SCHEME.match(t)]


def anchors(text: str) -> set[str]:
    """The fragments that GitHub gives to a page's headings; a repeated one gets -1, -2, ..."""
    found: dict[str, int] = {}
    for heading in HEADING.findall(FENCED.sub("", text)):
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        seen = found[slug] = found.get(slug, -1) + 1
        if seen:
            found.setdefault(f"{slug}-{seen}", 0)
    return set(found)


def _pages(root: Path) -> Iterator[Path]:
    for path in sorted(root.rglob("*.md")):
        parts = path.relative_to(root).parts
        if not any(part in SKIPPED or part.startswith(".") for part in parts):
            yield path


def _problems(page: Path, pages: dict[Path, str]) -> Iterator[str]:
    for target in links(pages[page]):
        name, _, fragment = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        if not file.exists():
            yield f"{page.relative_to(ROOT)}: {target} does not exist"
        elif fragment and file in pages and fragment not in anchors(pages[file]):
            yield f"{page.relative_to(ROOT)}: {target} names no heading there"


if __name__ == "__main__":
    sys.exit(main())
