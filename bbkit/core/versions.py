"""Versions: what an issue report needs."""

import platform
import re
from importlib.metadata import PackageNotFoundError, requires, version


def list_versions() -> dict[str, str]:
    versions = {"Python": platform.python_version(), "platform": platform.platform()}
    for requirement in requires("bbkit") or ():
        name = re.split(r"[^\w.-]", requirement)[0]
        if name != "bbkit" and "'dev'" not in requirement.replace('"', "'"):
            try:
                versions[name] = version(name)
            except PackageNotFoundError:
                continue
    return versions
