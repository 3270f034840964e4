"""What a policy may use: which actuators, targets, programs and images.

A second lock beside review: whoever can change a policy file cannot by that alone make the agent do what its operator
never allowed. Checked when policies are loaded for running, and again right before every start.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from types import MappingProxyType

from homeostat.model.commands import StartAction
from homeostat.model.policy import MANUAL, ActionSpec, Policy
from homeostat.model.unit_names import with_unit_type

_LEADING: Mapping[str, tuple[str, ...]] = MappingProxyType({"ansible": ("ANSIBLE_",), "terraform": ("TF_",)})
_LEADING_ANYWHERE = ("PATH", "LD_", "HOME", "XDG_", "PYTHON")
"""Beginnings of variables' names."""

Globs = tuple[str, ...] | None
"""Shell-style patterns, case-sensitive; None: everything."""


@dataclass(frozen=True, slots=True)
class AllowRule:
    """What the policies whose names match may use.

    `programs` are the first words of command lines. A name is looked for on the agent's PATH, and a path is whole and
    without `..`: else a policy could give an allowed name to a program of its own. Playbooks, inventories and
    configurations of Terraform run what they say, so where programs are bounded, none is allowed that is not named.
    """

    policies: str
    actuators: Globs = None
    targets: Globs = None
    programs: Globs = None
    images: Globs = None
    units: Globs = None
    playbooks: Globs = None
    configurations: Globs = None

    def objection(self, action: ActionSpec, target: str) -> str | None:
        """What of this action the rule does not name; None where it names all of it."""
        if not _matches(self.actuators, action.actuator):
            return f"actuator '{action.actuator}'"
        if not _matches(self.targets, target):
            return f"target '{target}'"
        image = action.parameters.get("image")
        if image is not None and not _matches(self.images, str(image)):
            return f"image '{image}'"
        other = self._objection_to_file_or_unit(action, target)
        if other is not None:
            return other
        program = _program(action)
        if self.programs is None or program is None:
            return None
        if not _matches(self.programs, str(program)) or not _is_one_program(str(program)):
            return f"program '{program}'"
        variable = _redirecting_variable(action.parameters.get("env"))
        return None if variable is None else f"program '{program}' with a {variable} of the policy's own"

    def _objection_to_file_or_unit(self, action: ActionSpec, target: str) -> str | None:
        for actuator, keys, own in (
            ("ansible", ("playbook", "inventory"), self.playbooks),
            ("terraform", ("cwd",), self.configurations),
        ):
            globs = () if own is None and self.programs is not None else own
            if action.actuator != actuator or globs is None:
                continue
            for key in keys:
                written = action.parameters.get(key)
                if not _matches(globs, str(written)):
                    return f"{key} '{written}'"
            variable = _variable_that_leads_elsewhere(action)
            if variable is not None:
                return f"{actuator} with a {variable} of the policy's own"
        unit = action.parameters.get("unit")
        if unit is None or self.units is None:
            return None
        name = _unit(unit, target)
        if name is None:
            return "unit that a step's argument gives"
        return None if _matches(self.units, name) else f"unit '{name}'"


class AllowList:
    """All rules. None at all allow everything; with the first one, what no rule names is refused."""

    def __init__(self, rules: Sequence[AllowRule] = ()) -> None:
        self._rules = tuple(rules)

    def __bool__(self) -> bool:
        """Whether there is any rule."""
        return bool(self._rules)

    def objection(self, policy: str, action: ActionSpec, target: str) -> str | None:
        """Why a policy must not run this action on this target; None where it may.

        What people do by hand is theirs to decide.
        """
        if not self._rules or action.actuator == MANUAL:
            return None
        own = [rule for rule in self._rules if fnmatchcase(policy, rule.policies)]
        if not own:
            return f"not allowed: no [allow] rule of homeostat.toml names policy '{policy}'"
        found = [rule.objection(action, target) for rule in own]
        if None in found:
            return None
        return f"not allowed: [allow] names no {found[0]} for policy '{policy}'"

    def refusal(self, command: StartAction) -> str | None:
        """Why this start must not be made; see `admission.Allowed`."""
        return self.objection(command.policy, command.action, command.target)

    def objections(self, policy: Policy) -> dict[str, str]:
        """By step or undo, why the policy must not run it."""
        found = {}
        for leaf in (*policy.leaves.values(), *policy.undos.values()):
            why = self.objection(policy.name, leaf.action, leaf.target)
            if why is not None:
                found[leaf.id] = why
        return found


def _program(action: ActionSpec) -> object:
    """The program of a command line, or of a program that an actuator calls; None where there is none."""
    argv = action.parameters.get("argv")
    if isinstance(argv, list | tuple) and argv:
        return argv[0]
    return action.parameters.get("program", "terraform" if action.actuator == "terraform" else None)


def _unit(written: object, target: str) -> str | None:
    """The unit's name as far as it is settled before the start; None where an argument gives it."""
    if isinstance(written, str):
        return written
    part = written.get("target") if isinstance(written, Mapping) else None
    kind, _, name = target.partition("/")
    filled = {"kind": kind, "name": name, "full": target}.get(str(part))
    return None if filled is None else with_unit_type(filled)


def _is_one_program(program: str) -> bool:
    """Whether neither the working directory nor a `..` decides which program it is."""
    return "/" not in program or (program.startswith("/") and ".." not in program.split("/"))


def _given(env: object) -> list[str]:
    """Variables that have a value of the policy's own."""
    return [str(name) for name, value in env.items() if value is not None] if isinstance(env, Mapping) else []


def _redirecting_variable(env: object) -> str | None:
    """The variable that would have another program run, or other code in it (execvp(3), ld.so(8)); None: none is set.

    A variable that is passed on by its name is the agent's own.
    """
    return next((name for name in _given(env) if name == "PATH" or name.startswith("LD_")), None)


def _variable_that_leads_elsewhere(action: ActionSpec) -> str | None:
    """The variable by which Ansible or Terraform would run what no allowed file says; None: none is set.

    Both take settings, plugins and providers from the environment, from files below HOME too, and Ansible takes
    connections and interpreters from variables.
    """
    prefixes = _LEADING[action.actuator]
    for name in _given(action.parameters.get("env")):
        if name.startswith((*prefixes, *_LEADING_ANYWHERE)) and not name.startswith("TF_VAR_"):
            return name
    return next((name for name in _given(action.parameters.get("extra_vars")) if name.startswith("ansible_")), None)


def _matches(globs: Globs, text: str) -> bool:
    return globs is None or any(fnmatchcase(text, glob) for glob in globs)
