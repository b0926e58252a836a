"""Small ICC profiles, of version 2: three primaries and one gamma, or grey with a gamma."""

import struct
from collections.abc import Sequence
from typing import Final

# Red, green and blue as XYZ for the white D50, as these profiles state them.
SRGB: Final = ((0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141))
DISPLAY_P3: Final = ((0.5151, 0.2412, -0.0011), (0.2919, 0.6922, 0.0419), (0.1572, 0.0666, 0.7841))
ADOBE_RGB: Final = ((0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7446))


def rgb_profile(primaries: Sequence[Sequence[float]], gamma: float = 2.2, name: str = "test") -> bytes:
    colours = {f"{letter}XYZ": _xyz(value) for letter, value in zip("rgb", primaries, strict=True)}
    return _profile("RGB ", name, {**colours, **dict.fromkeys(("rTRC", "gTRC", "bTRC"), _curve(gamma))})


def grey_profile(gamma: float) -> bytes:
    return _profile("GRAY", "grey", {"kTRC": _curve(gamma)})


def cmyk_profile() -> bytes:
    """A press with four black inks: the more of any of them, the darker the grey."""
    corners = [[(number >> bit) & 1 for bit in (3, 2, 1, 0)] for number in range(16)]
    lightness = bytes(value for inks in corners for value in (round(255 * (1 - sum(inks) / 4)), 128, 128))
    identity = struct.pack(">9i", *(65536 * (number % 4 == 0) for number in range(9)))
    straight = bytes(range(256))
    table = b"mft1\0\0\0\0" + bytes((4, 3, 2, 0)) + identity + straight * 4 + lightness + straight * 3
    return _profile("CMYK", "press", {"A2B0": table}, connection="Lab ", device="prtr")


def _xyz(value: Sequence[float]) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(65536 * number) for number in value))


def _curve(gamma: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IHH", 1, round(256 * gamma), 0)


def _profile(space: str, name: str, tags: dict[str, bytes], connection: str = "XYZ ", device: str = "mntr") -> bytes:
    text = name.encode() + b"\0"
    description = b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + bytes(78)
    tags = {"desc": description, "cprt": b"text\0\0\0\0none\0", "wtpt": _xyz((0.9642, 1.0, 0.8249)), **tags}
    table, data = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for signature, value in tags.items():
        table += signature.encode() + struct.pack(">II", start + len(data), len(value))
        data += value + bytes(-len(value) % 4)
    header = struct.pack(
        ">I4sI4s4s4s6H4s4sIIIIIiii",
        start + len(data),
        b"lcms",
        0x02400000,
        device.encode(),
        space.encode(),
        connection.encode(),
        2026,
        1,
        1,
        0,
        0,
        0,
        b"acsp",
        b"\0\0\0\0",
        0,
        0,
        0,
        0,
        0,
        63190,
        65536,
        54061,
    )
    return header + bytes(128 - len(header)) + table + data
