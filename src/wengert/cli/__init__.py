"""The command line.

What comes in: a formula or a function in a file, and numbers. What goes out: its value, its derivatives, and
the check of each by an independent method; or what stands in the way of them (``doctor``). The one idea: every
mistake is answered by one line that says what to write instead, and exit status 2, never by a traceback.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import NoReturn

__all__ = ["main"]

_ABOUT = "Derivatives of formulas and of functions in Python files, each checked by an independent method."
_TOP = """examples:
  wengert diff 'cos(x) e^{x^2}' x=0.5
  wengert diff program.py:loss w=[0.5,-1] X=data.csv:age,income y=data.csv:vote
  wengert compare program.py:loss w=[0.5,-1] X=data.csv:age,income y=data.csv:vote
  wengert doctor program.py
  wengert explain 'cos(x) e^{x^2}' x=0.5
  wengert compilation program.py:loss w=[0.5,-1] X=data.csv:age,income y=data.csv:vote
  wengert profile program.py:loss w=[0.5,-1] X=data.csv:age,income y=data.csv:vote
  wengert rounding '(1 - cos(x)) / x^2' x=1e-4
  wengert symbolic 'cos(x) e^{x^2}' --order 2

`wengert diff --help`, `wengert doctor --help` and so on say more.
"""
_DIFF = """\
Print the value and the derivatives of a formula, or of a function in a Python file: the gradient of a
number, the Jacobian of an array, with --order 2 the Hessian. Every derivative is computed exactly, by
automatic differentiation, and again by an independent method (the complex step, or Richardson
extrapolation of differences); both are printed with their difference, the estimated error (±) of the
independent method, and a verdict. At a kink, such as that of abs(x) at 0, the verdict says so.
"""
_EXAMPLES = """\
values:
  x=0.5  x=pi/4  x=1+2j         a number, or a formula of constants
  x=[1,2,3]  A=[[1,2],[3,4]]    a vector, a matrix
  x=file.npy  x=file.npz:key    an array from a NumPy file
  y=file.csv:vote               one column: a vector; columns by name, or by number from 0
  X=file.csv:age,income         several columns: a matrix (age, for a matrix of one column)
  file.csv:x,y                  columns as the parameters of the same names
  mode='"sum"'                  text, True, False, None: for functions in files

examples:
  wengert diff 'cos(x) e^{x^2}' x=0.5
  wengert diff '(x + sigmoid(y)) tanh(x)' x=2 y=1 --order 2
  wengert diff 'a exp(-b t)' a=2 b=0.5 t=times.csv:t --wrt a,b
  wengert diff examples/rosenbrock.py:f x=[-1.5,0.25] --order 2
  wengert diff examples/logistic_regression.py:loss 'w=[15.04,-0.2322]' \\
      X=examples/data/o_rings.csv:temperature, y=examples/data/o_rings.csv:distress

exit status: 0 if all checks agree (or none was possible), 1 if one disagrees or a derivative is undefined,
2 for wrong input, which is explained in one line.
"""
_COMPARE = """\
Compute the gradient (or the Jacobian; with --order 2 the Hessian) in every way that applies: finite differences, the complex
step, random directions, symbolically, in forward and in reverse mode, compiled. Print for each its value, its error against
fifty digits where they can be had, time, evaluations, operations, memory, and how these grow with the number of inputs.
"""
_COMPARE_EXAMPLES = """\
values are given as for `wengert diff`; examples:
  wengert compare 'cos(x) e^{x^2}' x=0.5
  wengert compare 'abs(x)^3' x=2
  wengert compare examples/rosenbrock.py:f x=[-1.5,0.25] --order 2
  wengert compare examples/logistic_regression.py:loss 'w=[15.04,-0.2322]' \\
      X=examples/data/o_rings.csv:temperature, y=examples/data/o_rings.csv:distress --plot ways.png

exit status: 0 if all that claims to be exact is, 1 if not, 2 for wrong input.
"""
_DOCTOR = """\
Say which functions of a Python file differentiate and which stage under wg.jit, what stands in the way, at
which line and why, and what to write instead. The file is read, never run: where the text does not show
whether a value is traced, the answer is "perhaps".
"""
_DOCTOR_EXAMPLES = """\
examples:
  wengert doctor program.py
  wengert doctor program.py:loss
  wengert doctor program.py:Model.step --json

exit status: 0 if nothing blocks, 1 if something does, 2 for wrong input.
"""
_COMPILATION = """\
Show what the compiler makes of a function at these values, pass by pass: equations, fused loop nests, memory, machine
code, and the time of each pass. Values are given as for `wengert diff`.
"""
_COMPILATION_EXAMPLES = """\
examples:
  wengert compilation examples/rosenbrock.py:f x=[-1.5,0.25]
  wengert compilation examples/rosenbrock.py:f x=[-1.5,0.25] --grad
  wengert compilation examples/rosenbrock.py:f x=[-1.5,0.25] --grad --show plan

