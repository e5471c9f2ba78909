"""Write the tables of this recipe from scikit-learn's digits: labels, and features of a weak and of a strong model.

    .venv/bin/python recipes/digits-features/make_features.py [FOLDER]

1,797 images of 8 x 8 pixels. The strong model sees all of them, the weak one a window of 4 x 4 in the middle. FOLDER is
`features` beside this file unless it is given.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.datasets import load_digits

WINDOW = slice(2, 6)


def main(folder: Path) -> None:
    """Write `labels.parquet`, `weak.parquet` and `strong.parquet`."""
    folder.mkdir(parents=True, exist_ok=True)
    digits = load_digits()
    images, ids = np.asarray(digits.images, np.float32), [f"digit{i:04d}" for i in range(len(digits.images))]
    pq.write_table(pa.table({"id": ids, "label": np.asarray(digits.target)}), folder / "labels.parquet")
    for name, seen in (("weak", images[:, WINDOW, WINDOW]), ("strong", images)):
        pixels = seen.reshape(len(images), -1)
        columns = {f"pixel{place}": pixels[:, place] for place in range(pixels.shape[1])}
        pq.write_table(pa.table({"id": ids, **columns}), folder / f"{name}.parquet")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "features")
