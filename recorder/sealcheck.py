"""The seal of an archive: signature and whose key it is, time-stamp, the bag's own lists, digests, Merkle roots.

A signature proves that the holder of a key sealed this. Whose key it is must be known from elsewhere (``Anchors``);
where nothing was given the report says so. Every list is checked against every other, so that a damage is told once by
the file it is in: RFC 8493 manifests, our signed manifest, the roots (RFC 6962), the token (RFC 3161).
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

from courtroom.errors import BadMessage
from courtroom.hearing import keyring
from recorder import timestamp
from recorder.bag import BAGIT, KEYS, LAST, bag_info, tag_lines
from recorder.bagcheck import parse_manifest
from recorder.examined import Examined
from recorder.seal import PREFIX, merkle_root, signature_file, signed_by
from recorder.sealedjson import bounded_json, checked_manifest, checked_signature
from recorder.timestamp import AUTHORITY, TOKEN

UNSIGNED: Final = frozenset({"manifest.json", "signature.json"})
_LISTED: Final = ("bagit.txt", "bag-info.txt", "manifest-sha256.txt")
CLOCKS_US: Final = 60_000_000
"""How far the court's clock and an authority's may differ."""


def signature(seen: Examined) -> None:
    """Reads the manifest. One that neither its signature nor the bag's own list knows is not believed, so that a
    damage in it does not accuse the files it names."""
    manifest = seen.read("data/manifest.json")
    listed, _ = parse_manifest(
        seen.read("manifest-sha256.txt") if "manifest-sha256.txt" in seen.files else b"", "data/"
    )
    same = listed.get("data/manifest.json") == hashlib.sha256(manifest).hexdigest()
    try:
        content = seen.read("data/signature.json")
        made = checked_signature(bounded_json(content))
        if content != signature_file(made["key"], made["signature"]):
            seen.add("changed", False, "signature.json")
    except BadMessage:
        seen.add("signature_unreadable", False, "signature.json")
        made = {"key": "", "signature": ""}
    good = signed_by(PREFIX + manifest, made["signature"], made["key"])
    if made["key"]:
        file = "manifest.json" if good or not same else "signature.json"
        seen.add("signature" if good else "signature_wrong", good, file, key=made["key"][:16])
    if not good and not same:
        raise BadMessage("manifest")
    seen.signed = checked_manifest(bounded_json(manifest))
    if made["key"] and seen.anchors.key and made["key"] != seen.anchors.key:
        seen.add("signature_other_key", False, "signature.json", key=made["key"][:16])
    elif good and made["key"] != seen.signed["seal"]["signature_key"]:
        seen.add("signature_other_key", False, "manifest.json", key=made["key"][:16])


def trust(seen: Examined) -> None:
    """Whether the key was the court's when it sealed, by the trust file and the rotations kept in the archive."""
    if not seen.signed:
        return
    key, at = str(seen.signed["seal"]["signature_key"]), int(seen.signed["sealed_at"])
    own: tuple[keyring.CourtKey, ...] = ()
    if f"data/{KEYS}" in seen.files:
        own = keyring.keyring_of(bounded_json(seen.read(f"data/{KEYS}")))
        if key not in {one.key for one in own}:
            seen.add("key_not_in_ring", False, KEYS, key=keyring.key_id(key))
    if not any(found.name == "signature" for found in seen.checks) or any(
        found.name == "signature_other_key" for found in seen.checks
    ):
        return  # the key that is named did not sign this
    if seen.anchors.trust is None:
        if not seen.anchors.key:
            seen.add("trust_none", True, note=True, key=keyring.key_id(key))
        return
    try:
        trusted = keyring.keyring_of(seen.anchors.trust)
    except BadMessage:
        seen.add("trust_unreadable", False)
        return
    listed = {one.key for one in trusted}
    later = tuple(one for one in own if one.key not in listed)
    if key not in keyring.known(later, listed, signed_by):
        seen.add("key_untrusted", False, "signature.json", key=keyring.key_id(key))
    elif not keyring.in_force([*trusted, *later], key, at):
        seen.add("key_not_in_force", False, "signature.json", key=keyring.key_id(key))
    else:
        seen.add("trust", True, "signature.json", key=keyring.key_id(key), keys=len(trusted) + len(later))


