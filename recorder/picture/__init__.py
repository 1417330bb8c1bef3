"""The programme picture: who sits where, what stands on the plates, the clock, the marks; Pillow draws, numpy
composes."""
