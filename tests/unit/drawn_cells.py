"""Cells of known size, drawn so that a pixel is in if its centre is."""

from __future__ import annotations

import numpy as np


def draw_rod(
    length: float,
    width: float,
    angle: float = 0.0,
    offset: tuple[float, float] = (0.0, 0.0),
    bend: float = 0.0,
) -> np.ndarray:
    """Draw a tube with round ends.

    Parameters
    ----------
    length, width : float
        In pixels, the length along the tube from tip to tip.
    angle : float
        In degrees, of the tube in its middle, anticlockwise as seen on the screen.
    offset : pair of float
        Of the middle from a pixel's centre, down and to the right.
    bend : float
        In degrees: the tube is an arc of so much of a circle.

    Returns
    -------
    array (Y, X), bool
        With the tube in its middle.
    """
    half = int(np.ceil(length / 2)) + 3
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(float)
    y, x = y - offset[0], x - offset[1]
    turn = np.deg2rad(angle)
    along, across = x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)
    straight, arc = length - width, np.deg2rad(bend)
    if not bend:
        beyond = np.maximum(np.abs(along) - straight / 2, 0)
        return np.hypot(beyond, across) <= width / 2
    radius = straight / arc
    around = np.arctan2(along, radius - across)
    on_arc = np.abs(np.hypot(along, radius - across) - radius) <= width / 2
    drawn = on_arc & (np.abs(around) <= arc / 2)
    for side in (-1, 1):
        end = side * radius * np.sin(arc / 2), radius * (1 - np.cos(arc / 2))
        drawn |= np.hypot(along - end[0], across - end[1]) <= width / 2
    return drawn


def draw_disc(diameter: float, offset: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
    """Draw a disc: array (Y, X), bool, with the disc in its middle, as `draw_rod` does."""
    return draw_rod(diameter, diameter, offset=offset)
