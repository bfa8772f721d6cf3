"""Errors in the code of an app, such as a `NameError` in its module: the frames of that code, without those of persisty, Python and libraries.

```
Error: shop/app.py cannot be loaded: NameError: name 'Strng' is not defined. Did you mean: 'String'?
  shop/app.py, line 12, in Product
    name: Attr[Strng]
```

`main` prints these texts. `WHOLE` as an option, or `PERSISTY_LOG_LEVEL=DEBUG`, prints the traceback of Python instead.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator
from pathlib import Path

from .. import settings
from ..errors import Fault, PersistyError

WHOLE = "--traceback"
HINT = f"{WHOLE} prints the whole traceback"
LOG_HINT = "PERSISTY_LOG_LEVEL=DEBUG logs the whole traceback"
UNKNOWN_MODULE = "Is it installed in this environment, and is this the folder of the project?"
SHOWN = 5
"""The most frames that are shown: the last ones, which are nearest to the error."""
PACKAGE = Path(settings.__file__).resolve().parent
LOADING = str(Path(settings.__file__).parent / "application" / "loading.py")
"""The module of persisty that imports the modules of an app."""
INSTALLED = frozenset({"site-packages", "dist-packages"})
"""Folders of libraries."""
PYTHON = Path(os.__file__).resolve().parent


def whole_traceback() -> bool:
    """Return whether the settings ask for whole tracebacks."""
    try:
        return settings.load().log_level == "DEBUG"
    except PersistyError:
        return False


def explained(error: Exception, hint: str = HINT) -> str | None:
    """Return the text about an error that the code of an app raised. None if none of that code was running: the error is persisty's own."""
    frames = [*_own(error)]
    if not frames:
        return None
    place = _place(frames[0].filename)
    what = f"{place} cannot be loaded" if is_of_loading(error) else f"The code of {place} failed"
    lines = [f"{what}: {_message(error)}"]
    for frame in frames[-SHOWN:]:
        lines.append(f"  {_place(frame.filename)}, line {frame.lineno}, in {frame.name.strip('<>')}")
        lines += [f"    {frame.line}"] if frame.line else []
    if isinstance(error, ModuleNotFoundError):
        lines.append(f"  {UNKNOWN_MODULE}")
    if error.__cause__ is not None:
        lines.append(f"  caused by {_message(error.__cause__)}")
    return "\n".join([*lines, f"  {hint}"])


def fault_of(error: Exception) -> Fault | None:
    """Return the fault of an error that `explained` explains, None for any other."""
    frames = [*_own(error)]
    return Fault("", f"{_place(frames[-1].filename)}, line {frames[-1].lineno}: {_message(error)}") if frames else None


def is_of_loading(error: Exception) -> bool:
    """Return whether the error was raised while the module of an app was loaded."""
    return any(frame.f_code.co_filename == LOADING for frame, _ in traceback.walk_tb(error.__traceback__))


def _own(error: Exception) -> Iterator[traceback.FrameSummary]:
    """Yield the frames of the code of an app. A line that Python cannot parse has no frame, so its place is one."""
    yield from (frame for frame in traceback.extract_tb(error.__traceback__) if _is_own(frame.filename))
    if isinstance(error, SyntaxError) and error.filename and _is_own(error.filename):
        yield traceback.FrameSummary(error.filename, error.lineno or 0, "<module>", line=(error.text or "").strip())


def _is_own(filename: str) -> bool:
    path = Path(filename).resolve()
    installed = path.is_relative_to(PACKAGE) or path.is_relative_to(PYTHON) or not INSTALLED.isdisjoint(path.parts)
    return not installed and not filename.startswith("<")


def _place(filename: str) -> str:
    """Return the path of a file, relative to the working directory if it is below that."""
    path, here = Path(filename).resolve(), Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _message(error: BaseException) -> str:
    """Return the line that Python prints of an error: its class and its message."""
    lines = traceback.format_exception_only(error)
    return next((one for one in lines if not one.startswith(" ")), lines[0]).strip()
