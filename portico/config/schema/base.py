"""What every part of the schema is made of: the closed `Section` and the common kinds of values.

The loader, the page `docs/configuration.md`, the JSON Schema for editors and the names of the
environment variables are all derived from the Structs of this package, so a new setting is one
field. Keys, defaults and ranges of the common part are those of litellm-rs 0.4.16
(https://docs.rs/litellm-rs/0.4.16, read 2026-11-23); where a default differs, the description says
why.

What `Meta(extra=...)` may hold, for `decode`: `unused` (a notice for whoever changes the setting:
it has no effect here, and what does instead), `harmless` (values that need no such notice), `fold`
(lower case), `choices` (a table of allowed words, from `choices`) and `mapping_key` (a mapping with
that key stands for its value). A Struct's class variable `shorthand` names the field that a plain
scalar stands for; `unknown = "notice"` accepts keys that it does not know.
"""

from decimal import Decimal
from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta

Port = Annotated[int, Meta(ge=0, le=65535)]


Count = Annotated[int, Meta(ge=1)]


NonEmpty = Annotated[str, Meta(min_length=1)]


Seconds = Annotated[float, Meta(ge=0, le=86_400)]


PositiveSeconds = Annotated[float, Meta(gt=0, le=86_400)]


Price = Annotated[Decimal, Meta(extra={"ge": 0})]


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A closed mapping: an unknown key is a problem, unless the class says `unknown = "notice"`."""

    shorthand: ClassVar[str | None] = None
    unknown: ClassVar[str] = "problem"
