import pytest
from tests.unit.learn.incident_streams import policy_of

from homeostat.cli.situation import _value
from homeostat.model.errors import UsageError
from homeostat.model.signals import Value


@pytest.mark.parametrize(("text", "value"), [("-3", -3.0), ("5%", 0.05), ("2h", 7200.0), ("unknown", None)])
def test_a_signals_value_may_be_below_zero_and_have_a_unit(text: str, value: Value) -> None:
    assert _value(policy_of(), "errors", text) == value


@pytest.mark.parametrize("text", ["", "-", "--3", "nan", "-inf", "1e999"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=f"--when errors={text}: "):
        _value(policy_of(), "errors", text)
