"""Fits arguments that a model wrote freely to a function's schema, or says why they do not fit.

For servers that do not constrain what they generate. A value of another spelling is taken for what
was meant (`schema.coerce`); a value that the schema forbids never passes.
"""

from collections.abc import Sequence
from typing import Any

from npc_brain.errors import InferenceError
from npc_brain.inference.chat import FunctionCall, FunctionSchema
from npc_brain.schema.check import first_fault
from npc_brain.schema.coerce import as_meant


class ArgumentError(InferenceError):
    """A call that does not fit what was offered; the message says in what."""


def fit_call(name: str, arguments: Any, functions: Sequence[FunctionSchema]) -> FunctionCall:
    """The call of one of `functions` that a model meant.

    Arguments that the function does not have are left out, as are nulls for those it can do
    without. Raises ArgumentError when the function is not offered or the arguments do not fit.
    """
    function = next((each for each in functions if each.name == name), None)
    if function is None:
        offered = ", ".join(each.name for each in functions) or "none"
        raise ArgumentError(f"the model called {name[:80]!r}, offered are {offered}")
    schema = function.bounded()
    fitted = as_meant(schema, arguments)
    fault = first_fault(schema, fitted)
    if fault is not None:
        where = f"its argument {fault.path}" if fault.path else "what it is given"
        wanted = f"is {_shown(fault.value)}, wanted {fault.wanted}"
        problem = wanted if fault.wanted else fault.problem
        raise ArgumentError(f"the model called {name}, but {where} {problem}")
    return FunctionCall(name, fitted)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
