"""What the simulator can be told to do: one JSON object a script, checked before it counts.

Promised to those who test with it: an unknown field, a wrong type or a mix that makes no sense is
ScriptError with a sentence. Pure.

A script says either how the numbers of the next purchases behave (delay_s, never, code, text,
second_sms, cancel_after_s, lifetime_s), or how the next calls of an action fail (error,
http_status, html, timeout_s). `service` and `dialect` narrow it, `times` ends it; the newest that
fits wins.
"""

from typing import Annotated, TypeAlias, TypeVar

import msgspec

Seconds: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=86_400)]
Words: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]

S = TypeVar("S", bound=msgspec.Struct)
PURCHASES = ("getNumber", "getNumberV2", "buy")


class ScriptError(Exception):
    """The script cannot be followed; the sentence says why."""


class Behaviour(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a number behaves. Times in seconds after the purchase; `second_sms` after the first SMS.

    `text` without `code` has its code read from it, as providers do.
    """

    delay_s: Seconds = 3.0
    never: bool = False
    code: Words | None = None
    text: Words | None = None
    second_sms: Seconds | None = None
    cancel_after_s: Seconds = 0.0
    lifetime_s: Seconds = 1200.0


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a call fails: an error word, an HTTP status, a page of HTML, or no answer for a time.

    `applied`: the call first takes effect, and only its answer is lost. `timeout_s` alone: it takes
    effect, and its own answer comes that late.
    """

    error: Words | None = None
    http_status: Annotated[int, msgspec.Meta(ge=200, le=599)] | None = None
    html: bool = False
    timeout_s: Annotated[float, msgspec.Meta(ge=0, le=120)] | None = None
    retry_after_s: Annotated[int, msgspec.Meta(ge=0, le=86_400)] | None = None
    applied: bool = False

    @property
    def only_slow(self) -> bool:
        return self.error is None and self.http_status is None and not self.html


class Script(msgspec.Struct, frozen=True, kw_only=True):
    """One script: for which calls, how many of them, and what happens. `times` None: until reset.

    `action` None means the purchases, `dialect` None all of them.
    """

    dialect: str | None = None
    service: str | None = None
    action: str | None = None
    times: int | None = None
    behaviour: Behaviour | None = None
    fault: Fault | None = None

    def fits(self, action: str, service: str | None) -> bool:
        actions = PURCHASES if self.action is None else (self.action,)
        return action in actions and self.service in (None, service)


class _Scope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    dialect: Words | None = None
    service: Words | None = None
    action: Words | None = None
    times: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None


def parse(body: bytes) -> Script:
    """A script from its JSON. ScriptError with a sentence."""
    fields = _object(body)
    scope = _take(_Scope, fields)
    faulty = sorted(fields.keys() & set(Fault.__struct_fields__))
    behaving = sorted(fields.keys() - set(Fault.__struct_fields__))
    if faulty and behaving:
        raise ScriptError(f"{faulty[0]} is about a call and {behaving[0]} about a number: send two")
    if not faulty and not behaving:
        raise ScriptError('the script says nothing; try {"delay_s": 1}')
    if faulty:
        return _script(scope, fault=_fault(fields))
    if scope.action is not None:
        raise ScriptError("action goes with error, http_status, html or timeout_s")
    return _script(scope, behaviour=_take(Behaviour, fields))


def _script(
    scope: _Scope, *, behaviour: Behaviour | None = None, fault: Fault | None = None
) -> Script:
    return Script(
        dialect=scope.dialect,
        service=scope.service,
        action=scope.action,
        times=scope.times,
        behaviour=behaviour,
        fault=fault,
    )


def _fault(fields: dict[str, object]) -> Fault:
    fault = _take(Fault, fields)
    if fault.only_slow and fault.timeout_s is None:
        raise ScriptError("a failing call needs error, http_status, html or timeout_s")
    return fault


def _object(body: bytes) -> dict[str, object]:
    try:
        return msgspec.json.decode(body, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ScriptError(f"the script must be one JSON object: {error}") from None


def _take(kind: type[S], fields: dict[str, object]) -> S:
    """Read the fields of that kind out of `fields`; the last kind to take refuses what is left."""
    last = kind is not _Scope
    names = fields.keys() if last else fields.keys() & set(kind.__struct_fields__)
    try:
        return msgspec.convert({name: fields.pop(name) for name in list(names)}, kind)
    except msgspec.ValidationError as error:
        raise ScriptError(f"the script is wrong: {error}") from None
