"""Policy tests as JUnit XML, which every CI system reads."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from homeostat.simulate.bench.testing import Tested
from homeostat.simulate.bench.timeline import timeline


def junit_xml(tested: Tested) -> bytes:
    """One `testcase` a test, with the misses and the course of those that failed."""
    root = ET.Element("testsuites")
    for suite in dict.fromkeys(outcome.suite for outcome in tested.outcomes):
        outcomes = [outcome for outcome in tested.outcomes if outcome.suite == suite]
        failures = sum(not outcome.passed for outcome in outcomes)
        part = ET.SubElement(root, "testsuite", name=suite, tests=str(len(outcomes)), failures=str(failures))
        for outcome in outcomes:
            case = ET.SubElement(part, "testcase", classname=outcome.case.policy.name, name=outcome.case.name)
            if not outcome.passed:
                message = "; ".join(f"{miss.position}: {miss.message}" for miss in outcome.misses)
                failure = ET.SubElement(case, "failure", message=message)
                failure.text = "\n".join(timeline(outcome.course))
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))
