"""The book's own Sphinx extension.

It does what no setting does: derives every link from the repository's
address, brings the outputs of the executed notebooks, serves MathJax and
the icons from the book itself, numbers equations and figures, puts the host
of the explorers on the pages that need it, and leaves the solutions out on
request.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tomllib
from pathlib import Path
from xml.sax.saxutils import escape

import nbformat
from docutils import nodes
from latex2mathml.converter import convert
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

from book import address as addresses
from book import execution, fonts, mathjax, on_demand

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
HOST = "host.mjs"
TAG = re.compile(r"\\tag\{[^}]*\}")
PROGRESS = re.compile(r"(?m)^\s*\d+%\|.*\|\s*\d+/\d+ \[")
MINUTES = re.compile(r"\d+\s+minutes")
UNUSED = (
    "scripts/*.map",
    "styles/*.map",
    "scripts/fontawesome.js*",
    "vendor/fontawesome/webfonts/*.ttf",
)


# -- the outputs of the notebooks ---------------------------------------------


def _bring_outputs(app: Sphinx, docname: str, source: list[str]) -> None:
    """Give a notebook's page what the notebook printed and drew.

    Sphinx reads the page again when the notebook was executed again.
    """
    root, path = Path(app.srcdir), Path(app.env.doc2path(docname))
    if path.parent.name not in execution.FOLDERS or path.suffix != ".ipynb":
        return
    run = execution.kept(root, path)
    if run is None:
        raise ExtensionError(
            f"{docname} was not executed: build the book with `make book`"
        )
    app.env.note_dependency(str(execution.kept_at(root, path)))
    committed = nbformat.reads(source[0], as_version=4)
    source[0] = nbformat.writes(
        execution.with_outputs(committed, run.notebook)
    )


# -- settings that are derived ------------------------------------------------


def _derive_settings(app: Sphinx, config) -> None:
    root = Path(app.srcdir)
    config.mathjax_path = mathjax.PATH
    config.mathjax3_config = dict(mathjax.SETTINGS)
    address = addresses.declared(root)
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    config.version = config.release = project["project"]["version"]
    config.html_baseurl = address.pages
    config.ogp_site_url = address.pages
    config.ogp_site_name = config.html_title
    config.html_theme_options.update(
        repository_url=address.repository,
        repository_branch=addresses.BRANCH,
        path_to_docs="",
        use_repository_button=True,
        use_edit_page_button=True,
        use_issues_button=True,
        launch_buttons={"colab_url": addresses.COLAB},
    )
    config.html_static_path.append(str(root / "book" / "static_host"))


# -- pages --------------------------------------------------------------------


def _has_widget(doctree: nodes.document) -> bool:
    return any(
        WIDGET_VIEW in node.astext() for node in doctree.findall(nodes.raw)
    )


def _mark_lead(app: Sphinx, doctree: nodes.document) -> None:
    """Let the line of prerequisites and minutes be styled as such."""
    if not re.match(r"(chapters|exercises|solutions)/", app.env.docname):
        return
    for section in doctree.findall(nodes.section):
        for child in section.children[1:6]:
            text = child.astext()
            if isinstance(child, nodes.paragraph) and MINUTES.search(text):
                child["classes"].append("lead-line")
                return
        return


def _drop_progress_bars(app: Sphinx, doctree: nodes.document) -> None:
    """A finished progress bar says nothing, and its widget needs Python."""
    for cell in list(doctree.findall(nodes.container)):
        if cell.get("nb_element") != "cell_code_output":
            continue
        for bundle in list(cell.children):
            if PROGRESS.search(bundle.astext()):
                cell.remove(bundle)


def _keep_numbers_of_long_equations(app: Sphinx, doctree) -> None:
    r"""Let an equation of several lines keep its ``\tag``.

    Sphinx puts one into a ``split``, where MathJax allows no ``\tag``; here
    the tag goes outside of it.
    """
    if app.builder.name == "epub":
        return
    for node in list(doctree.findall(nodes.math_block)):
        text = node.astext()
        tag = TAG.search(text)
        if not tag or r"\\" not in text:
            continue
        body = TAG.sub("", text).strip()
        if r"\begin{" not in body:
            body = rf"\begin{{split}}{body}\end{{split}}"
        text = rf"\begin{{equation}}{body}{tag[0]}\end{{equation}}"
        node.children = []
        node += nodes.Text(text)
        node["nowrap"] = True


def _number_figures(app: Sphinx, doctree: nodes.document) -> None:
    """Number the figures of a chapter, so that a class can point at one.

    A figure's title is drawn in it and its description is its alt text;
    what it lacks in a notebook is a number, and a link to it.
    """
    found = re.match(r"chapters/(\d\d)-", app.env.docname)
    if not found:
        return
    number = 0
    for cell in list(doctree.findall(nodes.container)):
        if cell.get("nb_element") != "cell_code_output":
            continue
        for bundle in list(cell.children):
            if not any(bundle.findall(nodes.image)):
                continue
            number += 1
            anchor = f"figure-{int(found[1])}-{number}"
            link = nodes.reference(
                "", f"Figure {int(found[1])}.{number}", refuri=f"#{anchor}"
            )
            line = nodes.paragraph("", "", link, classes=["figure-number"])
            figure = nodes.container(ids=[anchor])
            bundle.replace_self(figure)
            figure += [bundle, line]


def _shape_source(app: Sphinx, docname: str, source: list[str]) -> None:
    """Tell solutions from exercises, and link the one to the other.

    A solutions notebook is the source of its exercises, so both have the
    same title; on the page it is called by what it holds.
    """
    folder, _, name = docname.partition("/")
    if folder not in ("solutions", "exercises"):
        return
    notebook = json.loads(source[0])
    first = next(
        cell for cell in notebook["cells"] if cell["cell_type"] == "markdown"
    )
    if folder == "solutions":
        text = "".join(first["source"])
        first["source"] = text.replace("# Exercises", "# Solutions", 1)
        link = f"[The exercises without answers](../exercises/{name}.ipynb)"
    else:
        link = f"[Compare with the solutions](../solutions/{name}.ipynb)"
    if folder == "solutions" or f"solutions/{name}" in app.env.found_docs:
        notebook["cells"].append(
            {
                "cell_type": "markdown",
                "id": "the-other-page",
                "metadata": {},
                "source": link,
            }
        )
    source[0] = json.dumps(notebook)


def _name_terms(app: Sphinx, doctree: nodes.document) -> None:
    """Let `glossary.md#term-…` lead to a target that is no heading."""
    slugs = app.env.metadata[app.env.docname].setdefault("myst_slugs", {})
    for name, identifier in doctree.nameids.items():
        if name.startswith("term-") and identifier:
            slugs.setdefault(name, (0, identifier, name))


def _name_cells(app: Sphinx, doctree: nodes.document) -> None:
    """Let `NN-slug.ipynb#cell-ID` lead to a chapter's code cell by its id.

    A claim can so be linked to the very cell that shows it, and a link to a
    cell that is gone fails the build.
    """
    docname = app.env.docname
    if not docname.startswith("chapters/"):
        return
    notebook = json.loads(
        Path(app.env.doc2path(docname)).read_text(encoding="utf-8")
    )
    ids = [cell.get("id", "") for cell in notebook["cells"]]
    slugs = app.env.metadata[docname].setdefault("myst_slugs", {})
    for cell in doctree.findall(nodes.container):
        if cell.get("nb_element") == "cell_code":
            anchor = f"cell-{ids[cell['cell_index']]}"
            cell["ids"].append(anchor)
            slugs.setdefault(anchor, (0, anchor, "this cell"))


def _drop_links_to_left_out_pages(
    app: Sphinx, doctree: nodes.document
) -> None:
    """Without solutions, a link to one becomes its own words."""
    if app.config.book_with_solutions:
        return
    for kind in (addnodes.pending_xref, addnodes.download_reference):
        for node in list(doctree.findall(kind)):
            if "solutions/" in node.get("reftarget", ""):
                node.replace_self(nodes.inline("", node.astext()))


def _page_context(app: Sphinx, pagename, templatename, context, doctree):
    if doctree is None or app.builder.format != "html":
        return
    # This role on a list's element is no longer allowed, and hides it.
    context["body"] = context.get("body", "").replace(
        'role="doc-biblioentry"', 'role="listitem"'
    )
    root = Path(app.srcdir)
    if _has_widget(doctree) and (root / "book/static_host" / HOST).exists():
        app.add_js_file(HOST, defer="defer")


# -- formulas in the EPUB -----------------------------------------------------


def _prepare_epub(app: Sphinx) -> None:
    """Readers of EPUB run no script, show no buttons, and know MathML."""
    if app.builder.name != "epub":
        return
    app.config.html_math_renderer = "mathml"
    app.config.html_static_path = []
    app.config.html_js_files = []
    options = app.config.html_theme_options
    options["launch_buttons"] = {}
    for name in ("repository", "edit_page", "issues", "download"):
        options[f"use_{name}_button"] = False


def _mathml(node: nodes.Element, display: str) -> str:
    text = re.sub(r"\\label\{[^}]*\}", "", node.astext())
    number = re.search(r"\\tag\{([^}]*)\}", text)
    formula = convert(TAG.sub("", text), display=display)
    if display == "inline":
        return formula
    label = f'<span class="eqno">({number[1]})</span>' if number else ""
    return f'<div class="math">{label}{formula}</div>'


def _visit_inline_formula(translator, node: nodes.math) -> None:
    translator.body.append(_mathml(node, "inline"))
    raise nodes.SkipNode


def _visit_displayed_formula(translator, node: nodes.math_block) -> None:
    translator.body.append(_mathml(node, "block"))
    raise nodes.SkipNode


# -- the output ---------------------------------------------------------------


def _finish(app: Sphinx, exception) -> None:
    if exception is not None or app.builder.name != "html":
        return
    out = Path(app.outdir)
    static = out / "_static"
    mathjax.copy_mathjax(static)
    for pattern in UNUSED:
        for path in static.glob(pattern):
            path.unlink()
    _drop_stale_pages(app, out)
    fonts.cut_icons(out)
    fonts.cut_text(out)
    on_demand.load_on_demand(out)
    _write_sitemap(app, out)


def _drop_stale_pages(app: Sphinx, out: Path) -> None:
    """Delete pages whose source is no longer in the book."""
    kept = {f"{name}.html" for name in app.env.found_docs}
    kept |= {"search.html", "genindex.html", "index.html", "404.html"}
    for path in out.rglob("*.html"):
        name = path.relative_to(out).as_posix()
        if not name.startswith("_") and name not in kept:
            path.unlink()


def _write_sitemap(app: Sphinx, out: Path) -> None:
    base, page = app.config.html_baseurl, app.builder.get_target_uri
    links = "\n".join(
        f"  <url><loc>{escape(base + page(name))}</loc></url>"
        for name in sorted(app.env.found_docs)
    )
    (out / "sitemap.xml").write_text(
        '<?xml version="1.0" encoding="utf-8"?>\n'
        '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n'
        f"{links}\n</urlset>\n",
        "utf-8",
    )
    (out / ".nojekyll").touch()


def setup(app: Sphinx) -> dict:
    """Connect the extension to Sphinx."""
    app.add_config_value(
        "book_with_solutions",
        os.environ.get("ATTENTION_BOOK_SOLUTIONS", "1") != "0",
        "env",
    )
    app.connect("config-inited", _derive_settings, priority=100)
    app.add_config_value("comments_config", {}, "")  # Jupyter Book sets it
    app.add_html_math_renderer(
        "mathml",
        inline_renderers=(_visit_inline_formula, None),
        block_renderers=(_visit_displayed_formula, None),
    )
    app.connect("builder-inited", _prepare_epub)
    app.connect("source-read", _bring_outputs)
    app.connect("source-read", _shape_source)
    app.connect("doctree-read", _drop_progress_bars)
    app.connect("doctree-read", _keep_numbers_of_long_equations)
    app.connect("doctree-read", _number_figures)
    app.connect("doctree-read", _name_terms)
    app.connect("doctree-read", _name_cells)
    app.setup_extension("book.folding")
    app.connect("doctree-read", _drop_links_to_left_out_pages)
    app.connect("doctree-read", _mark_lead)
    app.connect("html-page-context", _page_context)
    app.connect("build-finished", _finish, priority=900)
    # A change in this very file makes Sphinx read every page again.
    own = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    return {
        "env_version": int(own[:8], 16),
        "parallel_read_safe": True,
        "parallel_write_safe": True,
    }
