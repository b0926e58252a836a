"""Counts what makes a code base hard to read: large folders, old names, and words that must not come back.

    python docs/tools/survey.py [PATH...]      a folder or file; default: everything that git tracks

Prints each finding as ``path:line: word -> replacement`` and the three counts. Exit status 1 if there is a finding.
``docs/glossary.md`` says which word is used for what.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGES: Final = (
    "layers/larder/larder",
    "functions",
    "training/larder_training",
    "local/larder_local",
    "client/larder_client",
)
CLIENT: Final = "client/"  # mirrors the names of the service's answers and errors
MODULES: Final = 12  # modules that a folder may have

# Module names that said nothing to a reader of the field.
_OLD_MODULES: Final = """
    beside standing unseen record reading strength learn lessons stories against bench measure served line
    ahead leash live notice deployed ruling explaining answer suspects novelty recipe hidden middle quantise
    refit calibrate transitions revisit low_rank factors user_neighbours co_occurrence cold_items popular
    affinity catalogue utils helpers common misc
"""
# Class names that are participles, or that stood for several things.
_OLD_CLASSES: Final = """
    Settled Taught Judged Looked Checked Chosen Found Told Given Kept Made Known Learnt Quantised Fitted
    Listed Asked Refused Expected Unanswered Rows Teacher Schooling Lesson Lessons Suspect Suspects Rival
    Novelty Strength Reading Story Stories Leash Notice Ruling Choices Sources Bench Material LowRank
    CoOccurrence UserNeighbours Transitions
