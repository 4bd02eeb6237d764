"""Attention and transformers against torch (values and all gradients), and by hand: masks, positions, gates, generation."""

import pickle

import numpy as np
import pytest

import wengert as wg
from wengert import nn
from wengert.errors import InputError
from wengert.flatten import flatten

RNG = np.random.default_rng(0)
BATCH, LENGTH, KEYS, FEATURES, HEADS = 2, 5, 4, 6, 2
X, MEMORY = RNG.normal(size=(BATCH, LENGTH, FEATURES)), RNG.normal(size=(BATCH, KEYS, FEATURES))
WEIGHTS = RNG.normal(size=(BATCH, LENGTH, FEATURES))
VALID = np.array([[True] * 4, [True, True, False, False]])


def close(a, b):
    np.testing.assert_allclose(np.asarray(a), np.asarray(b.detach() if hasattr(b, "detach") else b), rtol=0, atol=1e-10)


def moved(model, deviation=0.3):
    """A model with every parameter changed, so that no bias is 0 and no scale 1."""
    rng = np.random.default_rng(5)
    leaves, spec = flatten(model)
    return spec.unflatten([a + deviation * rng.normal(size=a.shape) if isinstance(a, np.ndarray) else a for a in leaves])


# ---------------------------------------------------------------- the same in torch: pairs of (place in torch, our array)


def linear(name, layer, t):
    return [(f"{name}.weight", layer.weight.T), (f"{name}.bias", layer.bias)]


def norm(name, layer, t):
    return [(f"{name}.weight", layer.scale), (f"{name}.bias", layer.shift)]


def attention(name, layer, t):
    parts = [layer.query, layer.key, layer.value]
    bias = (f"{name}.in_proj_bias", np.concatenate([p.bias for p in parts]))
    if f"{name}.in_proj_weight" in t:
        weights = [(f"{name}.in_proj_weight", np.concatenate([p.weight.T for p in parts]))]
    else:
        weights = [(f"{name}.{c}_proj_weight", p.weight.T) for c, p in zip("qkv", parts)]
    return [*weights, bias, *linear(f"{name}.out_proj", layer.output, t)]


def encoder_layer(name, layer, t):
    return [*attention(f"{name}.self_attn", layer.attention, t), *linear(f"{name}.linear1", layer.feed_forward.up, t),
            *linear(f"{name}.linear2", layer.feed_forward.down, t), *norm(f"{name}.norm1", layer.norm1, t),
            *norm(f"{name}.norm2", layer.norm2, t)]


def decoder_layer(name, layer, t):
    return [*attention(f"{name}.self_attn", layer.self_attention, t),
            *attention(f"{name}.multihead_attn", layer.cross_attention, t),
            *linear(f"{name}.linear1", layer.feed_forward.up, t), *linear(f"{name}.linear2", layer.feed_forward.down, t),
            *[pair for k in "123" for pair in norm(f"{name}.norm{k}", getattr(layer, f"norm{k}"), t)]]


def against_torch(torch, mine, theirs, table, inputs, call, their_call):
    """Value, gradients of all parameters and inputs."""
    holder = torch.nn.ModuleDict({"m": theirs})
    parameters = dict(holder.named_parameters())
    for name, array in table("m", mine, parameters):
        parameters[name].data = torch.tensor(np.array(array))
    value, (g, g_inputs) = wg.value_and_grad(lambda m, given: np.sum(WEIGHTS * call(m, *given)), (0, 1))(mine, inputs)
    given = [torch.tensor(x, requires_grad=True) for x in inputs]
    total = (torch.tensor(WEIGHTS) * their_call(theirs, *given)).sum()
    total.backward()
    close(value, total)
    for a, b in zip(g_inputs, given):
        close(a, b.grad)
    found = table("m", g, parameters)
    assert {name for name, _ in found} == set(parameters)
    for name, array in found:
        close(array, parameters[name].grad)


