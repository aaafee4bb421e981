"""The environments of the users' scripts: section ``environments`` of the config.

Three folders, from bottom to top: `wanted` understands the packages that a user writes down, `solving` finds versions
of them that go together, and `making` makes the environments, tries and removes them. Each is a layer of its own.
"""
