/* Kalman filter with 4 states and one measurement a step: gradient of the log-likelihood by hand, with recomputation backward. */
#include <math.h>
#include <string.h>
#define R restrict
#define EACH(i) for (int i = 0; i < 4; i++)

static void mm(double* R c, const double* R a, const double* R b) { EACH(i) EACH(j) { double s = 0; EACH(k) s += a[4 * i + k] * b[4 * k + j]; c[4 * i + j] = s; } }
static void mmt(double* R c, const double* R a, const double* R b) { EACH(i) EACH(j) { double s = 0; EACH(k) s += a[4 * i + k] * b[4 * j + k]; c[4 * i + j] = s; } }
static void tmm(double* R c, const double* R a, const double* R b) { EACH(i) EACH(j) { double s = 0; EACH(k) s += a[4 * k + i] * b[4 * k + j]; c[4 * i + j] = s; } }

void kalman(const double* R F, const double* R Q, const double* R H, const double* R x0, const double* R P0, const double* R z,
            double* R Fb, double* R Qb, double* R Hb, double* R tape, long T) {
  double x[4], P[16], A[16], Pp[16], xp[4], g[4], K[4];
  memcpy(x, x0, 32);
  memcpy(P, P0, 128);
  for (long t = 0; t < T; t++) {
    double* r = tape + 20 * t;
    memcpy(r, x, 32);
    memcpy(r + 4, P, 128);
    EACH(i) { xp[i] = 0; EACH(k) xp[i] += F[4 * i + k] * x[k]; }
    mm(A, F, P);
    mmt(Pp, A, F);
    for (int i = 0; i < 16; i++) Pp[i] += Q[i];
    double s = 0.1, e = z[t];
    EACH(i) { g[i] = 0; EACH(k) g[i] += Pp[4 * i + k] * H[k]; s += H[i] * g[i]; e -= H[i] * xp[i]; }
    double inv = 1 / s;
    EACH(i) { K[i] = g[i] * inv; x[i] = xp[i] + K[i] * e; }
    EACH(i) EACH(j) P[4 * i + j] = Pp[4 * i + j] - K[i] * g[j];
  }
  double xb[4] = {0}, Pb[16] = {0}, Fa[16] = {0}, Qa[16] = {0}, Ha[4] = {0};
  for (long t = T - 1; t >= 0; t--) {
    memcpy(x, tape + 20 * t, 32);
    memcpy(P, tape + 20 * t + 4, 128);
    EACH(i) { xp[i] = 0; EACH(k) xp[i] += F[4 * i + k] * x[k]; }
    mm(A, F, P);
    mmt(Pp, A, F);
    for (int i = 0; i < 16; i++) Pp[i] += Q[i];
    double s = 0.1, e = z[t];
    EACH(i) { g[i] = 0; EACH(k) g[i] += Pp[4 * i + k] * H[k]; s += H[i] * g[i]; e -= H[i] * xp[i]; }
    double inv = 1 / s, sb = -0.5 * inv, ib = -0.5 * e * e, eb = -e * inv, gb[4], Kb[4], Ab[16], M[16], nb[4] = {0};
    EACH(i) K[i] = g[i] * inv;
    EACH(i) {
      Kb[i] = xb[i] * e; gb[i] = 0; eb += xb[i] * K[i];
      EACH(j) { Kb[i] -= Pb[4 * i + j] * g[j]; gb[i] -= Pb[4 * j + i] * K[j]; }
    }
    EACH(i) { gb[i] += Kb[i] * inv; ib += Kb[i] * g[i]; }
    sb -= ib * inv * inv;
    EACH(i) { Ha[i] += sb * g[i] - eb * xp[i]; xb[i] -= eb * H[i]; gb[i] += sb * H[i]; }
    EACH(i) EACH(j) { Pb[4 * i + j] += gb[i] * H[j]; Ha[j] += gb[i] * Pp[4 * i + j]; }
    for (int i = 0; i < 16; i++) Qa[i] += Pb[i];
    mm(Ab, Pb, F);
    tmm(M, Pb, A);
    for (int i = 0; i < 16; i++) Fa[i] += M[i];
    mmt(M, Ab, P);
    for (int i = 0; i < 16; i++) Fa[i] += M[i];
    tmm(Pb, F, Ab);
    EACH(i) EACH(j) { Fa[4 * i + j] += xb[i] * x[j]; nb[j] += F[4 * i + j] * xb[i]; }
    memcpy(xb, nb, 32);
  }
  memcpy(Fb, Fa, 128);
  memcpy(Qb, Qa, 128);
  memcpy(Hb, Ha, 32);
}
