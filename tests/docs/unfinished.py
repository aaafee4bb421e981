"""Pages that lack something yet; a test fails where one that stands here has got it."""

# Those without French.
STILL_ENGLISH_ONLY = {
    "README.md",
    "docs/developers/architecture.md",
    "docs/how-to/corrections.md",
    "docs/how-to/module.md",
    "docs/reference/cluster.md",
    "docs/reference/common-packages.md",
    "docs/reference/environment-builder.md",
    "docs/reference/environments.md",
    "docs/reference/formats.md",
    "docs/reference/licences.md",
    "docs/reference/results.md",
    "docs/reference/scripts.md",
    "docs/reference/tracking.md",
}
# Those that do not say at their end what the reader sees.
STILL_WITHOUT_END = {
    f"docs/how-to/{name}{language}.md"
    for name in ("experiments", "jupyter", "page", "remote", "updates")
    for language in ("", ".fr")
} | {"docs/how-to/corrections.md", "docs/how-to/module.md"}
# Those with blocks that are not right, or that do not say what they are.
STILL_UNCHECKED = {
    "docs/administrators/site.fr.md",
    "docs/administrators/site.md",
    "docs/reference/environment-builder.md",
    "docs/reference/environments.md",
    "docs/reference/scripts.md",
}