"""

OLD_MODULES: Final = frozenset(_OLD_MODULES.split())
OLD_CLASSES: Final = frozenset(_OLD_CLASSES.split())


class Word(NamedTuple):
    """A word that must not come back.

    Attributes:
        pattern: Regular expression of the word, matched without regard to case.
        instead: What to write.
    """

    pattern: str
    instead: str


WORDS: Final = (
    Word(r"\banew\b", "again"),
    Word(r"\bforet(?:ell|old)\w*", "predict"),
    Word(r"\bwho(?:so)?ever\b", "name the user or caller"),
    Word(r"\blearnt\b", "fitted, learned"),
    Word(r"\b(?:told|tells?)\b(?!\()", "given, reported; report, show"),
    Word(r"(?<!there )\b(?:is|are) no (?!longer\b|more\b|less\b)", "is not a"),
    Word(r"\b(?:un)?mend(?:s|ed|ing)?\b", "fix"),
    Word(r"(?<![-\w])(?:he|him|his|himself|she|herself)\b", "they, them, their"),
    Word(r"(?<![a-z])photo(?:s|graphs?)?(?![a-z0-9])", "image"),
    Word(r"(?<![a-z])pictures?(?![a-z])", "image; chart"),
    Word(r"(?<![a-z])(?:taught|teach(?:es|er|ers|ing)?)(?![a-z])", "fit, train"),
    Word(r"(?<![a-z])lessons?(?![a-z])", "training data"),
    Word(r"(?<![a-z])strangers?(?![a-z])", "new user; out-of-distribution image"),
    Word(r"(?<![a-z])suspects?(?![a-z])", "likely label error"),
    # The graph's output ``novelty`` and the manifest's key ``novelty_threshold`` keep their names.
    Word(r"(?<![a-z\"'`])(?:novelty|novelties|foreign)(?![a-z_\"'`])", "out-of-distribution"),
    Word(r"(?<![a-z])rivals?(?![a-z])", "challenger"),
    Word(r"\b(?:lest|whilst|shall|thereby|thereof|therein|hence|upon|aught|naught|amid|ere)\b", "a word of today"),
    Word(r"\b(?:somebody|anybody|nobody|everybody)\b", "name the user or caller"),
    Word(r"\bwish(?:es)?\b", "request"),
    Word(r"\bspeaks? (?:for|against)\b", "raises or lowers the score of"),
    Word(r"\bsays? for\b", "score for"),
    Word(r"\bcannot be meant\b", "is invalid"),
    Word(r"(?<![a-z])leash", "worker entry point"),
    Word(r"\bby the rule of thumb\b", "by a heuristic"),
)
_PATTERNS: Final = [(re.compile(word.pattern, re.IGNORECASE), word) for word in WORDS]


class Exemption(NamedTuple):
    """A place where a word may stand.

    Attributes:
        path: Regular expression of the path from the root.
        line: Regular expression of the line.
        reason: Why the word stays there.
    """

    path: str
    line: str
    reason: str


EXEMPTIONS: Final = (
    Exemption(r"docs/tools/survey\.py|tests/docs/test_survey\.py", r"", "the list itself"),
    Exemption(r"LICENSE|uv\.lock|.*\.(?:svg|png|ico)", r"", "text of others, and coordinates"),
    Exemption(r"docs/glossary\.md", r"", "names the words that it replaces"),
    Exemption(r".*recommend.*", r"novelty", "a metric of recommendations: mean self-information"),
    Exemption(
        r".*",
        r"[\"'`]photos[\"'`]|calibration_photos|milliseconds_a_photo|[\"'`]suspects[\"'`]",
        "keys of the manifest, of metrics.json and of --json, fixed by their format",
    ),
    Exemption(r"tests/larder/classifier/test_graph\.py", r"output novelty", "the graph output"),
)


class Finding(NamedTuple):
    """A finding at a line of a file.

    Attributes:
        path: File, from the root.
        line: Number of the line, from 1; 0 for the whole file.
        text: What was found and what to do.
    """

    path: str
    line: int
    text: str


def tracked(paths: Iterable[str]) -> list[str]:
    """The tracked text files below ``paths``, from the root."""
    listing = subprocess.run(  # noqa: S603 - a fixed command
        ["git", "ls-files", "-z", "--", *paths],  # noqa: S607 - git from PATH, as everywhere
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    return [path for path in listing.stdout.decode().split("\0") if path and (ROOT / path).is_file()]


def _modules(files: Iterable[str]) -> Iterator[str]:
    return (path for path in files if path.endswith(".py") and path.startswith(PACKAGES))


def large_folders(files: Iterable[str]) -> Iterator[Finding]:
    """Folders of the packages with more than 12 modules, apart from ``__init__`` and ``__main__``."""
    modules = Counter(str(Path(path).parent) for path in _modules(files) if not Path(path).stem.startswith("__"))
    for folder, count in modules.most_common():
        if count > MODULES:
            yield Finding(folder, 0, f"{count} modules: split the folder by subject")


def old_names(files: Iterable[str]) -> Iterator[Finding]:
    """Modules and classes of the packages with a name of the old layout, and class names that are used twice."""
    homes: dict[str, str] = {}
    for path in _modules(files):
        if Path(path).stem in OLD_MODULES:
            yield Finding(path, 0, f"module {Path(path).stem}: take the field's term")
        for node in ast.walk(ast.parse((ROOT / path).read_text())):
            if not isinstance(node, ast.ClassDef):
                continue
            if node.name.lstrip("_") in OLD_CLASSES:
                yield Finding(path, node.lineno, f"class {node.name}: take a noun of the field")
            if not path.startswith(CLIENT) and homes.setdefault(node.name, path) != path:
                yield Finding(path, node.lineno, f"class {node.name} also stands in {homes[node.name]}: rename one")


def forbidden_words(files: Iterable[str]) -> Iterator[Finding]:
    """Words of ``WORDS`` in any tracked text, apart from ``EXEMPTIONS``."""
    for path in files:
        try:
            lines = (ROOT / path).read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue  # not a text
        for number, line in enumerate(lines, 1):
            for pattern, word in _PATTERNS:
                match = pattern.search(line)
                if match and not _exempt(path, line):
                    yield Finding(path, number, f"{match.group()!r} -> {word.instead}")


def _exempt(path: str, line: str) -> bool:
    return any(re.fullmatch(rule.path, path) and re.search(rule.line, line) for rule in EXEMPTIONS)


SEARCHES: Final = {
    f"folders with more than {MODULES} modules": large_folders,
    "old names": old_names,
    "forbidden words": forbidden_words,
}


def main(arguments: list[str]) -> int:
    """Print the findings below the paths ``arguments`` and their counts; 1 if there are findings."""
    files = tracked(arguments)
    counts = {}
    for title, search in SEARCHES.items():
        findings = list(search(files))
        counts[title] = len(findings)
        for finding in findings:
            sys.stdout.write(f"{finding.path}:{finding.line}: {finding.text}\n")
    for title, count in counts.items():
        sys.stdout.write(f"{title}: {count}\n")
    return 1 if any(counts.values()) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
