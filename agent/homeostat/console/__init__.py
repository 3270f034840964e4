"""The on-call web page and its JSON API: what the journal says, live, and the forms by which people answer.

Promise: it only reads the journal, and what people say goes into the inbox, as from the command line: it decides
nothing, starts nothing, and runs in a process of its own, so that it can cost the loop nothing. Nobody without
credentials sees anything, and no page asks anything of another host.
"""
