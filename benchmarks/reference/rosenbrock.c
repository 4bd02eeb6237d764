/* Rosenbrock's function by hand: gradient in one pass, Hessian times vector, dense Hessian. x has n numbers. */
#define R restrict

void gradient(const double* R x, double* R g, long n) {
  double d = x[1] - x[0] * x[0];
  g[0] = -400 * d * x[0] - 2 * (1 - x[0]);
  for (long i = 1; i < n - 1; i++) {
    double d = x[i + 1] - x[i] * x[i], p = x[i] - x[i - 1] * x[i - 1];
    g[i] = -400 * d * x[i] - 2 * (1 - x[i]) + 200 * p;
  }
  g[n - 1] = 200 * (x[n - 1] - x[n - 2] * x[n - 2]);
}

static inline double diagonal(const double* R x, long i) { return 1200 * x[i] * x[i] - 400 * x[i + 1] + 2; }

void product(const double* R x, const double* R v, double* R out, long n) {
  out[0] = diagonal(x, 0) * v[0] - 400 * x[0] * v[1];
  for (long i = 1; i < n - 1; i++)
    out[i] = (diagonal(x, i) + 200) * v[i] - 400 * x[i] * v[i + 1] - 400 * x[i - 1] * v[i - 1];
  out[n - 1] = 200 * v[n - 1] - 400 * x[n - 2] * v[n - 2];
}

void hessian(const double* R x, double* R h, long n) {
  for (long i = 0; i < n * n; i++) h[i] = 0;
  for (long i = 0; i < n - 1; i++) {
    h[i * n + i] = diagonal(x, i) + (i ? 200 : 0);
    h[i * n + i + 1] = h[(i + 1) * n + i] = -400 * x[i];
  }
  h[n * n - 1] = 200;
}
