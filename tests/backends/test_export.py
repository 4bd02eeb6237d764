"""Kernels for others: SciPy's integrators and C programs.

What comes in: kernels written by hand. What goes out: integrals, and what a C program prints that knows no Python.
"""

from __future__ import annotations

import gc
import math
import shutil
import subprocess
from types import SimpleNamespace

import pytest
from kernels import GRADIENT, array

from wengert.backends.compiled.export import low_level_callable, write_c
from wengert.errors import InputError, UnsupportedError

# exp(-a x), through the workspace; status 1 for x above 50
DECAY = """
declare double @exp(double)
define i64 @kernel(ptr %in, ptr %out, ptr %env) {
  %xp = load ptr, ptr %in
  %x = load double, ptr %xp
  %ap_p = getelementptr ptr, ptr %in, i64 1
  %ap = load ptr, ptr %ap_p
  %a = load double, ptr %ap
  %m = fmul double %a, %x
  %n = fneg double %m
  %e = call double @exp(double %n)
  %w = load ptr, ptr %env
  store double %e, ptr %w
  %e2 = load double, ptr %w
  %y = load ptr, ptr %out
  store double %e2, ptr %y
  %far = fcmp ogt double %x, 50.0
  %status = zext i1 %far to i64
  ret i64 %status
}
"""
NUMBER = array()


def compiled(text, **options):
    return SimpleNamespace(**{"text": text, "symbols": {}, "hosts": 0, **options})


def test_quad():
    from scipy.integrate import IntegrationWarning, quad
    f = low_level_callable(compiled(DECAY), [NUMBER, NUMBER], [NUMBER], workspace=8)
    gc.collect()
    for a in (1.0, 2.0):
        assert quad(f, 0, 3, args=(a,))[0] == pytest.approx((1 - math.exp(-3 * a)) / a, rel=1e-12)
    with pytest.warns(IntegrationWarning):
        assert math.isnan(quad(f, 60, 61, args=(1.0,))[0])
    with pytest.raises(InputError, match="numbers"):
        low_level_callable(compiled(GRADIENT), [array(2)], [array(2)])
    with pytest.raises(UnsupportedError, match="Python"):
        low_level_callable(compiled(DECAY, hosts=1), [NUMBER, NUMBER], [NUMBER])


C = """
#include <stdio.h>
#include "slope.h"
#include "decay.h"
int main(void) {
    double x[2] = {1.2, 1.0}, g[2], t = 2.0, a = 0.5, far = 60.0, y, z;
    if (slope(x, g)) return 1;
    if (decay(&t, &a, &y)) return 2;
    printf("%.17g %.17g %.17g %d\\n", g[0], g[1], y, (int)decay(&far, &a, &z));
    return 0;
}
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_a_c_program(tmp_path):
    from kernels import gradient
    header, made = write_c(compiled(GRADIENT), [array(2)], [array(2)], "slope", tmp_path)
    assert "int64_t slope(const double *x0 /* [2] */, double *y0 /* [2] */);" in header.read_text() and made.stat().st_size
    write_c(compiled(DECAY), [NUMBER, NUMBER], [NUMBER], "decay", tmp_path, workspace=8)
    (tmp_path / "main.c").write_text(C)
    subprocess.run(["cc", "main.c", "slope.o", "decay.o", "-Wall", "-Werror", "-lm", "-o", "main"], cwd=tmp_path, check=True,
                   timeout=60)
    out = subprocess.run([tmp_path / "main"], capture_output=True, text=True, check=True, timeout=60).stdout.split()
    assert [float(x) for x in out[:2]] == pytest.approx(gradient([1.2, 1.0]).tolist(), rel=1e-14)
    assert float(out[2]) == pytest.approx(math.exp(-1), rel=1e-15) and out[3] == "1"
    with pytest.raises(InputError, match="no name"):
        write_c(compiled(GRADIENT), [array(2)], [array(2)], "2 slopes", tmp_path)
    with pytest.raises(UnsupportedError, match="dgemm"):
        write_c(compiled(GRADIENT, symbols={"dgemm": 1}), [array(2)], [array(2)], "f", tmp_path)
