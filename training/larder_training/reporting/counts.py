"""Numbers with their nouns."""


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """A number and a noun that agree: "1 image", "2 images"; ``plural`` for nouns that do not take an s."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
