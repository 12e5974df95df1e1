"""mkdocs hook: the pages that lie outside of docs/, and links that GitHub follows but a site cannot."""

import logging
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((?!https?:|#)([^)#]+)(#[^)]*)?\)")
log = logging.getLogger("mkdocs.hooks.site_pages")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of the repository's root."""
    for source, page in PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=_linked(text, ROOT, source).replace("(docs/", "(")))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn the links of a page in docs/."""
    path = Path(page.file.abs_src_path or ROOT)
    return _linked(markdown, path.parent, str(path)) if path.is_relative_to(ROOT / "docs") else markdown


def _linked(markdown: str, folder: Path, source: str) -> str:
    """A link to a page of the root leads to its page on the site; one to a file that has no page becomes text."""

    def turned(link: re.Match[str]) -> str:
        text, target, anchor = link.groups(default="")
        path = (folder / target).resolve()
        if not path.exists():
            log.warning("%s: the link %s leads nowhere", source, target)
        if path.parent == ROOT and path.name in PAGES:
            return f"[{text}]({PAGES[path.name]}{anchor})"
        return link[0] if path.is_relative_to(ROOT / "docs") else text

    return LINK.sub(turned, markdown)
