"""The pictures of other programs that show results: ImageJ, whose menus are Fiji's, and napari.

ImageJ is Debian's package `imagej`. napari is looked for in the environment that NAPARI names:

    python -m venv FOLDER && FOLDER/bin/pip install "napari[pyqt5]" && export NAPARI=FOLDER
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, ImageGrab

from tests.docs.pictures.images import save

IMAGEJ = Path("/usr/share/java/ij.jar")
_SIZE = (1290, 680)
_STARTS_S, _MOST_S = 6, 60

_MACRO = """
open("{image}");
run("Enhance Contrast", "saturated=0.35");
setLocation(0, 110, 540, 570);
roiManager("Open", "{rois}");
roiManager("Show All without labels");
open("{mask}");
run("3-3-2 RGB");
setLocation(745, 110, 540, 570);
"""

_NAPARI = """
import sys, warnings
warnings.simplefilter("ignore")
import napari, tifffile
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QTimer
image, mask, path = sys.argv[1:]
viewer = napari.Viewer()
viewer.window.resize(1100, 700)
for adds, file in ((viewer.add_image, image), (viewer.add_labels, mask)):
    adds(tifffile.imread(file), name=file.rpartition("/")[2].partition(".")[0])
def take():
    notification_manager.records.clear()
    for note in viewer.window._qt_viewer.findChildren(__import__("qtpy.QtWidgets").QtWidgets.QWidget):
        if type(note).__name__ == "NapariQtNotification":
            note.close()
    viewer.window.screenshot(path, canvas_only=False, flash=False)
    viewer.close()
QTimer.singleShot(5000, take)
napari.run()
"""


def why_no_imagej() -> str | None:
    """Return why ImageJ can't be shown here, or None."""
    missing = [name for name in ("java", "Xvfb", "openbox") if not shutil.which(name)]
    if not IMAGEJ.exists():
        missing.append("imagej")
    return f"missing: {', '.join(missing)}" if missing else None


def take(folder: Path, experiment: Path, name: str) -> None:
    """Show an image of an experiment, and what was found in it.

    Parameters
    ----------
    folder : Path
        For the pictures.
    experiment : Path
    name : str
        Of the image's file.
    """
    short = name.partition(".")[0]
    results = experiment / "results"
    image = experiment / "images" / name
    mask, rois = results / f"masks/{short}_masks.ome.tif", results / f"rois/{short}_rois.zip"
    if reason := why_no_imagej():
        print(f"no picture of ImageJ: {reason}")
    else:
        save(_imagej(_MACRO.format(image=image, mask=mask, rois=rois)), folder / "fiji.png")
    if not (napari := os.environ.get("NAPARI")):
        print("no picture of napari: NAPARI names no environment")
    else:
        made = Path("/mnt/napari.png")
        with _display() as display:
            words = [f"{napari}/bin/python", "-c", _NAPARI, str(image), str(mask), str(made)]
            own = {**os.environ, "DISPLAY": display, "HOME": "/mnt"}
            subprocess.run(
                words, env=own, check=True, timeout=_MOST_S * 3, stderr=subprocess.DEVNULL
            )
        save(made.read_bytes(), folder / "napari.png")


def _imagej(macro: str) -> Image.Image:
    file = Path("/mnt/show.ijm")
    file.write_text(macro)
    with _display() as display:
        own = {**os.environ, "DISPLAY": display, "HOME": "/mnt"}
        words = ("java", "-Xmx700m", "-jar", str(IMAGEJ), "-macro", str(file))
        process = subprocess.Popen(
            words, env=own, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            return _still(display)
        finally:
            process.kill()


def _still(display: str) -> Image.Image:
    """Return the screen once nothing has moved on it for a while."""
    end = time.monotonic() + _MOST_S
    before, since = None, time.monotonic()
    while time.monotonic() < end:
        time.sleep(1)
        now = ImageGrab.grab(xdisplay=display)
        if before is None or now.tobytes() != before.tobytes():
            before, since = now, time.monotonic()
        elif time.monotonic() - since > _STARTS_S and now.getcolors(2) is None:
            break
    assert before
    return before


@contextmanager
def _display() -> Iterator[str]:
    """Start a screen that nobody sees, with a window manager."""
    display = ":77"
    size = f"{_SIZE[0]}x{_SIZE[1]}x24"
    screen = subprocess.Popen(
        ["Xvfb", display, "-screen", "0", size, "-ac"], stderr=subprocess.DEVNULL
    )
    own = {**os.environ, "DISPLAY": display, "HOME": "/mnt"}
    time.sleep(1)
    manager = subprocess.Popen(["openbox"], env=own, stderr=subprocess.DEVNULL)
    try:
        yield display
    finally:
        manager.terminate()
        screen.terminate()
        screen.wait(timeout=20)


if __name__ == "__main__":
    take(*map(Path, sys.argv[1:3]), sys.argv[3])
