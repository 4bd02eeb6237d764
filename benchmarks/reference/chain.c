/* sum(exp(-x^2) sin(3x) + log1p(x^2) tanh(x)) and its gradient by hand, in blocks: gcc would turn sin and cos of one argument into
   a scalar sincos, and one loop over several calls into one with spills. */
#include <math.h>
#define R restrict
#define BARRIER asm volatile("" ::: "memory")
enum { B = 512 };

static inline double block(const double* R x, double* R g, long m, int want_value, int want_gradient) {
  double sn[B], cs[B], th[B], lg[B], s = 0;
  for (long i = 0; i < m; i++) sn[i] = sin(3 * x[i]);
  BARRIER;
  if (want_gradient) for (long i = 0; i < m; i++) cs[i] = cos(3 * x[i]);
  BARRIER;
  for (long i = 0; i < m; i++) th[i] = tanh(x[i]);
  BARRIER;
  for (long i = 0; i < m; i++) lg[i] = log1p(x[i] * x[i]);
  BARRIER;
  for (long i = 0; i < m; i++) {
    double v = x[i], q = v * v, e = exp(-q), t = th[i];
    if (want_value) s += e * sn[i] + lg[i] * t;
    if (want_gradient) g[i] = e * (3 * cs[i] - 2 * v * sn[i]) + 2 * v / (1 + q) * t + lg[i] * (1 - t * t);
  }
  return s;
}

#define LOOP(name, v, d)                                                  \
  void name(const double* R x, double* R value, double* R g, long n) {    \
    double s = 0;                                                         \
    for (long j = 0; j < n; j += B) s += block(x + j, g + j, n - j < B ? n - j : B, v, d); \
    *value = s;                                                           \
  }
LOOP(value, 1, 0)
LOOP(gradient, 0, 1)
LOOP(both, 1, 1)
