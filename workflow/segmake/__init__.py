"""SegMake: from a folder of microscope images to cell masks, tables, pictures and a report."""

__version__ = "0.2.0"
