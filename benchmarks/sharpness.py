"""How much decoding large photos at a smaller scale changes their crops."""

from pathlib import Path

import cv2
import numpy as np

from imdb_wiki.images.pixels import decode, encode, square


def sharpness(mat_path: Path, size: int, quality: int, limit: int = 1_000) -> None:
    """Our crops against decoding at full scale and area interpolation."""
    values: dict[str, list] = {"full": [], "reduced": []}
    for path in sorted(mat_path.parent.rglob("*.jpg"))[:limit]:
        full = cv2.imread(str(path))
        if full is None or max(full.shape) <= size:
            continue
        decoded = decode(path.read_bytes(), size)
        scale = max(full.shape) / size
        height, width = (round(side / scale) for side in full.shape[:2])
        top, left = (size - height) // 2, (size - width) // 2
        ours = square(decoded, size)[top : top + height, left : left + width]  # not the padding
        area = cv2.resize(full, (width, height), interpolation=cv2.INTER_AREA)
        stored = cv2.imdecode(encode(area, quality), cv2.IMREAD_COLOR)
        assert stored is not None, "it has just been encoded"
        energy = [cv2.Laplacian(image, cv2.CV_32F).var() for image in (ours, area)]
        kind = "full" if decoded.shape == full.shape else "reduced"
        values[kind].append(
            (
                *(cv2.PSNR(ours, area), cv2.PSNR(stored, area)),
                *(similarity(ours, area), similarity(stored, area)),
                energy[0] / energy[1],
            )
        )
    print("larger photos against full scale and area interpolation, medians")
    print(f"{'':<44}{'PSNR':>8}{'SSIM':>8}{'high frequencies':>18}")
    for kind, rows in values.items():
        if not rows:
            continue
        psnr, stored_psnr, ssim, stored_ssim, high = np.median(rows, axis=0)
        name = f"  {len(rows)} decoded at {kind} scale"
        print(f"{name:<44}{psnr:>5.1f} dB{ssim:>8.4f}{high:>18.2f}")
        print(f"{'  their JPEG encoding alone':<44}{stored_psnr:>5.1f} dB{stored_ssim:>8.4f}")


def similarity(one: np.ndarray, other: np.ndarray) -> float:
    """Mean structural similarity of two pictures' grey values (Wang et al., 2004)."""

    def blurred(image: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(image, (11, 11), 1.5)

    x, y = (cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(np.float32) for image in (one, other))
    mean_x, mean_y = blurred(x), blurred(y)
    variances = blurred(x * x) - mean_x**2 + blurred(y * y) - mean_y**2
    covariance = blurred(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    numerator = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    return float((numerator / ((mean_x**2 + mean_y**2 + c1) * (variances + c2))).mean())
