"""The fixtures of these tests."""

from tests.projects import project

__all__ = ["project"]
