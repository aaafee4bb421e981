"""What programs call the files that they make from images."""

from __future__ import annotations

# What programs call the files that they make from an image, by what these hold.
WORDS = {
    "labels": {
        *("mask", "masks", "seg", "segmentation", "segmented", "label", "labels", "labeled"),
        *("labelled", "lbl", "lbls", "identities", "instance", "instances", "object", "objects"),
        *("watershed", "stardist", "cellpose", "omnipose", "binary", "bw", "annotation"),
        *("annotations", "gt", "truth", "prediction", "predictions", "pred"),
    },
    "maps": {
        *("flows", "prob", "probs", "probability", "probabilities", "cellprob", "uncertainty"),
        *("features", "prediction", "predictions", "pred"),
    },
    "outlines": {
        *("outline", "outlines", "overlay", "overlays", "contour", "contours", "boundary"),
        "boundaries",
    },
    "thumbnails": {"thumb", "preview", "previews"},
}

# Labels have many names, and programs join them to others, as in `flows_cp_masks`.
OWN_WORDS = {kind: words - WORDS["labels"] for kind, words in WORDS.items()}

# What may be kept in numbers as images have them, and has words that mean nothing else.
CERTAIN = {"flows", "prob", "probs", "probability", "probabilities", "cellprob", "uncertainty"}
