"""The one renderer: template and values in, finished text out. Nothing else turns templates into text.

Knows Jinja and where the templates lie; knows nothing of clusters or hosts. Templates are read from the installed package
(`_templates`) or, in a checkout, from `templates/` at its top.
A value with a newline, or a `Secret` that was not revealed, is refused wherever it would be written: the first would be a
second directive, the second would silently become ``***``. Pages (``*.html.j2``) are escaped instead, and may have newlines.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import jinja2

from shardwright.errors import Problem, SpecError
from shardwright.model.secret import Secret

from . import config_text

Value = object


class _Root(jinja2.BaseLoader):
    """Reads templates below one directory: no way out by ``..`` or by a link; BOM and CRLF are taken away."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()

    def get_source(
        self,
        environment: jinja2.Environment,  # noqa: ARG002 - Jinja's signature
        template: str,
    ) -> tuple[str, str, Callable[[], bool]]:
        path = (self._root / template).resolve()
        if not path.is_relative_to(self._root):
            raise _error("template-outside-root", template, str(path), f"a file below {self._root}")
        try:
            text = path.read_bytes().decode("utf-8-sig")
        except FileNotFoundError:
            raise jinja2.TemplateNotFound(template) from None
        except UnicodeDecodeError as error:
            raise _error("template-not-utf8", template, f"byte {error.start} is not UTF-8", "UTF-8 text") from None
        return text.replace("\r\n", "\n"), str(path), lambda: True


class Renderer:
    """Renders the templates below one directory; `root` is the package's own unless given."""

    def __init__(self, root: Path | None = None) -> None:
        self._environment = jinja2.Environment(
            loader=_Root(root or template_root()),
            undefined=jinja2.StrictUndefined,
            autoescape=_is_html,  # noqa: S701 - elsewhere values are quoted for each kind of file
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            finalize=_printable,
        )
        self._environment.filters |= config_text.FILTERS

    def render(self, template: str, values: Mapping[str, Value]) -> str:
        """The finished text of one file, ending in exactly one newline.

        Args:
            template: path below the root, with ``/``.
            values: what the template may name; a name that is missing is an error, never an empty text.

        Raises:
            SpecError: ``template-missing``, ``template-syntax``, ``template-undefined``, ``template-outside-root``,
                ``value-has-newline``, ``value-is-secret``.
        """
        try:
            text = self._environment.get_template(template).render(dict(values))
        except jinja2.TemplateNotFound as error:
            raise _error("template-missing", str(error.name), "no such template", "an existing file") from None
        except jinja2.TemplateSyntaxError as error:
            found, line = str(error.message), error.lineno
            raise _error("template-syntax", error.name or template, found, "valid Jinja", line) from None
        except jinja2.UndefinedError as error:
            raise _error(
                "template-undefined", template, str(error.message), "a value that is given", _line(error)
            ) from None
        return text.rstrip("\n") + "\n"


@cache
def template_root() -> Path:
    """Where the templates lie: in the installed package, else in the checkout."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "_templates"
    return installed if installed.is_dir() else package.parent.parent / "templates"


@cache
def renderer() -> Renderer:
    """The renderer of the package's own templates."""
    return Renderer()


def render(template: str, values: Mapping[str, Value]) -> str:
    """The finished text of one of the package's own templates; see `Renderer.render`."""
    return renderer().render(template, values)


def _is_html(template: str | None) -> bool:
    return template is not None and template.endswith(".html.j2")


@jinja2.pass_eval_context
def _printable(context: jinja2.nodes.EvalContext, value: Value) -> Value:
    """What may be written: called by Jinja for every expression's value, never for the template's own text.

    A page for people, where all is escaped, may show text of several lines; a file for a server may not.
    """
    if isinstance(value, Secret):
        raise _error("value-is-secret", "", "a secret that was not revealed", "its text, in a file that is secret")
    if isinstance(value, str) and not context.autoescape:
        config_text.refuse_control(value)
    return value


def _line(error: Exception) -> int:
    """Line of the template in which `error` arose, which is the innermost frame that is one; 0 if there is none."""
    line, trace = 0, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename.endswith(".j2"):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _error(code: str, template: str, found: str, wanted: str, line: int = 0) -> SpecError:
    return SpecError([Problem(code, template, found, wanted, line=line)], file=f"templates/{template}")
