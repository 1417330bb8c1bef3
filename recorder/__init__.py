"""The recorder: what was heard and seen becomes a file, a picture, a sealed folder, and a check of all three.

``writer`` appends what media workers hand it; ``compose`` makes the programme picture out of a capture and a ledger;
``seal`` and ``bag`` pack both as evidence; ``verify`` needs nothing but the folder. Law: 法释〔2017〕5号,
法释〔2021〕12号.
"""

from typing import Final

VERSION: Final = "0.1.0"
"""Stands in every manifest: which tool made it."""
