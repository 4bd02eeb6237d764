/* x = 0.9 sin x + 0.1 x, k times on 100 numbers, and the gradient of the sum by hand. */
#include <math.h>
#define R restrict
enum { N = 100 };

void steps(const double* R x, double* R g, double* R tape, long k) {
  for (long i = 0; i < N; i++) tape[i] = x[i];
  for (long t = 0; t < k; t++) {
    const double* R a = tape + t * N;
    double* R b = tape + (t + 1) * N;
    for (long i = 0; i < N; i++) b[i] = sin(a[i]) * 0.9 + 0.1 * a[i];
  }
  for (long i = 0; i < N; i++) g[i] = 1;
  for (long t = k - 1; t >= 0; t--)
    for (long i = 0; i < N; i++) g[i] *= cos(tape[t * N + i]) * 0.9 + 0.1;
}
