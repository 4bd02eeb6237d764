from wengert.errors import NonFiniteError


def nonfinite_error(updates, arrays, batch, key, count, epoch, step, value):
    return NonFiniteError(f"fit: not finite: {value}")
