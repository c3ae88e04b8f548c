"""The HTTP API and the page: what users ask for, and what they are answered.

Inside: `__main__` puts it together, one module a noun has its routes, `rows` and `database` do the
I/O, and payloads, parameters, records, outcomes and problems decide and do none.
"""
