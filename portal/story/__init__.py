"""The story of how keys reach devices and people, played for real against a running portal.

`manage.py story` is the way in. Everything here acts from outside, over HTTP and with the software thermometer:
nothing looks into the portal's database, and what is believed to work is what was seen to work.
"""
