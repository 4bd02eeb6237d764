"""Recurrent layers against torch (values and all gradients), and what holds without it: staging, batching, types, masks."""

import pickle

import numpy as np
import pytest

import wengert as wg
from wengert import nn
from wengert.errors import InputError
from wengert.flatten import flatten

N_IN, N_HIDDEN, LENGTH, BATCH = 3, 4, 6, 2
KINDS = {"RNN": nn.RNN, "LSTM": nn.LSTM, "GRU": nn.GRU}
FORMS = {"plain": {}, "deep": {"layers": 2}, "both ways": {"layers": 2, "bidirectional": True}, "no bias": {"bias": False}}
LENGTHS = np.array([6, 3])
X = np.random.default_rng(0).normal(size=(BATCH, LENGTH, N_IN))
WEIGHTS = np.random.default_rng(1).normal(size=(BATCH, LENGTH, 2 * N_HIDDEN))


def parts(state):
    return state if isinstance(state, tuple) else (state,)


def start(kind, form):
    rng = np.random.default_rng(2)
    shape = (form.get("layers", 1) * (1 + form.get("bidirectional", False)), BATCH, N_HIDDEN)
    return (rng.normal(size=shape), rng.normal(size=shape)) if kind == "LSTM" else rng.normal(size=shape)


def loss(model, x, state, mask=None):
    y, last = model(x, state, mask=mask)
    return np.sum(WEIGHTS[..., :y.shape[-1]] * y) + sum([np.sum(np.sin(part)) for part in parts(last)])


def in_torch(torch, kind, form, model):
    """The same layer in torch, with the same parameters."""
    theirs = getattr(torch.nn, kind)(N_IN, N_HIDDEN, form.get("layers", 1), batch_first=True, dtype=torch.float64,
                                     bidirectional=form.get("bidirectional", False), bias=form.get("bias", True))
    for name, parameter in theirs.named_parameters():
        what, _, rest = name.partition("_l")
        cell = model.cells[int(rest[0])]["reverse" in rest]
        parameter.data = torch.tensor(from_cell(cell, what, tuple(parameter.shape)))
    return theirs


def from_cell(cell, what, shape):
    if what.startswith("weight"):
        return np.array((cell.weight_x if what.endswith("ih") else cell.weight_h).T)
    if what.endswith("ih"):
        return np.array(cell.bias)
    zeros = np.zeros(shape)
    if isinstance(cell, nn.GRUCell):
        zeros[-N_HIDDEN:] = cell.bias_n
    return zeros