# name: (mine, torch's, table, inputs, call, torch's call)
def cases(torch):
    options = {"dropout": 0.0, "batch_first": True, "dtype": torch.float64}
    causal = torch.tensor(~nn.causal_mask(LENGTH))
    padding = torch.tensor(~VALID)
    kv = [RNG.normal(size=(BATCH, KEYS, 3)), RNG.normal(size=(BATCH, KEYS, 4))]
    mha = nn.MultiHeadAttention.init(wg.random.key(0), FEATURES, HEADS)
    theirs = torch.nn.MultiheadAttention
    yield "self", mha, theirs(FEATURES, HEADS, **options), attention, (X,), lambda m, x: m(x), lambda m, x: m(x, x, x)[0]
    yield ("causal", mha, theirs(FEATURES, HEADS, **options), attention, (X,), lambda m, x: m(x, causal=True),
           lambda m, x: m(x, x, x, attn_mask=causal)[0])
    yield ("cross", mha, theirs(FEATURES, HEADS, **options), attention, (X, MEMORY),
           lambda m, x, y: m(x, y, mask=VALID[:, None, :]), lambda m, x, y: m(x, y, y, key_padding_mask=padding)[0])
    yield ("sizes", nn.MultiHeadAttention.init(wg.random.key(0), FEATURES, HEADS, n_keys=3, n_values=4),
           theirs(FEATURES, HEADS, kdim=3, vdim=4, **options), attention, (X, *kv), lambda m, *a: m(*a), lambda m, *a: m(*a)[0])
    for pre in (False, True):
        yield (f"encoder layer {pre}",
               nn.TransformerEncoderLayer.init(wg.random.key(0), FEATURES, HEADS, hidden=7, pre_norm=pre, activation=nn.gelu),
               torch.nn.TransformerEncoderLayer(FEATURES, HEADS, 7, norm_first=pre, activation="gelu", **options),
               encoder_layer, (X,), lambda m, x: m(x, causal=True), lambda m, x: m(x, src_mask=causal, is_causal=True))
        yield (f"decoder layer {pre}",
               nn.TransformerDecoderLayer.init(wg.random.key(0), FEATURES, HEADS, hidden=7, pre_norm=pre),
               torch.nn.TransformerDecoderLayer(FEATURES, HEADS, 7, norm_first=pre, **options), decoder_layer,
               (X, MEMORY), lambda m, x, y: m(x, y, memory_mask=VALID[:, None, :]),
               lambda m, x, y: m(x, y, tgt_mask=causal, memory_key_padding_mask=padding))


NAMES = ["self", "causal", "cross", "sizes",
         *[f"{kind} layer {pre}" for pre in (False, True) for kind in ("encoder", "decoder")]]


@pytest.mark.parametrize("name", NAMES)
def test_against_torch(name):
    torch = pytest.importorskip("torch")
    _, mine, theirs, *rest = next(case for case in cases(torch) if case[0] == name)
    against_torch(torch, moved(mine), theirs, *rest)


def test_sdpa_against_torch():
    torch = pytest.importorskip("torch")
    mask = RNG.normal(size=(LENGTH, KEYS))
    mask[1, 2] = -np.inf
    f = lambda q, k, v: np.sum(WEIGHTS * nn.scaled_dot_product_attention(q, k, v, mask=mask, scale=0.7))
    v = RNG.normal(size=MEMORY.shape)
    value, gradients = wg.value_and_grad(f, (0, 1, 2))(X, MEMORY, v)
    given = [torch.tensor(a, requires_grad=True) for a in (X, MEMORY, v)]
    y = torch.nn.functional.scaled_dot_product_attention(*given, attn_mask=torch.tensor(mask), scale=0.7)
    total = (torch.tensor(WEIGHTS) * y).sum()
    total.backward()
    close(value, total)
    for a, b in zip(gradients, given):
        close(a, b.grad)


# ---------------------------------------------------------------- masks


@pytest.mark.parametrize("transform", [lambda f: f, wg.jit])
def test_a_query_that_may_attend_to_nothing_gives_zeros(transform):
    mask = np.ones((LENGTH, KEYS), bool)
    mask[2] = False
    additive = np.where(mask, 0.0, -np.inf)
    for m in (mask, additive):
        f = lambda q, k, v: nn.scaled_dot_product_attention(q, k, v, mask=m)
        y = transform(f)(X, MEMORY, MEMORY)
        assert np.all(y[:, 2] == 0) and np.all(np.isfinite(y))
        g = transform(wg.grad(lambda *a: np.sum(WEIGHTS * f(*a)), (0, 1, 2)))(X, MEMORY, MEMORY)
        assert all(np.all(np.isfinite(a)) for a in g) and np.all(g[0][:, 2] == 0)


