"""Convert JSON values to structs. All errors are reported together, in plain English."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from types import MappingProxyType, NoneType, UnionType
from typing import Annotated, Any, NamedTuple, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import Meta, Struct, UnsetType, inspect

from chalicelib.decoding import convert_value
from chalicelib.errors import FieldError, InvalidInput

T = TypeVar("T")
Path = tuple[str | int, ...]
"""Names and indexes that lead to a value."""
Check = Callable[[Any], str | None]
"""Returns what is wrong with a value of the right type; None if it is valid."""
MAX_ERRORS = 100
"""A larger report would help no one, and could be 20 times as large as the request."""
_NONE: Mapping[str, Check] = MappingProxyType({})
_INVALID = object()


class Flaw(NamedTuple):
    """One error: the names and indexes that lead to it, and what to send instead."""

    path: tuple[str | int, ...]
    detail: str

    @property
    def pointer(self) -> str:
        """Return the path as a JSON pointer (RFC 6901)."""
        return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in self.path)


def requires(check: Check | None = None, *, expected: str | None = None) -> Meta:
    """Return an annotation: a check of the value, and a text for its type, such as "a color, such as #1A2B3C"."""
    return Meta(extra={"check": check, "expected": expected})


def convert(value: Any, cls: type[T], checks: Mapping[str, Check] = _NONE) -> T:
    """Return the JSON value as the struct `cls`. `checks` are additional checks, by the field's name.

    Raise `InvalidInput` with everything that is wrong.
    """
    if flaws := find_flaws(value, cls, checks):
        errors = [FieldError(flaw.pointer, flaw.detail) for flaw in flaws]
        raise InvalidInput("The request is invalid; see `errors`.", errors=errors)
    return convert_value(value, cls)


def find_flaws(value: Any, cls: type[Struct] | type[T], checks: Mapping[str, Check] = _NONE) -> list[Flaw]:
    """Return the errors of the value as the struct `cls`: at most `MAX_ERRORS`, in the order of its fields.

    msgspec checks each type, so every value that passes can be converted. A struct may have a static method
    `check_together`: it gets the valid fields and yields (name, detail).
    """
    flaws: list[Flaw] = []
    _convert_struct(value, cls, (), flaws, checks)
    return flaws[:MAX_ERRORS]


class _Type(NamedTuple):
    """A field's annotation, parsed once."""

    annotated: Any
    """Without null. For a list: with items of any type, so that only its length is checked."""
    box: Any
    """A struct with this type as its field `value`: msgspec parses a struct's annotations only once."""
    metas: Sequence[Meta]
    checks: Sequence[Check]
    is_nullable: bool
    structs: Sequence[Any]
    """The structs of a tagged union, or the only struct; empty for another type."""
    item: _Type | None
    """The type of a list's items."""


def _convert(value: Any, kind: _Type, path: Path, flaws: list[Flaw]) -> Any:
    """Return the converted value, or add its errors and return `_INVALID`."""
    if value is None and kind.is_nullable:
        return None
    if kind.structs:
        return _convert_struct(value, _tagged(value, kind.structs, path, flaws), path, flaws)
    is_sound = True
    if kind.item and isinstance(value, list):
        items = [_convert(item, kind.item, (*path, index), flaws) for index, item in enumerate(value)]
        is_sound = _INVALID not in items
    try:
        converted = convert_value({"value": value}, kind.box).value
    except msgspec.ValidationError:
        flaws.append(Flaw(path, f"This must be {_expected(kind)}."))
        return _INVALID
    for check in kind.checks:
        if detail := check(converted):
            flaws.append(Flaw(path, detail))
            return _INVALID
    return converted if is_sound else _INVALID


def _convert_struct(value: Any, kind: Any, path: Path, flaws: list[Flaw], checks: Mapping[str, Check] = _NONE) -> Any:
    """Like `_convert`, but a valid struct is returned as a dict of its fields: `check_together` needs no more."""
    if kind is None:
        return _INVALID
    if not isinstance(value, dict):
        flaws.append(Flaw(path, "This must be an object."))
        return _INVALID
    before = len(flaws)
    fields, config = _fields(kind), kind.__struct_config__
    valid: dict[str, Any] = {}
    for name, (is_required, field) in fields.items():
        place = (*path, name)
        if name not in value:
            flaws += [Flaw(place, "This is required.")] if is_required else []
            continue
        converted = _convert(value[name], field, place, flaws)
        detail = checks[name](converted) if name in checks and converted not in (_INVALID, None) else None
        if detail:
            flaws.append(Flaw(place, detail))
        elif converted is not _INVALID:
            valid[name] = converted
    flaws += _unknown_fields(value, config, fields, path)
    if hasattr(kind, "check_together"):
        together: Iterator[tuple[str, str]] = kind.check_together(valid)
        flaws += [Flaw((*path, name), detail) for name, detail in together]
    return valid if len(flaws) == before else _INVALID


