"""How many tests ran, read from the ends of outputs as the tools print them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullyard.protocol.worker import Tally
from pullyard.worker.counts import MOST, TAIL_BYTES, count_tests

PYTEST = (
    "..F\nFAILED t.py::a - assert 1 passed in 9.0s\n=== 1 failed, 2 passed, 3 skipped, 1 warning in 0.12s ==="
)
CARGO = "running 2 tests\ntest result: {} finished in 0.00s\n"
SUREFIRE = (
    "[INFO] Tests run: 2, Failures: 0, Errors: 0, Skipped: 0, Time elapsed: 0.05 s - in A\n[INFO] Results:\n"
)

OUTPUTS = [
    ("pytest", PYTEST, (2, 1, 3)),
    (
        "pytest",
        "\x1b[32m\x1b[1m5 passed\x1b[0m, \x1b[33m1 xfailed\x1b[0m\x1b[32m in 0.01s\x1b[0m\n",
        (5, 0, 1),
    ),
    ("pytest", "ERROR t.py\n1 error in 0.05s\n", (0, 1, 0)),
    ("unittest", "....\nRan 4 tests in 0.001s\n\nFAILED (failures=1, errors=1, skipped=1)\n", (1, 2, 1)),
    ("unittest", "Ran 1 test in 0.000s\r\n\r\nOK\r\n", (1, 0, 0)),
    (
        "cargo",
        CARGO.format("ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out;")
        + CARGO.format("FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out;"),
        (4, 2, 1),
    ),
    (
        "jest",
        "Test Suites: 1 passed, 1 total\nTests:       1 failed, 2 skipped, 7 passed, 10 total\n",
        (7, 1, 2),
    ),
    ("vitest", " Test Files  2 passed (2)\n      Tests  1 failed | 4 passed | 1 todo (6)\n", (4, 1, 1)),
    ("surefire", SUREFIRE + "[INFO] Tests run: 2, Failures: 1, Errors: 0, Skipped: 0\n", (1, 1, 0)),
    ("gradle", "10 tests completed, 2 failed, 1 skipped\n", (7, 2, 1)),
    (
        "dotnet",
        "Passed!  - Failed:     0, Passed:     3, Skipped:     1, Total:     4, Duration: 5 ms\n",
        (3, 0, 1),
    ),
    (
        "go",
        "=== RUN   TestA\n--- PASS: TestA (0.00s)\n--- FAIL: TestB (0.00s)\n--- SKIP: TestC (0.00s)\n",
        (1, 1, 1),
    ),
    ("go", '{"Action":"pass","Package":"p","Test":"TestA"}\n{"Action":"pass","Package":"p"}\n', (1, 0, 0)),
    ("mocha", "  3 passing (12ms)\n  1 pending\n  2 failing\n", (3, 2, 1)),
    ("tap", "TAP version 13\nok 1 - a\nnot ok 2 - b\nok 3 - c # SKIP no\n1..3\n", (1, 1, 1)),
]


@pytest.mark.parametrize(("framework", "output", "counts"), OUTPUTS, ids=range(len(OUTPUTS)))
def test_the_summary_of_a_framework_is_read(framework: str, output: str, counts: tuple[int, ...]) -> None:
    tally = count_tests(b"x" * 1000 + b"\n" + output.encode())
    assert tally is not None
    assert (tally.framework, tally.passed, tally.failed, tally.skipped) == (framework, *counts)


@pytest.mark.parametrize(
    "output",
    [
        b"",
        b"make: Nothing to be done for 'test'.\n",
        b"no tests ran in 0.01s\n",
        b"99999999 passed in 1s\n",
        b"1 passed in 1s" * 100,
        b"1 passed in 0.1s\n" + b"x" * TAIL_BYTES,
        b"\xff\xfe1 passed in\x00 1s",
    ],
    ids=range(7),
)
def test_what_tells_nothing_is_no_count(output: bytes) -> None:
    assert count_tests(output) is None


pieces = st.sampled_from(
    [output for _, output, _ in OUTPUTS] + ["\x1b[", "\r", " passed", "9" * 30, ", ", "1.."]
)


@given(st.lists(pieces | st.text(max_size=20), max_size=12), st.binary(max_size=50))
def test_any_output_makes_a_count_or_none(words: list[str], noise: bytes) -> None:
    tally = count_tests("".join(words).encode("utf-8", "replace") + noise)
    assert tally is None or all(0 <= one <= MOST for one in (tally.passed, tally.failed, tally.skipped))
    assert tally is None or isinstance(tally, Tally)
