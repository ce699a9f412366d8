"""Libraries that only some of the work needs: imported when that work begins, or asked for by name."""

from __future__ import annotations

import importlib
from types import ModuleType

from ribocyte.errors import RequestError


def need(module: str, extra: str, purpose: str) -> ModuleType:
    """Import a library that an extra of the package brings.

    Parameters
    ----------
    module : str
        What to import, such as ``captum.attr``.
    extra : str
        The extra that brings it, such as ``bio``.
    purpose : str
        What it is needed for, to say so where it is missing.

    Raises
    ------
    RequestError
        If it is not installed; names the extra.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != module.split(".")[0]:
            raise  # the library is there, and lacks something of its own
        raise RequestError(
            f"{module.split('.')[0]}: not installed, and {purpose} needs it",
            expected=f"the extra [{extra}]",
            mend=f"pip install 'ribocyte[{extra}]'",
        ) from error