exit status: 0 if it is compiled, 1 if it runs interpreted or unstaged, 2 for wrong input.
"""
_CACHE = """\
Show where compiled programs are kept between runs, how many there are and how much room they take; or remove them.
The folder is WENGERT_CACHE_DIR, else below the user's cache folder. Nothing is lost with it but time.
"""
_PROFILE = """\
Measure a function and its derivatives line by line: time, memory and operations of the value, of the forward and backward pass
of a gradient, and of forward mode, run by the interpreter. Values are given as for `wengert diff`.
"""
_PROFILE_EXAMPLES = """\
examples:
  wengert profile examples/rosenbrock.py:f x=[-1.5,0.25]
  wengert profile program.py:loss w=[0.5,-1] X=data.csv:age,income y=data.csv:vote --sort line
  wengert profile program.py:loss w=[0.5,-1] X=data.csv:age,income y=data.csv:vote --plot profile.png

exit status: 0, or 2 for wrong input.
"""
_ROUNDING = """\
Estimate the rounding error of a function's result, and say which lines it comes from: every operation's error, carried to the
result by its derivative, in one backward pass. Values are given as for `wengert diff`.
"""
_ROUNDING_EXAMPLES = """\
examples:
  wengert rounding '(1 - cos(x)) / x^2' x=1e-4 --reference
  wengert rounding examples/rosenbrock.py:f x=[-1.5,0.25]

exit status: 0, or 2 for wrong input.
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        _fail(f"{message} (see {self.prog.partition(' [')[0]} --help)")


def _fail(message: str) -> NoReturn:
    sys.stdout.flush()
    print(f"wengert: error: {message}", file=sys.stderr)
    raise SystemExit(2)


def _parser() -> tuple[_Parser, dict[str, _Parser]]:
    raw = argparse.RawDescriptionHelpFormatter
    parser = _Parser("wengert", description=_ABOUT, epilog=_TOP, formatter_class=raw, allow_abbrev=False)
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    diff = commands.add_parser("diff", help="value and derivatives at a point, checked", description=_DIFF,
                               epilog=_EXAMPLES, formatter_class=raw, allow_abbrev=False)
    diff.usage = "wengert diff FORMULA|FILE.py:FUNCTION [NAME=VALUE ...] [options]"
    diff.add_argument("target", metavar="FORMULA|FILE.py:FUNCTION",
                      help="what to differentiate; quote a formula: 'x^2 + 3x'")
    diff.add_argument("values", metavar="NAME=VALUE", nargs="*", default=[], help="where; see below")
    diff.add_argument("--wrt", metavar="NAMES",
                      help="differentiate with regard to these parameters, x,y (default: all variables of a "
                           "formula, the first parameter of a function)")
    diff.add_argument("--order", metavar="N", type=_order, default=1,
                      help="all derivatives up to order N (default 1; above 2 for numbers only)")
    diff.add_argument("--json", action="store_true", help="print one JSON object")
    diff.add_argument("--allow-nan", action="store_true", help="accept NaN and infinity in the data")
    compare = commands.add_parser("compare", help="every way to a derivative, side by side", description=_COMPARE,
                                  epilog=_COMPARE_EXAMPLES, formatter_class=raw, allow_abbrev=False)
    compare.usage = "wengert compare FORMULA|FILE.py:FUNCTION [NAME=VALUE ...] [options]"
    compare.add_argument("target", metavar="FORMULA|FILE.py:FUNCTION", help="what is differentiated")
    compare.add_argument("values", metavar="NAME=VALUE", nargs="*", default=[], help="where; see `wengert diff --help`")
    compare.add_argument("--wrt", metavar="NAMES", help="as for `wengert diff`")
    compare.add_argument("--order", metavar="N", type=int, choices=(1, 2), default=1, help="1 (default), or 2: Hessians")
    compare.add_argument("--sizes", metavar="N,N,N", help="lengths to give to the longest axis, to see how costs grow")
    compare.add_argument("--seed", metavar="N", type=int, default=0, help="of the random directions (default 0)")
    compare.add_argument("--plot", metavar="FILE", help="draw it into this file (PNG, PDF or SVG)")
    compare.add_argument("--json", action="store_true", help="print one JSON object")
    doctor = commands.add_parser("doctor", help="what of a file differentiates and stages, and what does not",
                                 description=_DOCTOR, epilog=_DOCTOR_EXAMPLES, formatter_class=raw, allow_abbrev=False)
    doctor.add_argument("target", metavar="FILE.py[:FUNCTION]", help="the file, or one function (or method) of it")
    doctor.add_argument("--json", action="store_true", help="print one JSON object")
    compilation = commands.add_parser("compilation", help="what the compiler makes of a function", description=_COMPILATION,
                                      epilog=_COMPILATION_EXAMPLES, formatter_class=raw, allow_abbrev=False)
    compilation.usage = "wengert compilation FORMULA|FILE.py:FUNCTION [NAME=VALUE ...] [options]"
    compilation.add_argument("target", metavar="FORMULA|FILE.py:FUNCTION", help="what is compiled")
    compilation.add_argument("values", metavar="NAME=VALUE", nargs="*", default=[], help="where; see `wengert diff --help`")
    compilation.add_argument("--wrt", metavar="NAMES", help="as for `wengert diff`: what --grad differentiates with regard to")
    compilation.add_argument("--grad", action="store_true", help="the gradient, in the place of the function")
    compilation.add_argument("--show", metavar="PASS", choices=("recorded", "simplify", "hoist", "plan", "llvm", "assembly"),
                         help="one pass in full: recorded, simplify, hoist, plan, llvm, assembly")
    from wengert.cli import explain as view
    explain = commands.add_parser("explain", help="how a derivative arises, step by step", description=view.DESCRIPTION,
                                  epilog=view.EXAMPLES, formatter_class=raw, allow_abbrev=False)
    explain.usage = "wengert explain FORMULA|FILE.py:FUNCTION [NAME=VALUE ...] [options]"
    view.add_options(explain)
    measures = _add_measures(commands)
    cache = commands.add_parser("cache", help="compiled programs kept on disk", description=_CACHE, formatter_class=raw,
                                allow_abbrev=False)
    cache.add_argument("action", metavar="clear", nargs="?", choices=("clear",), help="remove them")
    cache.add_argument("--json", action="store_true", help="print one JSON object")
    from wengert.cli.symbolic import ABOUT, EXAMPLES, HELP, add_arguments
    symbolic = commands.add_parser("symbolic", help=HELP, description=ABOUT, epilog=EXAMPLES, formatter_class=raw,
                                   allow_abbrev=False)
    add_arguments(symbolic, _order)
    return parser, {"diff": diff, "compare": compare, "doctor": doctor, "compilation": compilation, "explain": explain,
                    "cache": cache, "symbolic": symbolic, **measures}


