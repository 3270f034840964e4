"""From a condition's text to its typed tree, or to what is wrong with it at which column.

Python's own parser does the grammar, on tokens whose literals are masked; an allow-list over its `ast` does the rest.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from homeostat.model.nearest import did_you_mean
from homeostat.model.signals import SignalSpec, SignalType
from homeostat.policy.condition_scanner import ConditionFaults, Fault, scan
from homeostat.policy.expression import (
    All,
    Arithmetic,
    Call,
    Compare,
    CompareText,
    Comparison,
    Function,
    Known,
    Negation,
    Not,
    Number,
    NumberExpr,
    NumberSignal,
    Operator,
    Some,
    TruthExpr,
)

CHARACTERS_MAX = 1000
NODES_MAX = 200
DEPTH_MAX = 30

_CALLS = ("abs", "known", "max", "min")
_COMPARISONS: dict[type[ast.cmpop], Comparison] = {
    ast.Lt: Comparison.LESS,
    ast.LtE: Comparison.LESS_OR_EQUAL,
    ast.Gt: Comparison.GREATER,
    ast.GtE: Comparison.GREATER_OR_EQUAL,
    ast.Eq: Comparison.EQUAL,
    ast.NotEq: Comparison.NOT_EQUAL,
}
_OPERATORS: dict[type[ast.operator], Operator] = {
    ast.Add: Operator.ADD,
    ast.Sub: Operator.SUBTRACT,
    ast.Mult: Operator.MULTIPLY,
    ast.Div: Operator.DIVIDE,
}


@dataclass(frozen=True, slots=True)
class _TextLiteral:
    value: str


@dataclass(frozen=True, slots=True)
class _TextSignal:
    name: str


_Value = NumberExpr | _TextLiteral | _TextSignal
"""What may stand on one side of a comparison."""


Constants = Mapping[str, float | str]
"""Parameters of a policy, by name: numbers and texts that conditions may name."""


def parse_condition(
    text: str, signals: Mapping[str, SignalSpec], constants: Constants = MappingProxyType({})
) -> TruthExpr:
    """Parse and type-check a condition. A name in `constants` stands for its value.

    Raises:
        ConditionFaults: it is not in the language, names a signal that is not there, or mixes up types.
    """
    if len(text) > CHARACTERS_MAX:
        message = f"the condition has {len(text)} characters; at most {CHARACTERS_MAX} are allowed"
        raise ConditionFaults([Fault(CHARACTERS_MAX, "E123", message)])
    tokens = scan(text)
    masked = [" "] * len(text)
    for token in tokens:
        masked[token.column : token.column + len(token.masked)] = token.masked
    start = tokens[0].column
    try:
        body = ast.parse("".join(masked[start:]), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise ConditionFaults([_syntax_fault(error, start)]) from None
    if sum(isinstance(node, ast.expr) for node in ast.walk(body)) > NODES_MAX:
        message = f"the condition has more than {NODES_MAX} parts; compute some of it in a signal's PromQL"
        raise ConditionFaults([Fault(0, "E123", message)])
    literals = {token.column: token.value for token in tokens if token.value is not None}
    typing = _Typing(text, start, literals, signals, constants)
    tree = typing.truth(body, 1)
    if typing.faults or tree is None:
        raise ConditionFaults(typing.faults)
    return tree


def _syntax_fault(error: Exception, start: int) -> Fault:
    if isinstance(error, MemoryError | RecursionError) or "too many nested" in str(error):
        return Fault(0, "E123", f"the condition nests deeper than {DEPTH_MAX}")
    offset = error.offset if isinstance(error, SyntaxError) and error.offset else 1
    return Fault(start + offset - 1, "E120", "the condition cannot be read from here on")


class _Typing:
    """Turns Python's tree into ours and collects faults. Every method gives None where it has noted one."""

    def __init__(
        self,
        text: str,
        start: int,
        literals: Mapping[int, float | str],
        signals: Mapping[str, SignalSpec],
        constants: Constants,
    ) -> None:
        self.text = text
        self.start = start
        self.literals = literals
        self.signals = signals
        self.constants = constants
        self.faults: list[Fault] = []

    def fault(self, node: ast.expr, code: str, message: str) -> None:
        self.faults.append(Fault(self.start + node.col_offset, code, message))

    def too_deep(self, node: ast.expr, depth: int) -> bool:
        if depth <= DEPTH_MAX:
            return False
        self.fault(node, "E123", f"the condition nests deeper than {DEPTH_MAX}")
        return True

    def source(self, node: ast.expr) -> str:
        start = self.start + node.col_offset
        return self.text[start : self.start + (node.end_col_offset or node.col_offset)].strip()

    def truth(self, node: ast.expr, depth: int) -> TruthExpr | None:
        """Type a node where a truth is wanted."""
        if self.too_deep(node, depth):
            return None
        match node:
            case ast.BoolOp(op, values):
                operands = [self.truth(value, depth + 1) for value in values]
                found = tuple(operand for operand in operands if operand is not None)
                if len(found) < len(operands):
                    return None
                return All(found) if isinstance(op, ast.And) else Some(found)
            case ast.UnaryOp(ast.Not(), operand):
                inner = self.truth(operand, depth + 1)
                return None if inner is None else Not(inner)
            case ast.Compare():
                return self.compare(node, depth)
            case ast.Call(ast.Name("known")):
                return self.known(node)
            case _:
                self.not_a_truth(node)
                return None

    def not_a_truth(self, node: ast.expr) -> None:
        """A value stands where a condition is wanted; say first what is wrong inside it."""
        before = len(self.faults)
        value = self.value(node, 1)
        if value is not None and len(self.faults) == before:
            text = self.source(node)
            self.fault(node, "E122", f"'{text}' alone is not a condition; compare it, as in '{text} > 0'")

    def compare(self, node: ast.Compare, depth: int) -> TruthExpr | None:
        """`a < b < c` means `a < b and b < c`."""
        sides = [node.left, *node.comparators]
        values = [self.value(side, depth + 1) for side in sides]
        links: list[TruthExpr] = []
        for place, operator in enumerate(node.ops):
            left, right = values[place], values[place + 1]
            comparison = _COMPARISONS.get(type(operator))
            if comparison is None:
                self.fault(node, "E120", "compare with < <= > >= == !=")
            elif left is not None and right is not None:
                link = self.link(sides[place], left, comparison, right)
                if link is not None:
                    links.append(link)
        if len(links) < len(node.ops):
            return None
        return links[0] if len(links) == 1 else All(tuple(links))

    def link(self, node: ast.expr, left: _Value, comparison: Comparison, right: _Value) -> TruthExpr | None:
        """One comparison: numbers with numbers, or a text signal with a string."""
        match left, right:
            case (_TextSignal(name), _TextLiteral(text)) | (_TextLiteral(text), _TextSignal(name)):
                if comparison in (Comparison.EQUAL, Comparison.NOT_EQUAL):
                    return CompareText(name, comparison is Comparison.EQUAL, text)
                self.fault(node, "E122", f"text is compared with == or != only, not with {comparison}")
            case (_TextSignal() | _TextLiteral(), _) | (_, _TextSignal() | _TextLiteral()):
                self.fault(node, "E122", f"cannot compare {_kind(left)} with {_kind(right)}")
            case _:
                return Compare(comparison, left, right)
        return None

    def known(self, node: ast.Call) -> TruthExpr | None:
        if len(node.args) != 1 or node.keywords or not isinstance(node.args[0], ast.Name):
            self.fault(node, "E120", "known takes the name of one signal, as in known(db_up)")
            return None
        signal = self.signal(node.args[0])
        return None if signal is None else Known(signal.name, isinstance(signal, _TextSignal))

    def value(self, node: ast.expr, depth: int) -> _Value | None:
        """Type a node where a number or a text is wanted."""
        if self.too_deep(node, depth):
            return None
        match node:
            case ast.Constant():
                return self.literal(node)
            case ast.Name(name) if name in self.constants:
                constant = self.constants[name]
                return _TextLiteral(constant) if isinstance(constant, str) else Number(constant)
            case ast.Name():
                return self.signal(node)
            case ast.UnaryOp(ast.USub(), operand):
                inner = self.number(operand, depth + 1)
                return None if inner is None else Negation(inner)
            case ast.BinOp(left, operator, right) if type(operator) in _OPERATORS:
                first, second = self.number(left, depth + 1), self.number(right, depth + 1)
                return (
                    None if first is None or second is None else Arithmetic(_OPERATORS[type(operator)], first, second)
                )
            case ast.Call():
                return self.call(node, depth)
            case ast.BoolOp() | ast.Compare() | ast.UnaryOp(ast.Not()):
                self.fault(node, "E122", f"'{self.source(node)}' is true or false; a number or a text is wanted here")
            case _:
                self.fault(node, "E120", f"'{self.source(node)}' is not in the condition language")
        return None

    def literal(self, node: ast.Constant) -> _Value | None:
        value = self.literals.get(self.start + node.col_offset)
        if value is None or type(node.value) not in (int, str):
            self.fault(node, "E120", f"'{self.source(node)}' is not in the condition language")
            return None
        if isinstance(value, float):
            return Number(value)
        return _TextLiteral(value)

    def signal(self, node: ast.Name) -> NumberSignal | _TextSignal | None:
        spec = self.signals.get(node.id)
        if spec is not None:
            return _TextSignal(spec.name) if spec.type is SignalType.TEXT else NumberSignal(spec.name)
        if node.id in _CALLS:
            self.fault(node, "E120", f"{node.id} is a function; give it arguments in parentheses")
        elif node.id.lower() in ("true", "false", "null", "none", "nan", "inf"):
            self.fault(node, "E120", f"'{node.id}' is not in the condition language; compare with a number or a string")
        else:
            self.fault(
                node, "E121", f"no signal is named '{node.id}'{did_you_mean(node.id, (*self.signals, *self.constants))}"
            )
        return None

    def call(self, node: ast.Call, depth: int) -> NumberExpr | None:
        name = node.func.id if isinstance(node.func, ast.Name) else self.source(node.func)
        if name == "known":
            self.fault(node, "E122", "known(...) is true or false; it stands alone, as in 'known(x) and x > 1'")
        elif name not in _CALLS or node.keywords:
            hint = did_you_mean(name, _CALLS)
            self.fault(node, "E120", f"'{name}' is not a function; there are abs, min, max and known{hint}")
        elif (name == "abs") is not (len(node.args) == 1) or not node.args:
            wanted = "one argument" if name == "abs" else "two arguments or more"
            self.fault(node, "E120", f"{name} takes {wanted}, not {len(node.args)}")
        else:
            numbers = [self.number(argument, depth + 1) for argument in node.args]
            found = tuple(number for number in numbers if number is not None)
            return Call(Function(name), found) if len(found) == len(numbers) else None
        return None

    def number(self, node: ast.expr, depth: int) -> NumberExpr | None:
        value = self.value(node, depth)
        if isinstance(value, _TextLiteral | _TextSignal):
            self.fault(node, "E122", f"{_kind(value)} cannot be calculated with")
            return None
        return value


def _kind(value: _Value) -> str:
    match value:
        case _TextSignal(name):
            return f"the text signal '{name}'"
        case _TextLiteral(text):
            return f'the text "{text}"'
        case NumberSignal(name):
            return f"the number signal '{name}'"
        case _:
            return "a number"
