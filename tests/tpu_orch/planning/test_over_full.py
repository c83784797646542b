"""What the compiler says of programs that do not fit."""

from tpu_orch.planning.compiled import over_full

GIB = 2**30
NOW = (
    "RESOURCE_EXHAUSTED: E1000: CompileTimeHbmOom: Ran out of memory on HBM, the total memory required for HLO temporaries "
    "(800.50G) exceeds available HBM (15.75G). HLO module: jit_f.\nSee https://openxla.org/xla/errors/error_1000"
)
BEFORE = (
    "RESOURCE_EXHAUSTED: XLA:TPU compile permanent error. Ran out of memory in memory space hbm. Used 63.80G of 30.75G hbm. "
    "Exceeded hbm capacity by 33.05G.\n\nTotal hbm usage >= 65.05G:"
)


def test_the_message_says_how_much_is_needed_and_there() -> None:
    assert over_full(NOW) == (800.5 * GIB, 15.75 * GIB)
    assert over_full(BEFORE) == (63.8 * GIB, 30.75 * GIB)
    assert over_full("INTERNAL: something else") is None