@pytest.mark.parametrize("masked", [False, True], ids=["", "masked"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", KINDS)
def test_against_torch(kind, form, masked):
    torch = pytest.importorskip("torch")
    form = FORMS[form]
    model, state = KINDS[kind].init(wg.random.key(1), N_IN, N_HIDDEN, **form), start(kind, form)
    mask = nn.length_mask(LENGTHS, LENGTH) if masked else None
    value, (g, g_x, g_state) = wg.value_and_grad(loss, (0, 1, 2))(model, X, state, mask)

    theirs = in_torch(torch, kind, form, model)
    x = torch.tensor(X, requires_grad=True)
    begin = tuple(torch.tensor(part, requires_grad=True) for part in parts(state))
    given = torch.nn.utils.rnn.pack_padded_sequence(x, torch.tensor(LENGTHS), batch_first=True) if masked else x
    y, last = theirs(given, begin if kind == "LSTM" else begin[0])
    if masked:
        y, _ = torch.nn.utils.rnn.pad_packed_sequence(y, batch_first=True)
    total = (torch.tensor(WEIGHTS[..., :y.shape[-1]]) * y).sum() + sum(torch.sin(part).sum() for part in parts(last))
    total.backward()

    assert abs(value - total.item()) < 1e-10
    np.testing.assert_allclose(g_x, x.grad, atol=1e-10)
    for mine, part in zip(parts(g_state), begin):
        np.testing.assert_allclose(mine, part.grad, atol=1e-10)
    for name, parameter in theirs.named_parameters():
        what, _, rest = name.partition("_l")
        cell = g.cells[int(rest[0])]["reverse" in rest]
        if what == "bias_hh" and kind != "GRU":  # adds to bias_ih
            np.testing.assert_allclose(cell.bias, parameter.grad, atol=1e-10)
        elif what == "bias_hh":
            np.testing.assert_allclose(cell.bias_n, parameter.grad[-N_HIDDEN:], atol=1e-10)
        else:
            np.testing.assert_allclose(from_cell(cell, what, ()), parameter.grad, atol=1e-10)


def size(graph):
    """The equations of a graph and of the graphs in it."""
    from wengert.graph import Graph
    inner = [p for e in graph.equations for p in e.params.values() if isinstance(p, Graph)]
    return len(graph.equations) + sum(map(size, inner))


@pytest.mark.parametrize("kind", KINDS)
def test_staged_as_one_loop(kind):
    """The compiled gradient is that of the plain run, and the graph has the size of the program, not of the sequence."""
    model = KINDS[kind].init(wg.random.key(1), N_IN, N_HIDDEN, bidirectional=True)
    mask = nn.length_mask(LENGTHS, LENGTH)
    plain, compiled = wg.grad(loss)(model, X, None, mask), wg.jit(wg.grad(loss))(model, X, None, mask)
    for a, b in zip(flatten(plain)[0], flatten(compiled)[0]):
        np.testing.assert_allclose(b, a, rtol=1e-12, atol=1e-14)

    def total(m, x):
        return np.sum(m(x)[0] ** 2)
    short, long = [size(wg.make_graph(wg.jit(wg.grad(total)), model, np.ones((n, N_IN)))) for n in (8, 80)]
    assert short == long


@pytest.mark.parametrize("kind", KINDS)
def test_second_derivatives(kind):
    model = KINDS[kind].init(wg.random.key(1), 2, 2)
    x = np.random.default_rng(3).normal(size=(2, 2))
    wg.check_grads(lambda m, v: np.sum(np.sin(m(v, mask=np.array([True, False]))[0] + m(v)[0])), (model, x), order=2)


@pytest.mark.parametrize("kind", KINDS)
def test_vmap_is_the_batch(kind):
    model = KINDS[kind].init(wg.random.key(1), N_IN, N_HIDDEN)
    whole, one_by_one = model(X), wg.vmap(model)(X)
    np.testing.assert_allclose(one_by_one[0], whole[0], rtol=1e-13)
    for a, b in zip(parts(one_by_one[1]), parts(whole[1])):
        np.testing.assert_allclose(np.moveaxis(a, 0, 1), b, rtol=1e-13)


@pytest.mark.parametrize("kind", KINDS)
def test_float32_stays(kind):
    model = KINDS[kind].init(wg.random.key(1), N_IN, N_HIDDEN, layers=2, dropout=0.5, dtype=np.float32)
    x = X.astype(np.float32)
    value, g = wg.jit(wg.value_and_grad(lambda m, v: np.mean(m(v, key=wg.random.key(2))[0])))(model, x)
    assert value.dtype == np.float32 and {leaf.dtype for leaf in flatten(g)[0]} == {np.dtype(np.float32)}
    assert model(x)[0].dtype == np.float32
    y, state = model(X, model(x)[1])  # a state of float32 before inputs of float64
    assert y.dtype == np.float64 and {part.dtype for part in parts(state)} == {np.dtype(np.float64)}


def test_dropout_is_between_layers_and_only_with_a_key():
    model = nn.LSTM.init(wg.random.key(1), N_IN, N_HIDDEN, layers=2, dropout=0.5)
    a, b, c = [model(X, key=key)[0] for key in (None, wg.random.key(0), wg.random.key(1))]
    assert not np.allclose(a, b) and not np.allclose(b, c)
    np.testing.assert_array_equal(a, model(X)[0])
    one = nn.LSTM((model.cells[0],), 0.5)
    np.testing.assert_array_equal(one(X)[0], one(X, key=wg.random.key(0))[0])


def test_what_is_masked_has_no_influence():
    model, mask = nn.GRU.init(wg.random.key(1), N_IN, N_HIDDEN, bidirectional=True), nn.length_mask(LENGTHS, LENGTH)
    spoiled = np.where(mask[..., None], X, np.nan)
    value, g = wg.value_and_grad(loss)(model, spoiled, None, mask)
    assert value == loss(model, X, None, mask)
    assert all(np.all(np.isfinite(leaf)) for leaf in flatten(g)[0])


def test_a_cell_of_ones_own_activation():
    def activation(z):  # staged like any program: with a loop and a write
        out = np.zeros(z.shape)
        for i in range(z.shape[-1]):
            out[..., i] = np.tanh(z[..., i])
        return out
    plain = nn.RNNCell.init(wg.random.key(1), N_IN, N_HIDDEN)
    cell = nn.RNNCell(plain.weight_x, plain.weight_h, plain.bias, activation)
    for transform in (lambda f: f, wg.jit):
        np.testing.assert_allclose(transform(nn.RNN(((cell,),)))(X)[0], nn.RNN(((plain,),))(X)[0], rtol=1e-13)


@pytest.mark.parametrize("kind", [nn.RNNCell, nn.LSTMCell, nn.GRUCell])
def test_a_cell_in_a_loop_of_ones_own(kind):
    """It gives what the layer gives, and is one loop."""
    cell = kind.init(wg.random.key(1), N_IN, N_HIDDEN)

    def total(cell, x):
        state, out = cell.initial(x[0]), 0.0
        for t in range(len(x)):
            y, state = cell(x[t], state)
            out += np.sum(y)
        return out
    layer = {nn.RNNCell: nn.RNN, nn.LSTMCell: nn.LSTM, nn.GRUCell: nn.GRU}[kind](((cell,),))
    assert wg.jit(total)(cell, X[0]) == pytest.approx(np.sum(layer(X[0])[0]), rel=1e-12)
    short, long = [size(wg.make_graph(wg.jit(total), cell, np.ones((n, N_IN)))) for n in (8, 80)]
    assert short == long


def test_tokens_in_a_captured_model():
    """The parameters are constants where only the tokens are traced."""
    embedding, gru = nn.Embedding.init(wg.random.key(0), 9, N_IN), nn.GRU.init(wg.random.key(1), N_IN, N_HIDDEN)
    model = nn.Sequential((embedding, gru, lambda result: result[0]))
    tokens = np.array([[1, 8, 0]])
    np.testing.assert_allclose(wg.jit(model)(tokens), model(tokens), rtol=1e-13)
    one_hot = np.eye(9)[tokens]
    g = wg.jit(wg.grad(lambda m, t: np.sum(m(t) ** 2)))(model, tokens).layers[0].weight
    np.testing.assert_allclose(g, wg.grad(lambda w: np.sum(gru(one_hot @ w)[0] ** 2))(embedding.weight), rtol=1e-10, atol=1e-14)


def test_within_a_model():
    """The last output through a function of one's own; the key goes on, and staging goes through."""
    def last(result):
        outputs, _ = result
        total = np.zeros(outputs[..., 0, :].shape)
        for t in range(outputs.shape[-2]):
            total += outputs[..., t, :] / (t + 1)
        return total
    lstm = nn.LSTM.init(wg.random.key(1), N_IN, N_HIDDEN, layers=2, dropout=0.5)
    model = nn.Sequential((lstm, last, nn.Linear.init(wg.random.key(2), N_HIDDEN, 1)))
    f = lambda m, x: np.sum(m(x, key=wg.random.key(3)) ** 2)
    plain, compiled = wg.grad(f)(model, X), wg.jit(wg.grad(f))(model, X)
    for a, b in zip(flatten(plain)[0], flatten(compiled)[0]):
        assert (a is None and b is None) or np.allclose(a, b, rtol=1e-12, atol=1e-14)
    graphs = [wg.make_graph(wg.jit(model), np.ones((n, N_IN))) for n in (8, 80)]
    assert size(graphs[0]) == size(graphs[1])
    with pytest.raises(InputError, match=r"^\.layers\[0\]: LSTM with weight_x"):
        model(X[..., :2])


def test_lists_are_arrays():
    model = nn.GRU.init(wg.random.key(1), N_IN, N_HIDDEN)
    y, state = model(X.tolist(), model(X)[1].tolist(), mask=nn.length_mask(LENGTHS, LENGTH).tolist())
    np.testing.assert_array_equal(y, model(X, model(X)[1], mask=nn.length_mask(LENGTHS, LENGTH))[0])


def test_pickle():
    model = nn.LSTM.init(wg.random.key(1), N_IN, N_HIDDEN, bidirectional=True)
    back = pickle.loads(pickle.dumps(model))
    assert flatten(back)[1] == flatten(model)[1]
    np.testing.assert_array_equal(back(X)[0], model(X)[0])


@pytest.mark.parametrize("call, words", [
    (lambda m: m(X[..., :2]), r"LSTM .* takes sequences \(..., length, 3\); this one has shape \(2, 6, 2\)"),
    (lambda m: m(X[:, :0]), r"sequences of length 0"),
    (lambda m: m(X, (np.zeros((1, 3, 4)), np.zeros((1, 2, 4)))), r"two states of shape \(1, 2, 4\) .* given: \(1, 3, 4\), "),
    (lambda m: m(X, np.zeros((1, 2, 4))), r"two states of shape \(1, 2, 4\)"),
    (lambda m: m(X, mask=np.ones((2, 5), bool)), r"mask of bool of shape \(2, 6\) .* bool of shape \(2, 5\)"),
    (lambda m: m.cells[0][0](X[..., :2]), r"LSTMCell with weight_x \(3, 16\) takes inputs \(..., 3\); .* \(2, 6, 2\)"),
])
def test_refusals(call, words):
    model = nn.LSTM.init(wg.random.key(1), N_IN, N_HIDDEN)
    for transform in (lambda f: f, wg.jit):
        with pytest.raises(InputError, match=words):
            transform(call)(model)


def test_a_recurrent_layer_before_another_is_named():
    first, second = wg.random.split(wg.random.key(0))
    lstm, linear = wg.nn.LSTM.init(first, 3, 4), wg.nn.Linear.init(second, 4, 1)
    model = wg.nn.Sequential((lstm, linear))
    for f in (model, wg.jit(model), model.train):
        with pytest.raises(wg.errors.InputError, match=r"\.layers\[0\]: LSTM gives 2 values .* put lambda pair: pair\[0\]"):
            f(np.ones((5, 3)))
    mended = wg.nn.Sequential((lstm, lambda pair: pair[0], linear))
    assert mended(np.ones((5, 3))).shape == (5, 1)
    assert "LSTM" in str(wg.nn.summary(mended, np.ones((5, 3))))
    assert wg.nn.Sequential((lstm, wg.nn.Sequential((lambda pair: pair[0], linear))))(np.ones((5, 3))).shape == (5, 1)