def _unknown_fields(value: Mapping[str, Any], config: Any, fields: Mapping[str, Any], path: Path) -> list[Flaw]:
    if not config.forbid_unknown_fields:
        return []
    accepted = f"Accepted here: {', '.join(fields)}." if fields else "None is accepted here."
    unknown = [name for name in value if name not in fields and (config.tag is None or name != config.tag_field)]
    return [Flaw((*path, name), f"This name is unknown. {accepted}") for name in unknown]


def _tagged(value: Any, kinds: Sequence[Any], path: Path, flaws: list[Flaw]) -> Any:
    """Return the struct of the value's tag. For an unknown tag, add the error and return None."""
    config = kinds[0].__struct_config__
    if len(kinds) == 1 or not isinstance(value, dict):
        return kinds[0]
    tags = {kind.__struct_config__.tag: kind for kind in kinds}
    tag = value.get(config.tag_field)
    if isinstance(tag, str) and tag in tags:
        return tags[tag]
    detail = f"This must be one of: {', '.join(tags)}." if config.tag_field in value else "This is required."
    flaws.append(Flaw((*path, config.tag_field), detail))
    return None


@cache
def _fields(kind: Any) -> dict[str, tuple[bool, _Type]]:
    """Return for each field whether it is required, and its type."""
    return {field.encode_name: (field.required, _type(field.type)) for field in msgspec.structs.fields(kind)}


def _type(annotation: Any) -> _Type:
    kinds, metas = _alternatives(annotation)
    bare = [kind for kind in kinds if kind not in (NoneType, UnsetType)]
    structs = [kind for kind in bare if isinstance(kind, type) and issubclass(kind, Struct)]
    is_list = get_origin(bare[0]) is list
    plain = list[Any] if is_list else bare[0]
    annotated = Annotated[(plain, *metas)] if metas else plain
    return _Type(
        annotated=annotated,
        box=None if structs else msgspec.defstruct("Box", [("value", annotated)]),
        metas=metas,
        checks=[meta.extra["check"] for meta in metas if meta.extra and meta.extra["check"]],
        is_nullable=NoneType in kinds,
        structs=structs,
        item=_type(get_args(bare[0])[0]) if is_list else None,
    )


def _alternatives(kind: Any) -> tuple[list[Any], list[Meta]]:
    """Return the types of a union, without their annotations, and those annotations."""
    if get_origin(kind) is Annotated:
        inner, *metas = get_args(kind)
        kinds, others = _alternatives(inner)
        return kinds, [*others, *metas]
    if get_origin(kind) in (Union, UnionType):
        parts = [_alternatives(part) for part in get_args(kind)]
        return [kind for kinds, _ in parts for kind in kinds], [meta for _, metas in parts for meta in metas]
    return [kind], []


def _expected(kind: _Type) -> str:
    """Describe a value of this type."""
    for meta in kind.metas:
        if meta.extra and meta.extra["expected"]:
            return str(meta.extra["expected"])
    form = inspect.type_info(kind.annotated)
    match form.type if isinstance(form, inspect.Metadata) else form:
        case inspect.StrType(max_length=most):
            text = "text" if most is None else f"text of at most {most} characters"
        case inspect.IntType(ge=least, le=most):
            text = "a whole number" if most is None else f"a whole number from {least} to {most}"
        case inspect.BoolType():
            text = "true or false"
        case inspect.DateTimeType():
            text = "a date and time with a zone, such as 2027-01-05T15:00:00Z"
        case inspect.LiteralType(values=values):
            text = f"one of: {', '.join(map(str, values))}"
        case inspect.EnumType(cls=enum):
            text = f"one of: {', '.join(str(member.value) for member in enum)}"
        case inspect.ListType(max_length=most):
            text = "a list" if most is None else f"a list of at most {most} items"
        case inspect.DictType():
            text = "an object"
        case other:
            raise TypeError(f"There is no text for {other}.")
    return text