def test_what_is_masked_has_no_influence():
    spoiled = np.where(VALID[..., None], MEMORY, 1e300)
    layer = moved(nn.MultiHeadAttention.init(wg.random.key(0), FEATURES, HEADS))
    f = lambda m, y: np.sum(WEIGHTS * m(X, y, mask=VALID[:, None, :]))
    close(f(layer, spoiled), f(layer, MEMORY))
    close(wg.grad(f, 1)(layer, MEMORY)[~VALID], np.zeros((2, FEATURES)))


def test_a_decoder_does_not_look_ahead():
    model = nn.Transformer.init(wg.random.key(0), 4, 7, features=8, heads=2, layers=2, longest=8, hidden=8)
    source, target = np.array([[1, 2, 3]]), np.array([[0, 4, 6, 2]])
    other = target.copy()
    other[0, 2] = 5
    a, b = model(source, target), model(source, other)
    np.testing.assert_array_equal(a[:, :2], b[:, :2])
    assert not np.allclose(a[:, 2:], b[:, 2:])


def test_padding_of_the_source_has_no_influence():
    model = nn.Transformer.init(wg.random.key(0), 4, 7, features=8, heads=2, longest=8, hidden=8)
    target = np.array([[0, 4, 6, 2]])
    long = model(np.array([[1, 2, 3, 3]]), target, source_mask=nn.length_mask(np.array([2]), 4))
    close(long, model(np.array([[1, 2]]), target))


# ---------------------------------------------------------------- positions


def test_rotary_is_a_turn_of_complex_numbers():
    z = X[..., 0::2] + 1j * X[..., 1::2]
    turned = z * np.exp(1j * np.arange(LENGTH)[:, None] * 100.0 ** (-np.arange(3) / 3))
    y = nn.rotary(X, base=100.0)
    close(y[..., 0::2] + 1j * y[..., 1::2], turned)
    shifted = [nn.rotary(X, np.arange(LENGTH) + k) for k in (0, 7)]
    close(shifted[0] @ np.swapaxes(shifted[0], 1, 2), shifted[1] @ np.swapaxes(shifted[1], 1, 2))


def test_sinusoidal_positions_are_known_numbers():
    table = nn.sinusoidal(3, 5)
    expected = [[f(t / 10000 ** (2 * i / 5)) for i in range(3) for f in (np.sin, np.cos)][:5] for t in range(3)]
    close(table, expected)
    assert np.array_equal(wg.flatten.trainable(nn.Positions.sinusoidal(3, 5)), [False])
    assert nn.Positions.init(wg.random.key(0), 3, 4, dtype=np.float32)(np.zeros((2, 4), np.float32)).dtype == np.float32


# ---------------------------------------------------------------- ways to run


MODELS = {
    "attention": lambda **o: nn.MultiHeadAttention.init(wg.random.key(0), FEATURES, 3, rotary=100.0, **o),
    "encoder": lambda **o: nn.TransformerEncoder.init(wg.random.key(0), FEATURES, HEADS, hidden=4, pre_norm=True, **o),
    "residual": lambda **o: nn.Residual(nn.FeedForward.init(wg.random.key(0), FEATURES, 5, activation=np.tanh, **o)),
    "highway": lambda **o: nn.Highway.init(wg.random.key(0), np.tanh, FEATURES, **o),
    "gated": lambda **o: nn.GatedLinear.init(wg.random.key(0), FEATURES, FEATURES, activation=nn.silu, **o),
}


