"""Nothing: of the folders on the path of a Python, SegMake leaves those that have a package of this name."""
