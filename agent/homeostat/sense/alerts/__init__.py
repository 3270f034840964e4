"""What other systems send when something is wrong: bytes in, alerts or a typed refusal out.

Promise: pure. Nothing here reads a clock, a file or a socket, and no bytes whatever make it raise.
"""

from __future__ import annotations

from homeostat.sense.alerts.parse import Format as Format
from homeostat.sense.alerts.parse import parse as parse
from homeostat.sense.alerts.refusal import AlertRefusal as AlertRefusal
from homeostat.sense.alerts.refusal import Delivery as Delivery
from homeostat.sense.alerts.refusal import Refusal as Refusal