@pytest.mark.parametrize("name", MODELS)
def test_ways_to_run(name):
    """Compiled, batched, in float32, pickled: the same numbers."""
    model = moved(MODELS[name]())
    loss = lambda m, x: np.sum(WEIGHTS * m(x))
    value, g = wg.value_and_grad(loss)(model, X)
    compiled, g_compiled = wg.jit(wg.value_and_grad(loss))(model, X)
    assert compiled == pytest.approx(value, rel=1e-12)
    for a, b in zip(flatten(g)[0], flatten(g_compiled)[0]):
        assert (a is None) == (b is None)  # an activation
        if a is not None:
            np.testing.assert_allclose(b, a, rtol=1e-10, atol=1e-12)
    close(wg.vmap(model)(X), model(X))
    back = pickle.loads(pickle.dumps(model))
    assert flatten(back)[1] == flatten(model)[1]
    single = MODELS[name](dtype=np.float32)
    value, g = wg.jit(wg.value_and_grad(lambda m, x: np.mean(m(x))))(single, X.astype(np.float32))
    assert value.dtype == np.float32 and {leaf.dtype for leaf in flatten(g)[0] if leaf is not None} == {np.dtype(np.float32)}


@pytest.mark.parametrize("name", MODELS)
def test_derivatives(name):
    """To the second order; of an encoder, which is made of the others, to the first."""
    order = 1 if name == "encoder" else 2
    wg.check_grads(lambda m, x: np.sum(np.sin(m(x))), (moved(MODELS[name]()), X[0, :2]), order=order)


def test_gates_by_hand():
    gate = nn.Linear(np.zeros((FEATURES, FEATURES)), np.full(FEATURES, np.log(3.0)))  # open by 3/4
    close(nn.Highway(np.tanh, gate)(X), 0.75 * np.tanh(X) + 0.25 * X)
    close(nn.GatedLinear(gate, gate)(X), 0.75 * np.log(3.0) * np.ones(X.shape))
    close(nn.Residual(nn.Sequential((np.tanh, np.sin)))(X), X + np.sin(np.tanh(X)))


def test_dropout_follows_the_key():
    model = nn.TransformerEncoder.init(wg.random.key(0), FEATURES, HEADS, 2, hidden=5, dropout=0.5)
    a, b, c = [model(X, key=key) for key in (None, wg.random.key(0), wg.random.key(1))]
    assert not np.allclose(a, b) and not np.allclose(b, c)
    np.testing.assert_array_equal(b, model(X, key=wg.random.key(0)))
    assert np.all(np.isfinite(wg.jit(model)(X, key=wg.random.key(0))))
    deep = nn.Sequential((model, nn.Residual(nn.Dropout(0.5))))
    assert not np.allclose(deep(X, key=wg.random.key(0)), deep(X))


def test_generation_is_what_step_by_step_decoding_gives():
    model = nn.Transformer.init(wg.random.key(3), 5, 7, features=8, heads=2, longest=10, hidden=8)
    source = np.array([[1, 2, 3], [4, 0, 0]])
    tokens = np.zeros((2, 1), int)
    for _ in range(6):
        tokens = np.concatenate([tokens, np.argmax(model(source, tokens)[:, -1:], axis=-1)], axis=1)
    generated = model.generate(source, start=0, length=6)
    assert len(np.unique(generated)) > 1
    np.testing.assert_array_equal(generated, tokens[:, 1:])
    for f, given in [(lambda m, s: m.generate(s, start=0, length=6), (model, source)),
                     (lambda s: model.generate(s, start=0, length=6), (source,))]:
        np.testing.assert_array_equal(wg.jit(f)(*given), generated)


# ---------------------------------------------------------------- spectral normalization


@pytest.mark.parametrize("steps", [0, 1])
def test_spectral_norm_against_torch(steps):
    """As an evaluation, and as a call in training, which goes one step of power iteration first."""
    torch = pytest.importorskip("torch")
    theirs = torch.nn.utils.parametrizations.spectral_norm(torch.nn.Linear(FEATURES, 3, dtype=torch.float64))
    original = theirs.parametrizations.weight.original
    found = theirs.parametrizations.weight[0]
    weight, u, v = [t.detach().numpy().copy() for t in (original, found._u, found._v)]
    mine = nn.SpectralNorm(nn.Linear(weight.T, theirs.bias.detach().numpy()), nn.Frozen((v, u)))
    if steps:  # torch turns W v into u first, which is the other one here: its weight is the transpose
        u1 = weight @ v
        u1 /= np.linalg.norm(u1)
        v1 = weight.T @ u1
        mine = nn.SpectralNorm(mine.layer, nn.Frozen((v1 / np.linalg.norm(v1), u1)))
    theirs.train(bool(steps))
    value, g = wg.value_and_grad(lambda m: np.sum(np.sin(m(X))))(mine)
    total = torch.sin(theirs(torch.tensor(X))).sum()
    total.backward()
    close(value, total)
    close(g.layer.weight.T, original.grad)
    close(g.layer.bias, theirs.bias.grad)