def stamped(seen: Examined) -> None:
    """The time-stamp: over this signature, by a known authority, at a time that fits the ledger."""
    if TOKEN not in seen.files:
        if AUTHORITY in seen.files:
            seen.add("missing", False, TOKEN)
        else:
            seen.add("timestamp_none", True, note=True)
        return
    if seen.told("signature.json"):
        return  # what was stamped is not there any more
    anchored = bool(seen.anchors.authorities)
    authorities = list(seen.anchors.authorities) or [seen.read(AUTHORITY)]
    answer, content = seen.read(TOKEN), seen.read("data/signature.json")
    why = ""
    for authority in authorities:
        try:
            made = timestamp.judge(answer, content, authority)
        except BadMessage as error:
            why = str(error.detail.get("why", "form"))
            continue
        _dated(seen, made)
        if not anchored:
            seen.add("timestamp_unanchored", True, TOKEN, note=True, authority=made.authority)
        return
    seen.add(f"timestamp_{why if why in ('imprint', 'chain') else 'form'}", False, TOKEN)


def _dated(seen: Examined, made: timestamp.Stamp) -> None:
    sealed_at = int(seen.signed.get("sealed_at", 0))
    newest = max([sealed_at, *(entry.at for entry in seen.entries[-1:])])
    if made.at + CLOCKS_US < newest:
        seen.add("timestamp_early", False, TOKEN, [made.at // 1_000_000], authority=made.authority)
    elif made.at > sealed_at + 86_400_000_000:
        days = (made.at - sealed_at) // 86_400_000_000
        seen.add("timestamp_later", True, TOKEN, [made.at // 1_000_000], note=True,
                 authority=made.authority, days=days)  # fmt: skip
    else:
        seen.add("timestamp", True, TOKEN, [made.at // 1_000_000], authority=made.authority)


# --- the bag ------------------------------------------------------------------------------------------------------


def bag(seen: Examined) -> None:
    wrong = len(seen.checks)
    listed, bad = parse_manifest(_tag(seen, "manifest-sha256.txt"), "data/")
    tags, bad_tags = parse_manifest(_tag(seen, LAST), "")
    for name, lines in (("manifest-sha256.txt", bad), (LAST, bad_tags)):
        for line in lines:
            seen.add("manifest_line", False, name, line=ascii(line)[1:-1])
    _derived(seen, listed, tags)
    for name, sha in {**listed, **tags}.items():
        short = name.removeprefix("data/")
        if name in seen.files and seen.scanned(name).sha256 == sha:
            continue
        if name in seen.files and not (_is_sealed(seen, short) or seen.told(_list_of(name))):
            seen.add("bag_mismatch", False, short)
        elif name not in seen.files and not seen.told(short) and not seen.told(_list_of(name)):
            seen.add("missing", False, short, seen.all_seconds(short))
    known = {*listed, *tags, LAST}
    for name in sorted(set(seen.files) - known):
        if not seen.told(_list_of(name)) or not _is_sealed(seen, name.removeprefix("data/")):
            seen.add("extra", False, name.removeprefix("data/"))
    if not seen.signed:
        seen.add("manifest_lost", False, "manifest.json", files=len(listed))
    if len(seen.checks) == wrong:
        seen.add("bag", True, files=len(listed))


def _list_of(name: str) -> str:
    return "manifest-sha256.txt" if name.startswith("data/") else LAST


def _is_sealed(seen: Examined, short: str) -> bool:
    """Whether a file is, by its signed digest, what it should be: then a list that says otherwise is what is wrong."""
    made = seen.signed.get("files", {}).get(short)
    return made is not None and seen.scanned(f"data/{short}").sha256 == made["sha256"]


def _unsigned(seen: Examined, name: str, listed: dict[str, str]) -> str:
    """The digest of a file that no manifest signs; where it was found to be damaged, the one the bag lists."""
    path = f"data/{name}"
    if path in seen.files and not seen.told(name):
        return seen.scanned(path).sha256
    return listed.get(path, "")


def _derived(seen: Examined, listed: dict[str, str], tags: dict[str, str]) -> None:
    """The bag's own files say nothing but what follows from what was signed and what lies there."""
    expected = {"bagit.txt": BAGIT.encode()}
    if seen.signed:
        seal: dict[str, Any] = seen.signed
        files = {name: str(made["sha256"]) for name, made in seal["files"].items()}
        files |= {name: _unsigned(seen, name, listed) for name in UNSIGNED}
        sizes = sum(made["bytes"] for made in seal["files"].values())
        total = sizes + sum(seen.files.get(f"data/{name}", 0) for name in UNSIGNED)
        info = bag_info(seal["tool"], seal["sealed_at"], seal["hearing"], total, len(seal["files"]) + len(UNSIGNED))
        expected["bag-info.txt"] = info.encode("utf-8", "replace")
        expected["manifest-sha256.txt"] = tag_lines({f"data/{name}": sha for name, sha in files.items()})
    for name, content in expected.items():
        if name in seen.files and seen.read(name) != content and not seen.told(name):
            seen.add("changed", False, name)
    stamps = {TOKEN, AUTHORITY}
    lines = {name: seen.scanned(name).sha256 for name in {*_LISTED, *stamps} if name in seen.files}
    differing = {name for name in lines.keys() & tags.keys() if tags[name] != lines[name] and not seen.told(name)}
    respelled = tags == lines and seen.read(LAST) != tag_lines(lines)
    if LAST in seen.files and not seen.told(LAST) and (differing or respelled or lines.keys() - tags.keys() - stamps):
        seen.add("changed", False, LAST)
        for name in differing & stamps:  # nobody signed these: the list is wrong, or they are
            seen.add("bag_mismatch", False, name)


def _tag(seen: Examined, name: str) -> bytes:
    """A file of the bag itself; one that is not there is a finding and reads as empty."""
    if name not in seen.files:
        seen.add("missing", False, name)
        return b""
    return seen.read(name)


def files(seen: Examined) -> None:
    signed: dict[str, dict[str, Any]] = seen.signed.get("files", {})
    present = {name.removeprefix("data/") for name in seen.files if name.startswith("data/")}
    before = len(seen.checks)
    for name, wanted in signed.items():
        if name not in present:
            if not seen.told(name):
                seen.add("missing", False, name, seen.all_seconds(name))
            continue
        real = seen.scanned(f"data/{name}")
        if (real.sha256, real.sm3 or wanted["sm3"], real.size) != (wanted["sha256"], wanted["sm3"], wanted["bytes"]):
            if real.size < 0:
                continue  # told as unreadable
            seconds, rest = seen.locate(name, real.size)
            kind = "changed_size" if real.size != wanted["bytes"] else "changed"
            seen.add(kind, False, name, seconds, rest=rest)
    for name in sorted(present - signed.keys() - UNSIGNED) if signed else ():
        if not seen.told(name):
            seen.add("extra", False, name)
    if signed and len(seen.checks) == before:
        seen.add("files" if seen.sm3 else "files_sha256", True, files=len(signed), note=not seen.sm3)


def merkle(seen: Examined) -> None:
    """Both roots over the segments; SM3 over the signed digests where the contents were not read for it."""
    if not seen.signed:
        return
    segments = seen.signed["segments"]
    names = [f"data/{segment['file']}" for segment in segments]
    if any(name not in seen.files or seen.told(name.removeprefix("data/")) for name in names):
        return  # told with its seconds
    real = [seen.scanned(name) for name in names]
    signed = [str(seen.signed["files"][segment["file"]]["sm3"]) for segment in segments]
    seal = seen.signed["seal"]
    good = (
        merkle_root([bytes.fromhex(one.sha256) for one in real]) == seal["root_sha256"]
        and merkle_root([bytes.fromhex(one.sm3 or sm3) for one, sm3 in zip(real, signed, strict=True)], "sm3")
        == seal["root_sm3"]
    )
    seen.add("merkle" if good else "merkle_wrong", good, "manifest.json", segments=len(names))
