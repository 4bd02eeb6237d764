"""The page about other systems runs, where they are installed."""

import pathlib
import re

import pytest

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "interop.md"


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")  # by torch itself
def test_blocks_run(tmp_path):
    pytest.importorskip("jax")
    pytest.importorskip("torch")
    names: dict = {"__name__": "page"}
    for k, block in enumerate(re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)):
        path = tmp_path / f"block{k}.py"  # wengert reads the source of what it differentiates
        path.write_text(block, encoding="utf-8")
        exec(compile(block, str(path), "exec"), names)
    assert names["x"].grad is not None and names["f"](names["np"].ones(3)) == pytest.approx(names["steps"](names["np"].ones(3)))
