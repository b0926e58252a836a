"""Terms of reports, each with its explanation. A report links its terms to a glossary at its end."""

import re
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup, escape


def slug(text: str) -> str:
    """A text as part of an id: lower-case letters and digits, with dashes between the words."""
    return re.sub("[^a-z0-9]+", "-", text.lower()).strip("-")


@dataclass(frozen=True, slots=True)
class Term:
    """A term and what it means.

    Attributes:
        name: The term as the glossary shows it.
        pattern: Regular expression of the texts that link to it.
        meaning: The explanation, one or two sentences.
    """

    name: str
    pattern: str
    meaning: str

    @property
    def anchor(self) -> str:
        """Its id on the page."""
        return f"term-{slug(self.name)}"


TERMS: Final = (
    Term(
        "95 % interval",
        r"95\s%\sintervals?",
        "How sure a number is: of 100 tests with other data of the same kind, about 95 give an interval that contains "
        "the true value. Intervals that overlap widely show no difference.",
    ),
    Term(
        "Accuracy",
        r"[Aa]ccuracy|[Aa]ccuracies",
        "Share of the images whose most probable label is right.",
    ),
    Term(
        "Augmentation",
        r"[Aa]ugment(?:ation|ed)",
        "Changed copies of the training images (crop, scale, light, colour), so that the model relies on less of what "
        "happens to be in them.",
    ),
    Term(
        "ALS, BPR, PureSVD",
        r"(?<!\w)(?:ALS|BPR|PureSVD)(?!\w)",
        "Three ways to factorise the matrix of users and items: each user and each item becomes a short list of "
        "numbers, and what fits together is recommended.",
    ),
    Term(
        "AUROC",
        r"AUROC",
        "How well a score separates two groups: the chance that an image of the one has a higher score than an image "
        "of the other. 1 is perfect, 0.5 is a coin toss.",
    ),
    Term(
        "Backbone",
        r"(?<![-\w])[Bb]ackbone(?!\w*=)",
        "A pretrained network that turns an image into numbers (features). The head, trained here, reads them.",
    ),
    Term(
        "Baseline",
        r"[Bb]aselines?",
        "What a simple rule reaches without a model, such as the most popular items for all users. A model is worth "
        "its work if it is clearly better.",
    ),
    Term(
        "Bootstrap",
        r"[Bb]ootstrap",
        "Drawing the test users again and again, some of them several times, to see how much a number changes with "
        "who is among them.",
    ),
    Term(
        "Calibration error",
        r"[Cc]alibration error",
        "Mean difference between the confidence of the model and how often it is right, 0 at best. With 0.02, answers "
        "of 90 % confidence are right in about 88 to 92 % of cases.",
    ),
    Term(
        "Co-visitation",
        r"[Cc]o-visitation",
        "Which items users had shortly after each other.",
    ),
    Term(
        "Coverage",
        r"[Cc]overage",
        "Share of the catalogue's items that are recommended to at least one user.",
    ),
    Term(
        "Cross-entropy",
        r"[Cc]ross-entropy|(?<![a-z])[Ll]oss(?![a-z])",
        "Penalty for confidence in a wrong label, averaged over the images; lower is better.",
    ),
    Term(
        "Cross-validation",
        r"[Cc]ross-validat(?:ion|ed)",
        "Training on a part of the training data and evaluating on the rest, in turn, so that each image is held out "
        "once.",
    ),
    Term(
        "EASE, item kNN",
        r"(?<!\w)(?:user EASE|EASE|item kNN)(?!\w)",
        "Two ways to learn which items go with which from the items of each user. EASE weighs all items against each "
        "other; item kNN compares two at a time, and is simpler. User EASE does the same between users.",
    ),
    Term("Diversity", r"[Dd]iversity", "How different the items of a list are from each other, 0 to 1."),
    Term(
        "Hit rate@k",
        r"(?:[Hh]it[ _]rate)@\d+",
        "Share of the users of whom at least one of the first k recommendations is an item that they had later.",
    ),
    Term(
        "Hyperparameter",
        r"[Hh]yperparameters?",
        "A setting that the search chooses on validation data, such as how fast old events lose weight.",
    ),
    Term(
        "int8",
        r"int8|[Qq]uanti[sz]ation",
        "Weights in 8 bits in place of the 32 of float32: a quarter of the size, and faster.",
    ),
    Term(
        "MRR",
        r"MRR(?:@\d+)?|mrr@\d+",
        "Mean reciprocal rank: 1 if the first recommendation is an item that the user had later, 1/2 if the second is "
        "the first such item, and so on, averaged over the users.",
    ),
    Term(
        "NDCG@k",
        r"(?:NDCG|ndcg)@\d+",
        "Like recall@k, but an item counts more the higher it is in the list. 1 is the best possible list.",
    ),
    Term(
        "Near-duplicate",
        r"[Nn]ear-duplicates?",
        "An image that differs from another by its encoding or slight changes only.",
    ),
    Term(
        "Novelty",
        r"[Nn]ovelty",
        "How unusual the recommended items are: each step of 1 bit halves the share of users who have them.",
    ),
    Term(
        "Out-of-distribution score",
        r"OOD scores?|[Oo]ut-of-distribution(?: score)?",
        "How much an image differs from the training images. Above the threshold, the answer is “unknown” rather than "
        "a label.",
    ),
    Term(
        "Popularity",
        r"(?<!recent )(?<!Recent )[Pp]opularity(?! bias)",
        "Baseline: the items with the most users, the same list for all users.",
    ),
    Term(
        "Precision, recall, F1",
        r"(?<![A-Za-z])(?:Precision|Recall|F1|Macro F1)(?![@A-Za-z])",
        "Of one label. Precision: share of the images with this answer that have the label. Recall: share of the "
        "images with this label that get it. F1: their harmonic mean. Macro F1: the mean of F1 over all labels.",
    ),
    Term(
        "Precision@k",
        r"[Pp]recision@\d+",
        "Share of the first k recommendations that are items which the user had later.",
    ),
    Term(
        "Recall@k",
        r"[Rr]ecall@\d+",
        "Of the items that a user had later, the share among the first k recommendations, averaged over the users.",
    ),
    Term(
        "Recent popularity",
        r"[Rr]ecent popularity",
        "Baseline: the items with the most users in the last days before the test period.",
    ),
    Term("Own items again", r"[Oo]wn items again", "Baseline: the items that the user already had, then recent ones."),
    Term(
        "Reranker",
        r"[Rr]eranker",
        "A second model (boosted trees) that orders the best candidates of the first.",
    ),
    Term("Segment", r"[Ss]egments?", "The users with the same profile columns, such as one age group of one country."),
    Term(
        "Side information",
        r"[Ss]ide information",
        "Columns in addition to the image that the model reads, such as a price.",
    ),
    Term(
        "Standard error",
        r"[Ss]tandard errors?",
        "How much a mean varies by chance. Differences of less than about two standard errors show nothing.",
    ),
    Term(
        "Temperature",
        r"Temperature",
        "What the outputs are divided by, so that the confidence matches how often the model is right.",
    ),
    Term(
        "Threshold",
        r"[Tt]hresholds?",
        "The smallest confidence at which an answer counts. Each label has its own.",
    ),
    Term(
        "Validation and test",
        r"(?<![A-Za-z-])(?:[Vv]alidation|[Hh]eld[- ]out)(?![A-Za-z-])",
        "Data that the model was not fitted to. Choices are made on validation data; the test data are used once, at "
        "the end, so their numbers are not flattered by the choices.",
    ),
)
_BY_PATTERN: Final = re.compile("|".join(f"(?P<t{index}>{term.pattern})" for index, term in enumerate(TERMS)))


def linked(text: object) -> Markup:
    """The escaped text with a link at each term."""
    if hasattr(text, "__html__"):
        return Markup(text)  # noqa: S704 - HTML already, as its type says
    plain, parts, end = str(text), [], 0
    for found in _BY_PATTERN.finditer(plain):
        term = TERMS[int((found.lastgroup or "t0")[1:])]
        link = Markup('<a class="term" href="#{}">{}</a>').format(term.anchor, found.group())
        parts += [escape(plain[end : found.start()]), link]
        end = found.end()
    return Markup("").join([*parts, escape(plain[end:])])


def used(html: str) -> list[Term]:
    """The terms that the page links to, by name."""
    return sorted((term for term in TERMS if f'"#{term.anchor}"' in html), key=lambda term: term.name.lower())
