"""Copies that tell whose they are: a visible mark, an invisible one, and the detector that reads the invisible one.

Rules: pictures are numpy, files are PyAV, geometry is Pillow's; nothing here knows a court or a person beyond the words
it is told to draw. No claim is made that a mark cannot be removed (COURT.md 7).
"""
