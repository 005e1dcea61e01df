"""medpy's time for what the example `speed` measures: HD95 of eight classes, in voxels, on the same volume.

pip install medpy scipy numpy; python speed.py FOLDER [RUNS]
"""
import statistics
import sys
import time

import numpy as np
from medpy.metric.binary import hd95

folder, runs = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3
shape = (150, 512, 512)
truth, prediction = (np.fromfile(f"{folder}/{name}.raw", np.uint8).reshape(shape) for name in ("truth", "prediction"))
seconds = []
for _ in range(runs):
    start = time.perf_counter()
    values = [hd95(prediction == c, truth == c) for c in range(1, 9)]
    seconds.append(time.perf_counter() - start)
for c, value in enumerate(values, 1):
    print(f"class {c}: hd95 {value:.9f} voxels")
print(f"medpy: median {statistics.median(seconds):.2f} s of {runs} runs ({min(seconds):.2f} to {max(seconds):.2f})")
