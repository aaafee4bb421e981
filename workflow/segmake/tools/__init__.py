"""What the project itself is kept with; it is in no wheel.

`reference` writes the pages that are made from the schema, the messages and other tables, `drawing` draws the layers
of the package. `brought` and `catalogue_imports` ask the registry, and the packages themselves, what is noted of
them.

The highest layer: it may import all others.

>>> from segmake.tools.drawing import layers
>>> from segmake.tools.reference import messages_page, shown_placeholder
>>> layers()[-2:]
['core', 'messages']
>>> page = messages_page("en")
>>> page.count("### SM-IMG-002"), page.count("### Traceback")
(1, 0)
>>> shown_placeholder("SM-DIR-001", "folder", "fr")
'dossier'
"""
