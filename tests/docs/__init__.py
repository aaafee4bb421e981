"""Tests of the docs: both languages have the same, what is typed is run or checked, the site is whole."""
