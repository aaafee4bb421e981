"""The file that an institute hands out: what ``segmake site export`` wrote, read on users' own computers."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segmake.core.files import error_line
from segmake.core.site_paths import Share, shares_of
from segmake.messages import Problem, say
from segmake.messages.locations import location

# What uv documents as its installer's address.
UV = "https://astral.sh/uv"


@dataclass(frozen=True)
class HandedOut:
    """What an institute says of its login node.

    Attributes
    ----------
    settings : dict
        As ``site.schema.yaml`` has them; empty where no file was handed out.
    """

    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def host(self) -> str:
        """The login node's name."""
        return self._login("host")

    @property
    def host_keys(self) -> tuple[str, ...]:
        """Its keys, as lines of ``known_hosts``."""
        written = self._login("host_key") or ()
        lines = [written] if isinstance(written, str) else written
        return tuple(line for text in lines for line in text.splitlines() if line.strip())

    @property
    def user_name(self) -> str:
        """What a user's name looks like there, in words."""
        return self._login("user_name")

    @property
    def program(self) -> str:
        """SegMake's program there."""
        return self._login("program")

    @property
    def experiments(self) -> str:
        """The folder for a user's experiments there, perhaps with variables such as ``$USER``."""
        return self._login("experiments")

    @property
    def shares(self) -> list[Share]:
        """How folders of the cluster are called on users' computers."""
        return shares_of(self.settings.get("paths"))

    @property
    def contact(self) -> str:
        """Whom to ask."""
        return self.settings.get("contact") or ""

    def address(self, name: str) -> str:
        """Return where something comes from: ``segmake``, ``package`` or ``uv``; empty where it is not said."""
        addresses = self.settings.get("addresses") or {}
        return addresses.get(name) or (UV if name == "uv" else "")

    def _login(self, name: str) -> Any:
        return (self.settings.get("login") or {}).get(name) or ""


def read_handed_out(path: Path) -> HandedOut:
    """Return what a file says that an institute handed out; what a later version has in it is passed over.

    Raises
    ------
    Problem
        ``SM-REM-031`` if it can't be read, or is no such file.
    """
    from jsonschema import Draft202012Validator
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    from segmake.config.yaml_faults import fault_of, fault_of_value
    from segmake.core.site import schema

    text = ""
    try:
        text = path.read_text(encoding="utf-8-sig")
        settings = YAML(typ="safe").load(text)
    except MarkedYAMLError as error:
        line, fault = fault_of(error, text)
        raise Problem("SM-REM-031", where=location(path, line), error=fault) from error
    except YAMLError as error:
        fault = fault_of_value(error, text)
        raise Problem("SM-REM-031", where=str(path), error=fault) from error
    except OSError as error:
        raise Problem("SM-REM-031", where=str(path), error=error_line(error)) from error
    except ValueError as error:
        # Such as a picture.
        raise Problem("SM-REM-031", where=str(path), error=say("yaml.no_text")) from error
    for fault in Draft202012Validator(schema()).iter_errors(settings):
        if fault.validator != "additionalProperties":
            key = ".".join(map(str, fault.absolute_path)) or path.name
            raise Problem("SM-REM-031", where=str(path), error=key)
    if not settings.keys() & {"login", "paths"}:
        raise Problem("SM-REM-031", where=str(path), error="login?")
    return HandedOut(settings)