def test_spectral_norm_converges_to_the_largest_singular_value():
    layer = nn.Linear(RNG.normal(size=(6, 4)))
    norm = nn.SpectralNorm.init(wg.random.key(0), layer, steps=1)
    train = wg.jit(lambda m, x: m.train(x))
    for _ in range(200):
        y, norm = train(norm, X)
    close(y, X @ layer.weight / np.linalg.norm(layer.weight, 2))
    exact = wg.grad(lambda w: np.sum(np.sin(X @ w / np.linalg.norm(w, 2))))(layer.weight)
    close(wg.grad(lambda m: np.sum(np.sin(m.train(X)[0])))(norm).layer.weight, exact)


def test_summaries_count_every_parameter():
    key = wg.random.key(0)
    norm = nn.SpectralNorm.init(key, nn.Linear.init(key, FEATURES, FEATURES))
    for model in (*[make() for make in MODELS.values()], norm):
        arrays = [a for a, moves in zip(flatten(model)[0], wg.flatten.trainable(model)) if moves]
        assert nn.summary(model, X).rows[0].parameters == sum(a.size for a in arrays)


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize("call, words", [
    (lambda: nn.MultiHeadAttention.init(wg.random.key(0), 6, 4), "4 heads do not divide 6 features"),
    (lambda: nn.MultiHeadAttention.init(wg.random.key(0), 6)(X[..., :4]), r"\.query: Linear .* \(2, 5, 4\) .* \(6, 6\)"),
    (lambda: nn.attention_weights(X, MEMORY[..., :3]), r"\(2, 5, 6\) and keys of shape \(2, 4, 3\)"),
    (lambda: nn.attention_weights(X, MEMORY, mask=np.ones((4, 5), bool)), r"bool of shape \(4, 5\).* \(2, 5, 4\)"),
    (lambda: nn.attention_weights(X, MEMORY, mask=np.ones((5, 4), int)), r"the mask is int64"),
    (lambda: nn.scaled_dot_product_attention(X, MEMORY, X), r"keys of shape \(2, 4, 6\) and values of shape \(2, 5, 6\)"),
    (lambda: nn.Positions.sinusoidal(4, 6)(X), r"\(..., at most 4, 6\); this one has shape \(2, 5, 6\)"),
    (lambda: nn.rotary(X[..., :5]), "odd number of features"),
    (lambda: nn.Residual(lambda x: x[..., :3])(X), r"\.layer at .*takes \(2, 5, 6\) and gives \(2, 5, 3\)"),
    (lambda: nn.TransformerEncoder.init(wg.random.key(0), 6, 2, 2)(X[..., :3]), r"^\.layers\[0\]\.attention\.query: Linear"),
])
def test_refusals(call, words):
    with pytest.raises(InputError, match=words):
        call()


def test_a_transformer_learns_to_reverse():
    """Trained on one half of all words of four letters of six, it reverses the other."""
    words = np.random.default_rng(0).permutation(np.stack(np.meshgrid(*[np.arange(1, 7)] * 4), axis=-1).reshape(-1, 4))
    train, other = words[:648], words[648:]
    shifted = np.concatenate([np.zeros((648, 1), int), train[:, :0:-1]], axis=1)
    model = nn.Transformer.init(wg.random.key(0), 7, 7, features=24, heads=2, longest=5, hidden=48, pre_norm=True,
                                dtype=np.float32)
    loss = lambda m, source, before, target: nn.cross_entropy(m(source, before), target)
    with wg.config.set(backend="interpreted"):  # compiling takes longer than these updates
        fit = wg.fit(model, loss, (train, shifted, train[:, ::-1]), optimizer=wg.optim.Adam(5e-3), epochs=12, batch_size=54)
    found = fit.model.generate(other, start=0, length=4)
    assert np.mean(np.all(found == other[:, ::-1], axis=1)) > 0.9
