"""Makes expected.json: what scipy's zoom and rotate do for every small shape, and where they look at the usual sizes.

pip install numpy scipy; python generate.py (writes beside itself; the file is committed)
"""
import json
import os

import numpy as np
import scipy
import scipy.ndimage as ndi

SMALL = {"from": [1, 2, 3, 5], "to": [1, 2, 4, 7]}
SIZES_IN = [*range(1, 25), 154, 160, 192, 216, 224, 256, 257, 428, 512]
SIZES_OUT = [*range(1, 25), 56, 64, 128, 160, 192, 224, 256, 257, 512]
ROTATED = [(1, 1), (1, 20), (20, 1), (2, 3), (31, 31), (32, 32), (216, 256), (257, 257)]


def fnv(values):
    """FNV-1a (64 bits) over little-endian 64-bit integers."""
    state = 0xCBF29CE484222325
    for byte in np.asarray(values, dtype="<i8").tobytes():
        state = ((state ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return f"{state:016x}"


def image(rows, cols):
    return np.array([[(7 * i + 13 * j) % 11 / 8 - 0.5 for j in range(cols)] for i in range(rows)], np.float32)


def zoom(array, to, order):
    return ndi.zoom(array, [b / a for a, b in zip(array.shape, to)], order=order)


cubic = {}
for rows in SMALL["from"]:
    for cols in SMALL["from"]:
        for to_rows in SMALL["to"]:
            for to_cols in SMALL["to"]:
                zoomed = zoom(image(rows, cols), (to_rows, to_cols), 3)
                assert zoomed.shape == (to_rows, to_cols)
                cubic[f"{rows}x{cols}_to_{to_rows}x{to_cols}"] = [round(float(v), 8) for v in zoomed.ravel()]

# The source of each output pixel, -1 where scipy writes 0, for all sizes after one another.
nearest = {}
for n in SIZES_IN:
    line = np.arange(1, n + 1, dtype=np.float64)
    nearest[str(n)] = fnv(np.concatenate([zoom(line, [m], 0) - 1 for m in SIZES_OUT]))

rotate = {}
for rows, cols in ROTATED:
    places = np.arange(1, rows * cols + 1, dtype=np.float64).reshape(rows, cols)
    for angle in range(-20, 20):
        turned = ndi.rotate(places, angle, order=0, reshape=False) - 1
        rotate[f"{rows}x{cols}_by_{angle}"] = fnv(turned.ravel())

with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "expected.json"), "w") as file:
    found = {"scipy": scipy.__version__, "sizes_out": SIZES_OUT, "cubic": cubic, "nearest": nearest, "rotate": rotate}
    json.dump(found, file, separators=(",", ":"))
    file.write("\n")
