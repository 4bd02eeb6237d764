/* Jacobian of the reprojection error (ADBench's camera: rotation 3, center 3, focal length, principal point 2, distortion 2) by hand. */
#include <math.h>
#define R restrict

static void one(const double* R cam, const double* R pt, double weight, const double* R feature, double* R jc, double* R jx, double* R jw) {
  const double* r = cam;
  double t = sqrt(r[0] * r[0] + r[1] * r[1] + r[2] * r[2]), s = sin(t), c = cos(t), u = 1 - c, w[3], x[3], m[3][3], dr[3][3], y[3];
  for (int i = 0; i < 3; i++) { w[i] = r[i] / t; x[i] = pt[i] - cam[3 + i]; }
  double k[3][3] = {{0, -w[2], w[1]}, {w[2], 0, -w[0]}, {-w[1], w[0], 0}}, dot = w[0] * x[0] + w[1] * x[1] + w[2] * x[2], wx[3];
  for (int i = 0; i < 3; i++) {
    wx[i] = k[i][0] * x[0] + k[i][1] * x[1] + k[i][2] * x[2];
    for (int j = 0; j < 3; j++) m[i][j] = c * (i == j) + s * k[i][j] + u * w[i] * w[j];
    y[i] = c * x[i] + s * wx[i] + u * dot * w[i];
  }
  for (int j = 0; j < 3; j++) { /* dr[i][j]: the derivative of y_i in r_j */
    double dw[3], dd = 0;
    for (int i = 0; i < 3; i++) { dw[i] = ((i == j) - w[i] * w[j]) / t; dd += dw[i] * x[i]; }
    double cx[3] = {dw[1] * x[2] - dw[2] * x[1], dw[2] * x[0] - dw[0] * x[2], dw[0] * x[1] - dw[1] * x[0]};
    for (int i = 0; i < 3; i++)
      dr[i][j] = -s * w[j] * x[i] + c * w[j] * wx[i] + s * cx[i] + dd * u * w[i] + dot * (s * w[j] * w[i] + u * dw[i]);
  }
  double iz = 1 / y[2], p[2] = {y[0] * iz, y[1] * iz}, q = p[0] * p[0] + p[1] * p[1], f = cam[6];
  double l = 1 + cam[9] * q + cam[10] * q * q, dl = cam[9] + 2 * cam[10] * q;
  for (int a = 0; a < 2; a++) {
    double g[2], v[3], *R o = jc + 11 * a;
    for (int b = 0; b < 2; b++) g[b] = weight * f * (l * (a == b) + p[a] * dl * 2 * p[b]);
    v[0] = g[0] * iz; v[1] = g[1] * iz; v[2] = -(g[0] * p[0] + g[1] * p[1]) * iz;
    for (int j = 0; j < 3; j++) {
      o[j] = v[0] * dr[0][j] + v[1] * dr[1][j] + v[2] * dr[2][j];
      double e = v[0] * m[0][j] + v[1] * m[1][j] + v[2] * m[2][j];
      o[3 + j] = -e;
      jx[3 * a + j] = e;
    }
    o[6] = weight * p[a] * l;
    o[7] = a == 0 ? weight : 0;
    o[8] = a == 1 ? weight : 0;
    o[9] = weight * f * p[a] * q;
    o[10] = weight * f * p[a] * q * q;
    jw[a] = p[a] * l * f + cam[7 + a] - feature[a];
  }
}

void bundle(const double* R cams, const double* R points, const double* R weights, const double* R features, double* R jc, double* R jx, double* R jw, long p) {
  for (long i = 0; i < p; i++) one(cams + 11 * i, points + 3 * i, weights[i], features + 2 * i, jc + 22 * i, jx + 6 * i, jw + 2 * i);
}
