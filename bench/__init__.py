"""How fast the portal is, measured: `python -m bench`, or `make bench`. See docs/performance.md.

A real gunicorn with two workers answers wrk over loopback, on SQLite and on PostgreSQL. Bare Django views on the same
database settings are measured in the same minutes, turn by turn, so that the ratios hold on any machine.
"""