def _add_measures(commands: argparse._SubParsersAction[_Parser]) -> dict[str, _Parser]:
    """``profile`` and ``rounding``: a target with values, and a table by line."""
    texts = {"profile": ("time and memory by line", _PROFILE, _PROFILE_EXAMPLES),
             "rounding": ("rounding error by line", _ROUNDING, _ROUNDING_EXAMPLES)}
    found: dict[str, _Parser] = {}
    for name, (summary, about, examples) in texts.items():
        parser = found[name] = commands.add_parser(name, help=summary, description=about, epilog=examples, allow_abbrev=False,
                                                   formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.usage = f"wengert {name} FORMULA|FILE.py:FUNCTION [NAME=VALUE ...] [options]"
        parser.add_argument("target", metavar="FORMULA|FILE.py:FUNCTION", help="what is looked at")
        parser.add_argument("values", metavar="NAME=VALUE", nargs="*", default=[], help="where; see `wengert diff --help`")
        parser.add_argument("--wrt", metavar="NAMES", help="as for `wengert diff`; these become floats")
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument("--allow-nan", action="store_true", help="accept NaN and infinity in the data")
    found["profile"].add_argument("--sort", choices=("cost", "line"), default="cost", help="the order of the lines")
    found["profile"].add_argument("--plot", metavar="FILE", help="also draw bars (.png, .svg, .pdf); needs Matplotlib")
    found["rounding"].add_argument("--reference", action="store_true", help="also compute in higher precision, to compare")
    return found


def _order(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 8:
        raise argparse.ArgumentTypeError(f"{text.strip()!r} is not a whole number from 1 to 8")
    return int(text)


def _words(argv: Sequence[str]) -> list[str]:
    """A formula may begin with a minus sign: a space before it tells argparse that it is no option."""
    return [f" {word}" if len(word) > 1 and word[0] == "-" and word[1] != "-" and word != "-h" else word
            for word in argv]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status.

    Examples
    --------
    >>> main(["diff", "x^2 y", "x=3", "y=2", "--wrt", "x", "--json"])  # doctest: +ELLIPSIS
    {
     "function": "x^2*y",
    ...
    0
    """
    parser, commands = _parser()
    try:
        options, extra = parser.parse_known_args(_words(sys.argv[1:] if argv is None else argv))
        if options.version:
            from importlib.metadata import PackageNotFoundError, version
            try:
                print(f"wengert {version('wengert')}")
            except PackageNotFoundError:
                print("wengert (not installed)")
            return 0
        if options.command is None:
            parser.print_help()
            return 0
        strange = [word for word in extra if word.startswith("--")]
        if strange:
            commands[options.command].error(f"unknown option {strange[0]}")
        if options.command == "doctor":
            if extra:
                commands["doctor"].error(f"one file at a time, not {extra[0].strip()!r} too")
            return _doctor(options)
        if options.command == "cache":
            if extra:
                commands["cache"].error(f"unknown argument {extra[0].strip()!r}")
            from wengert.cli.cache import print_cache, print_cleared
            (print_cleared if options.action == "clear" else print_cache)(sys.stdout, options.json)
            return 0
        commands_of = {"compilation": _compilation, "explain": _explain, "compare": _compare, "profile": _measure,
                       "rounding": _measure, "symbolic": _symbolic, "diff": _diff}
        return commands_of[options.command](options, [*options.values, *extra])
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 2
    except KeyboardInterrupt:
        print("wengert: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output went away
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


@contextlib.contextmanager
def _failing(what: str) -> Iterator[None]:
    """Errors become one line; `what` is to be sent in with a mistake of ours."""
    from wengert.errors import FormulaError, WengertError
    try:
        yield
    except FormulaError as error:  # its lines show the place
        _fail(str(error))
    except WengertError as error:
        _fail(" ".join(str(error).split()))
    except BrokenPipeError:
        raise
    except Exception as error:  # a mistake of ours; still no traceback
        said = " ".join(f"{type(error).__name__}: {error}".split())
        _fail(f"internal error: {said}. Please report it with the {what} that led to it")


def _doctor(options: argparse.Namespace) -> int:
    with _failing("file"):
        from wengert.cli.doctor import examined, print_json, print_reports, status
        file, reports = examined(options.target)
        (print_json if options.json else print_reports)(file, reports, sys.stdout)
        sys.stdout.flush()
        return status(reports)


def _compare(options: argparse.Namespace, words: list[str]) -> int:
    with _failing("command"):
        from wengert.cli.compare import compared, print_comparison, status
        found = compared(options, words)
        print_comparison(found, options.json, sys.stdout)
        sys.stdout.flush()
        return status(found)


def _compilation(options: argparse.Namespace, words: list[str]) -> int:
    with _failing("command"):
        import wengert as wg
        from wengert.cli.target import find
        from wengert.cli.values import bindings
        unbound = find(options.target)
        values = bindings([word.strip() for word in words], unbound.names, True)
        target = unbound.bind(values, options.wrt)
        f = wg.grad(target.function, tuple(target.places)) if options.grad else target.function
        with target.running():
            explained = wg.explain_compilation(f, *target.args, **target.kwargs)
        if not explained.counts and options.show not in (None, "recorded", "simplify"):
            _fail(explained.reason)
        print(getattr(explained, options.show) if options.show else explained)
        sys.stdout.flush()
        return 0 if explained.counts else 1


def _symbolic(options: argparse.Namespace, words: list[str]) -> int:
    with _failing("command"):
        from wengert.cli.symbolic import run
        from wengert.progress import Progress
        with Progress() as progress:
            progress("differentiating")
            text = run(options, [word.strip() for word in words])
        print(text)
        sys.stdout.flush()
        return 0


def _explain(options: argparse.Namespace, words: list[str]) -> int:
    from wengert.progress import Progress
    with _failing("command"), Progress() as progress:
        from wengert.cli.explain import explained, write
        from wengert.cli.target import find
        from wengert.cli.values import bindings
        progress("explaining")
        unbound = find(options.target)
        values = bindings([word.strip() for word in words], unbound.names, options.allow_nan)
        found = explained(unbound.bind(values, options.wrt), options)
        status = write(found, options, sys.stdout)
        sys.stdout.flush()
        return status


def _measure(options: argparse.Namespace, words: list[str]) -> int:
    with _failing("command"):
        if options.command == "profile":
            from wengert.cli.profile import print_profile as printed
        else:
            from wengert.cli.rounding import print_rounding as printed
        status = printed(options, words, sys.stdout)
        sys.stdout.flush()
        return status


def _diff(options: argparse.Namespace, words: list[str]) -> int:
    with _failing("command"):
        from wengert.cli.derive import derive
        from wengert.cli.report import print_json, print_result
        from wengert.cli.target import find
        from wengert.cli.values import bindings
        from wengert.progress import Progress
        with warnings.catch_warnings(), Progress() as progress:
            warnings.simplefilter("ignore", RuntimeWarning)  # of the points where the check evaluates
            progress("reading")
            unbound = find(options.target)
            values = bindings([word.strip() for word in words], unbound.names, options.allow_nan)
            result = derive(unbound.bind(values, options.wrt), options.order, progress)
        if options.json:
            print_json(result, sys.stdout)
        else:
            print_result(result, sys.stdout)
        sys.stdout.flush()
        return 0 if result.ok else 1
