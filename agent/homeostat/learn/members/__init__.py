"""Members: the ways there are to foretell which candidate works.

Promise: a member is fitted on `Samples` and gives plain numbers that the live scorer knows (`model.ranking`). The same
samples and seed give the same numbers; it never sees the clock, files or the journal. `tests/unit/learn/member_checks`
is what every member must pass, a plugin's too.
"""
