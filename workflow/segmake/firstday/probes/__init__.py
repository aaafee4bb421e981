"""Scripts that the day runs on nodes, or with the Python of an engine; they import nothing of SegMake, unless said."""
