"""Gaussian blur by matrices against SciPy's filter."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from reportgen.metrics.gaussian_blur import gaussian_blur


@pytest.mark.parametrize("mode", ["reflect", "constant"])
@pytest.mark.parametrize(("sigma", "truncate"), [(2.5, 4.0), (30.0, 6.0)])
@pytest.mark.parametrize("shape", [(24, 17), (3, 1, 40)])
def test_blur_equals_that_of_scipy(shape: tuple[int, ...], sigma: float, truncate: float, mode: str) -> None:
    planes = np.random.default_rng(0).normal(size=shape)
    found = gaussian_blur(planes, sigma, mode, truncate)
    sigmas = (*(0.0,) * (len(shape) - 2), sigma, sigma)
    np.testing.assert_allclose(found, gaussian_filter(planes, sigmas, mode=mode, truncate=truncate), atol=1e-12)
