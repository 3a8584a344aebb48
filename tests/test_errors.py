from __future__ import annotations

import inspect
import re

from identigen import errors


def classes() -> dict[str, type]:
    return dict(inspect.getmembers(errors, inspect.isclass))


def test_one_except_catches_everything_raised_on_purpose() -> None:
    for error in classes().values():
        assert issubclass(error, errors.IdentiGenError)
        assert error.exit_code == 2


def test_the_drawn_tree_is_the_real_one() -> None:
    path: list[str] = []
    drawn = {}
    for line in errors.__doc__.splitlines():
        found = re.match(r"^    ([│├└─ ]*)(\w+)", line)
        if not found:
            continue
        depth, name = len(found[1]) // 4, found[2]
        path[depth:] = [name]
        drawn[name] = path[depth - 1] if depth else "Exception"
    assert drawn == {name: error.__mro__[1].__name__ for name, error in classes().items()}
