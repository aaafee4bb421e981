"""The fixtures of these tests."""

from tests.conda import conda, conda_project
from tests.projects import project

__all__ = ["conda", "conda_project", "project"]
