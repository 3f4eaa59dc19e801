"""Keys change and nobody loses data, for real: `python -m soak`, or `make soak`. See docs/testing.md.

A fleet of software thermometers writes to a live server as fast as the platform permits, while all its keys are renewed
twice, the platform is taken away and the portal is killed. At the end every measurement is counted.
"""
