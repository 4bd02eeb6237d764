/* Gradient descent on a function and a gradient that wengert wrote. What comes in: nothing. What goes out: the push that
   lets the pendulum of pendulum.py arrive, and by how much it misses then. */
#include <stdio.h>
#include "miss.h"
#include "miss_gradient.h"

int main(void) {
    double push[2] = {0.0, 1.0}, g[2], value;
    for (int k = 0; k < 300; k++) {
        if (miss_gradient(push, g)) return 1;
        push[0] -= 0.3 * g[0];
        push[1] -= 0.3 * g[1];
    }
    if (miss(push, &value) || miss_gradient(push, g)) return 1;
    printf("%.15g %.15g %.15g %.15g %.15g\n", push[0], push[1], value, g[0], g[1]);
    return 0;
}
