/* Gaussian mixture log-posterior with Wishart prior (gamma = 1, m = 0): gradient by hand. Points are kept point-major for large d, where
   dgemm does the products, and d-major for small d, where loops over the points do. */
#include <math.h>
#include <string.h>
#define R restrict
typedef void (*gemm_t)(const char*, const char*, const int*, const int*, const int*, const double*, const double*, const int*,
                       const double*, const int*, const double*, double*, const int*);

/* row-major c (m, n) = op(a) op(b) */
static void gemm(gemm_t f, char ta, char tb, long m, long n, long k, const double* a, long la, const double* b, long lb, double* c) {
  double one = 1, zero = 0;
  int M = m, N = n, K = k, A = la, B = lb;
  f(&tb, &ta, &N, &M, &K, &one, b, &B, a, &A, &zero, c, &N);
}

static void factor(const double* R f, double* R q, long d) {
  memset(q, 0, 8 * d * d);
  const double* below = f + d;
  for (long i = 0; i < d; i++) {
    for (long j = 0; j < i; j++) q[i * d + j] = *below++;
    q[i * d + i] = exp(f[i]);
  }
}

/* xc = x - mean, y = xc q^T, out = squares of the rows of y */
static void rows(gemm_t f, const double* R x, const double* R mean, const double* R q, double* R xc, double* R y, double* R out, long d, long n) {
  if (d >= 16) {
    for (long i = 0; i < n; i++) for (long j = 0; j < d; j++) xc[i * d + j] = x[i * d + j] - mean[j];
    gemm(f, 'N', 'T', n, d, d, xc, d, q, d, y);
    for (long i = 0; i < n; i++) { double s = 0; for (long j = 0; j < d; j++) s += y[i * d + j] * y[i * d + j]; out[i] = s; }
    return;
  }
  for (long j = 0; j < d; j++) for (long i = 0; i < n; i++) xc[j * n + i] = x[i * d + j] - mean[j];
  for (long i = 0; i < n; i++) out[i] = 0;
  for (long a = 0; a < d; a++) {
    double* R ya = y + a * n;
    for (long i = 0; i < n; i++) ya[i] = 0;
    for (long b = 0; b <= a; b++) { double w = q[a * d + b]; const double* R xb = xc + b * n; for (long i = 0; i < n; i++) ya[i] += w * xb[i]; }
    for (long i = 0; i < n; i++) out[i] += ya[i] * ya[i];
  }
}

/* dq = -(w y)^T xc, sums of w y; y is overwritten by w y */
static void back(gemm_t f, double* R y, const double* R xc, const double* R w, double* R dq, double* R wy, long d, long n) {
  for (long a = 0; a < d; a++) wy[a] = 0;
  if (d >= 16) {
    for (long i = 0; i < n; i++) for (long a = 0; a < d; a++) { y[i * d + a] *= w[i]; wy[a] += y[i * d + a]; }
    gemm(f, 'T', 'N', d, d, n, y, d, xc, d, dq);
    return;
  }
  for (long a = 0; a < d; a++) {
    double* R ya = y + a * n; double s = 0;
    for (long i = 0; i < n; i++) { ya[i] *= w[i]; s += ya[i]; }
    wy[a] = s;
    for (long b = 0; b <= a; b++) { const double* R xb = xc + b * n; double t = 0; for (long i = 0; i < n; i++) t += ya[i] * xb[i]; dq[a * d + b] = t; }
  }
}

void gmm(gemm_t f, const double* R alphas, const double* R means, const double* R factors, const double* R x, double* R da,
         double* R dm, double* R df, double* R work, long d, long k, long n) {
  double *y = work, *w = y + k * n * d, *xc = w + k * n, *q = xc + n * d, *dq = q + d * d, *top = dq + d * d, *sum = top + n, *wy = sum + n;
  long p = d + d * (d - 1) / 2;
  for (long c = 0; c < k; c++) {
    const double* R fc = factors + c * p; double base = alphas[c]; double* R wc = w + c * n;
    for (long j = 0; j < d; j++) base += fc[j];
    factor(fc, q, d);
    rows(f, x, means + c * d, q, xc, y + c * n * d, wc, d, n);
    for (long i = 0; i < n; i++) wc[i] = base - 0.5 * wc[i];
  }
  for (long i = 0; i < n; i++) { top[i] = w[i]; sum[i] = 0; }
  for (long c = 1; c < k; c++) for (long i = 0; i < n; i++) top[i] = fmax(top[i], w[c * n + i]);
  for (long c = 0; c < k; c++) for (long i = 0; i < n; i++) { w[c * n + i] = exp(w[c * n + i] - top[i]); sum[i] += w[c * n + i]; }
  for (long i = 0; i < n; i++) sum[i] = 1 / sum[i];
  double highest = alphas[0], total = 0;
  for (long c = 1; c < k; c++) highest = fmax(highest, alphas[c]);
  for (long c = 0; c < k; c++) total += exp(alphas[c] - highest);
  for (long c = 0; c < k; c++) {
    const double* R fc = factors + c * p; double* R wc = w + c * n; double mass = 0, *R out = df + c * p, *R below = out + d;
    for (long i = 0; i < n; i++) { wc[i] *= sum[i]; mass += wc[i]; }
    factor(fc, q, d);
    if (d >= 16) for (long i = 0; i < n; i++) for (long j = 0; j < d; j++) xc[i * d + j] = x[i * d + j] - means[c * d + j];
    else for (long j = 0; j < d; j++) for (long i = 0; i < n; i++) xc[j * n + i] = x[i * d + j] - means[c * d + j];
    back(f, y + c * n * d, xc, wc, dq, wy, d, n);
    da[c] = mass - n * exp(alphas[c] - highest) / total;
    for (long j = 0; j < d; j++) { double s = 0; for (long a = j; a < d; a++) s += wy[a] * q[a * d + j]; dm[c * d + j] = s; }
    for (long i = 0; i < d; i++) {
      for (long j = 0; j < i; j++) *below++ = q[i * d + j] - dq[i * d + j];
      out[i] = mass + (q[i * d + i] - dq[i * d + i]) * q[i * d + i];
    }
  }
}
