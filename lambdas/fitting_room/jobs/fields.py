"""The parts that the request models share: strictness, kinds of text, and the error of a rule over several fields."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

# The description of a kind of text is what a refusal asks for.
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1024)]
Name = Annotated[
    str,
    StringConstraints(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f]+$"),
    Field(description="a text of 1 to 128 characters in one line"),
]
ClassName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z]+( [a-z]+)?$", max_length=32),
    Field(description="one or two English words in lower case, such as dress or evening dress, of at most 32 letters"),
]


class Strict(BaseModel):
    """Takes only what it says: `"2"` and true are no numbers, `"no"` is no boolean, an unknown field is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)


def rule_error(pointer: str, detail: str, remedy: str) -> PydanticCustomError:
    """Return the error of a broken rule, for a validator to raise.

    It names the field to change, and how. `pointer` begins with a slash, or is a field of the model that raises. An
    empty one means the validated value itself.
    """
    return PydanticCustomError("rule", "{detail}", {"pointer": pointer, "detail": detail, "remedy": remedy})
