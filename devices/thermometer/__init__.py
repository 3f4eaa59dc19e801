"""The software thermometer: a device of the kind that the portal hands keys to.

`python -m devices.thermometer` runs it; `Thermometer` is the same thing for programs and tests. It speaks the protocol
of `docs/device-protocol.md` and needs nothing of the portal's code but the envelope and the form of a serial number.
"""
