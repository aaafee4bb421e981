"""Pages that lack something yet; a test fails where one that stands here has got it."""

# Those without French.
STILL_ENGLISH_ONLY: set[str] = set()
# Those that do not say at their end what the reader sees.
STILL_WITHOUT_END: set[str] = set()
# Those with blocks that are not right, or that do not say what they are.
STILL_UNCHECKED: set[str] = set()
