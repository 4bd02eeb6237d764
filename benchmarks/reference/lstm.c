/* LSTM with 64 units, gradient of sum(h^2) by hand: big products by dgemm, those with one or two rows by loops; and the products
   alone. Gates: input, forget, output, update. */
#include <math.h>
#include <string.h>
#define R restrict
typedef void (*gemm_t)(const char*, const char*, const int*, const int*, const int*, const double*, const double*, const int*,
                       const double*, const int*, const double*, double*, const int*);
enum { H = 64, G = 256 };

static void gemm(gemm_t f, char ta, char tb, int m, int n, int k, const double* a, int la, const double* b, int lb, double beta, double* c) {
  double one = 1;
  f(&tb, &ta, &n, &m, &k, &one, b, &lb, a, &la, &beta, c, &n);
}

static void forward_product(gemm_t f, long B, const double* h, const double* R Wh, double* R z) {
  if (B > 2) { gemm(f, 'N', 'N', B, G, H, h, H, Wh, G, 1, z); return; }
  for (int b = 0; b < B; b++) for (int k = 0; k < H; k++) for (int j = 0; j < G; j++) z[b * G + j] += h[b * H + k] * Wh[k * G + j];
}

static void backward_product(gemm_t f, long B, const double* d, const double* R Wh, double* R dh) {
  if (B > 2) { gemm(f, 'N', 'T', B, H, G, d, G, Wh, G, 0, dh); return; }
  for (int b = 0; b < B; b++) for (int k = 0; k < H; k++) {
    double a = 0;
    for (int j = 0; j < G; j++) a += d[b * G + j] * Wh[k * G + j];
    dh[b * H + k] = a;
  }
}

/* one step forward for one row: gates in place, new c, h, and tanh(c) */
static void step(double* R q, const double* R c0, double* R c1, double* R h1, double* R tt) {
  for (int j = 0; j < 3 * H; j++) q[j] = 1 / (1 + exp(-q[j]));
  for (int j = 3 * H; j < G; j++) q[j] = tanh(q[j]);
  for (int j = 0; j < H; j++) {
    c1[j] = q[H + j] * c0[j] + q[j] * q[3 * H + j];
    tt[j] = tanh(c1[j]);
    h1[j] = q[2 * H + j] * tt[j];
  }
}

static void back(const double* R q, const double* R c0, const double* R h1, const double* R tt, double* R d, const double* R eh, double* R ec) {
  for (int j = 0; j < H; j++) {
    double a = eh[j] + 2 * h1[j], i = q[j], g = q[H + j], o = q[2 * H + j], u = q[3 * H + j], e = ec[j] + a * o * (1 - tt[j] * tt[j]);
    d[j] = e * u * i * (1 - i);
    d[H + j] = e * c0[j] * g * (1 - g);
    d[2 * H + j] = a * tt[j] * o * (1 - o);
    d[3 * H + j] = e * i * (1 - u * u);
    ec[j] = e * g;
  }
}

void lstm(gemm_t f, const double* R Wx, const double* R Wh, const double* R bias, const double* R X, double* R dWx, double* R dWh,
          double* R db, double* R ws, long B, long T) {
  long n = B * H;
  double *S = ws, *hs = S + T * B * G, *cs = hs + (T + 1) * n, *tc = cs + (T + 1) * n, *D = tc + T * n, *dh = D + T * B * G, *dc = dh + n;
  for (long r = 0; r < T * B; r++) memcpy(S + r * G, bias, 8 * G);
  gemm(f, 'N', 'N', T * B, G, H, X, H, Wx, G, 1, S);
  memset(hs, 0, 8 * n);
  memset(cs, 0, 8 * n);
  for (long t = 0; t < T; t++) {
    forward_product(f, B, hs + t * n, Wh, S + t * B * G);
    for (int b = 0; b < B; b++)
      step(S + (t * B + b) * G, cs + t * n + b * H, cs + (t + 1) * n + b * H, hs + (t + 1) * n + b * H, tc + t * n + b * H);
  }
  memset(dh, 0, 8 * n);
  memset(dc, 0, 8 * n);
  for (long t = T - 1; t >= 0; t--) {
    double* d0 = D + t * B * G;
    for (int b = 0; b < B; b++)
      back(S + (t * B + b) * G, cs + t * n + b * H, hs + (t + 1) * n + b * H, tc + t * n + b * H, d0 + b * G, dh + b * H, dc + b * H);
    backward_product(f, B, d0, Wh, dh);
  }
  gemm(f, 'T', 'N', H, G, T * B, X, H, D, G, 0, dWx);
  gemm(f, 'T', 'N', H, G, T * B, hs, H, D, G, 0, dWh);
  for (int j = 0; j < G; j++) db[j] = 0;
  for (long r = 0; r < T * B; r++) for (int j = 0; j < G; j++) db[j] += D[r * G + j];
}

void products(gemm_t f, const double* R Wx, const double* R Wh, const double* R bias, const double* R X, double* R dWx, double* R dWh,
              double* R db, double* R ws, long B, long T) {
  long n = B * H;
  double *S = ws, *hs = S + T * B * G, *D = hs + (T + 1) * n, *dh = D + T * B * G;
  gemm(f, 'N', 'N', T * B, G, H, X, H, Wx, G, 0, S);
  for (long t = 0; t < T; t++) gemm(f, 'N', 'N', B, G, H, hs + t * n, H, Wh, G, 1, S + t * B * G);
  for (long t = T - 1; t >= 0; t--) gemm(f, 'N', 'T', B, H, G, D + t * B * G, G, Wh, G, 0, dh);
  gemm(f, 'T', 'N', H, G, T * B, X, H, D, G, 0, dWx);
  gemm(f, 'T', 'N', H, G, T * B, hs, H, D, G, 0, dWh);
}
