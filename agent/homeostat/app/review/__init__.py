"""The report after an incident, for somebody who was not there.

Promise: nothing is computed that the journal, or the policy version the incident was pinned to, does not say; where
either is missing the report says so. All text is plain until `html` or `markdown` escapes it.
"""
