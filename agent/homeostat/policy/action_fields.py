"""What every action of the catalogue has, whichever actuator runs it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Discriminator, Field, PlainValidator, Tag, WithJsonSchema

from homeostat.model.policy import Effect
from homeostat.policy.fields import Name, PositiveDuration
from homeostat.policy.parameter_values import ARGV_MAX, SECRET_SCHEMA, SUBSTITUTION_SCHEMA
from homeostat.policy.parts import Part, ProbeChoice, UndoFields


class ParameterFields(Part):
    """One argument that an action takes in a step's `with`. A plain string is short for its `type`.

    It is required, unless it has a `default` or says `required: false`.
    """

    type: Literal["percent", "integer", "number", "text", "boolean"]
    default: str | int | float | bool | None = None
    required: bool | None = None

    @property
    def is_required(self) -> bool:
        """Whether every step must give it."""
        return self.default is None and self.required is not False


ParameterChoice = Annotated[
    Annotated[ParameterFields, Tag("<mapping>")]
    | Annotated[Literal["percent", "integer", "number", "text", "boolean"], Tag("<other>")],
    Discriminator(lambda value: "<mapping>" if isinstance(value, dict) else "<other>"),
]


class ActionFields(Part):
    """What every action has, whichever actuator runs it. Keys not named here are the actuator's parameters.

    `destructive` and `sets` are for `lint` alone: that it destroys what cannot be got back (nothing said: `lint` goes
    by effect and name), and the signals that it writes itself, which therefore prove nothing.
    """

    model_config = ConfigDict(extra="allow")

    actuator: Name
    effect: Annotated[Effect, Field(strict=False)] = Effect.UNSAFE
    probe: ProbeChoice | None = None
    timeout: PositiveDuration | None = None
    takes: PositiveDuration = 30.0
    undo: UndoFields | None = None
    destructive: bool | None = None
    sets: list[Name] = Field(default_factory=list, max_length=50)
    arguments: dict[str, ParameterChoice] = Field(default_factory=dict, alias="with", max_length=50)

    @property
    def parameters(self) -> dict[str, ParameterFields]:
        """The declared arguments, by name."""
        return {
            name: choice if isinstance(choice, ParameterFields) else ParameterFields(type=choice)
            for name, choice in self.arguments.items()
        }


COMMON_KEYS = frozenset(field.alias or name for name, field in ActionFields.model_fields.items())


def checked(check: Callable[[Any], object], schema: dict[str, Any]) -> tuple[PlainValidator, WithJsonSchema]:
    """What a parameter is checked by, and its JSON Schema."""
    return PlainValidator(check), WithJsonSchema(schema)


TEXT_SCHEMA = {"anyOf": [{"type": "string"}, SUBSTITUTION_SCHEMA]}
SECRET_OR_TEXT_BY_NAME_SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": {"anyOf": [{"type": "string"}, SUBSTITUTION_SCHEMA, SECRET_SCHEMA]},
}
TEXTS_SCHEMA: dict[str, Any] = {"type": "array", "minItems": 1, "maxItems": ARGV_MAX, "items": TEXT_SCHEMA}
PATH_SCHEMA: dict[str, Any] = {"type": "string", "pattern": "^/"}
ENVIRONMENT_SCHEMA: dict[str, Any] = {
    "anyOf": [{"type": "array", "items": {"type": "string"}}, SECRET_OR_TEXT_BY_NAME_SCHEMA]
}
