"""What stands around a phrase and changes what it says: light, measures, edges, backgrounds, negations."""

from __future__ import annotations

from kizu.lexicon.vocabulary import EDGE_NOUNS, EDGE_WORDS
from kizu.lexicon.words import Token, stem, stems, word_set

Span = tuple[int, int, frozenset[tuple[str, str]]]  # first token, end, what the phrase says

# "on a rough, dark metal surface": words between such a preposition and such a noun tell of the noun.
_PREPOSITIONS = word_set(
    "on in of over against into onto within inside from than to across along through around under beside near "
    "at behind between for like by"
)
_SURFACES = (
    "surface surroundings surrounding background base ground material substrate coating paint lacquer varnish part "
    "product workpiece component sheet plate strip foil film board laminate casting weld seam track trace tile pad"
)
_MATERIALS = (
    "fabric cloth textile wood metal steel iron aluminium aluminum copper brass zinc glass plastic polymer rubber "
    "ceramic porcelain enamel concrete stone leather paper carbon resin mould tube pipe wire bottle lens panel"
)
_BACKGROUND = frozenset(map(stem, word_set(_SURFACES) | word_set(_MATERIALS)))
_EDGES = frozenset(map(stem, EDGE_NOUNS))
_EDGE_PLACES = word_set("at along on near from to towards beside around")
_NEGATORS = word_set("no not without never nor neither non lacks lack lacking cannot")
_OF_ADJECTIVES = word_set("not never non neither nor cannot")
_LINKS = word_set("or and nor to")
_HEDGES = word_set("very slightly quite rather fairly often mostly usually partly sometimes more less also")
_VERBS = word_set("is are look looks appear appears seem seems be remain remains stay stays")
_BUT = word_set("but yet however though although only except")
_UNITS = word_set(
    "mm cm m µm um micron microns inch inches px pixel pixels millimetre millimetres millimeter millimeters"
)
_LIT_NOUNS = word_set("mark scratch stain defect flaw colour color")


def without_light(spans: list[Span], words: list[Token]) -> list[Span]:
    """Drop ``light`` where it is what shines and no tone: a tone stands beside another adjective or before a noun."""
    starts = {start: says for start, _, says in spans if says}
    ends = {end for _, end, says in spans if says}

    def is_tone(i: int) -> bool:
        before = i - 1 if i and words[i - 1].text in _LINKS else i
        after = i + 2 if i + 1 < len(words) and words[i + 1].text in _LINKS else i + 1
        if before < i and before in ends:
            return True
        if after >= len(words) or words[after].stop:
            return False
        return after in starts or stem(words[after].text) in map(stem, _LIT_NOUNS)

    return [
        (start, end, says)
        for start, end, says in spans
        if not (end - start == 1 and words[start].text in ("light", "lights") and not is_tone(start))
    ]


def without_measures(spans: list[Span], words: list[Token]) -> list[Span]:
    """Drop what only names a measure: ``2 mm wide`` is not wide, ``30 mm long`` may be short."""
    return [
        span
        for span in spans
        if not (span[0] and words[span[0] - 1].text in _UNITS and any(a in ("extent", "relief") for a, _ in span[2]))
    ]


def edge_context(words: list[Token], spans: list[Span]) -> set[int]:
    """The tokens that tell of an edge: adjectives before ``edges`` and after ``edges are``."""
    known = {i: says for start, end, says in spans for i in range(start, end)}
    out: set[int] = set()

    def adjective(i: int) -> bool:
        shape = any(attribute == "shape" for attribute, _ in known.get(i, ()))
        plain = words[i].text in EDGE_WORDS or (i in known and not shape)
        return plain or words[i].text in _LINKS | _HEDGES

    for i, word in enumerate(words):
        if stem(word.text) not in _EDGES:
            continue
        j = i - 1
        while j >= 0 and not words[j + 1].stop and not words[j + 1].article and adjective(j):
            out.add(j)
            j -= 1
        j = i + 1
        if j < len(words) and words[j].text in _VERBS:
            j += 1
            while j < len(words) and not (words[j].stop or words[j].comma) and adjective(j):
                out.add(j)
                j += 1
    return out


def in_context(span: Span, words: list[Token], edge: set[int]) -> Span:
    """A word such as ``smooth`` says another thing of an edge than of a surface."""
    start, end, _ = span
    if end - start == 1 and start in edge:
        for form in (words[start].text, *stems(words[start].text)):
            if form in EDGE_WORDS:
                return start, end, frozenset({("edge", EDGE_WORDS[form])})
    return span


def background(words: list[Token], spans: list[Span]) -> set[int]:
    """Tokens that describe what the defect lies on: ``on a [rough metal] surface``, ``at a [sharp] edge``."""
    shapes = {i for start, end, says in spans for i in range(start, end) if any(a == "shape" for a, _ in says)}
    said = {i for start, end, _ in spans if end - start > 1 for i in range(start, end)}
    hidden: set[int] = set()
    for i, word in enumerate(words):
        if word.text not in _PREPOSITIONS | _EDGE_PLACES:
            continue
        first = j = i + 1
        while j < len(words):
            token = words[j]
            if token.stop or (j > first and token.article) or j - first > 5 or token.text in _PREPOSITIONS | _VERBS:
                break
            root = stem(token.text)
            nouns = _BACKGROUND if word.text in _PREPOSITIONS else frozenset()
            if root in nouns and j in said:
                break  # "over the whole surface" tells of the defect
            if root in nouns and (word.text != "of" or words[first].article or j > first or root != "surface"):
                hidden.update(range(first, j + 1))
                linked = j + 1 < len(words) and (words[j + 1].text in _LINKS or words[j + 1].comma)
                # "on metal sheet", "on glass or glossy plastic": the noun may go on
                if not linked and not (j + 1 < len(words) and stem(words[j + 1].text) in _BACKGROUND):
                    break
            elif root in _EDGES and word.text in _EDGE_PLACES:
                hidden.update(range(first, j + 1))
                break
            elif j in shapes:
                break
            j += 1
    return hidden


def negated_spans(words: list[Token], spans: list[Span]) -> set[int]:
    """Starts of the spans that a negation covers.

    ``without`` and ``no`` reach over a list of adjectives to their noun; ``not`` reaches to the next word that says
    something, and over what ``or``, ``nor`` and ``and`` join to it. Neither goes past ``but`` or a full stop.
    """
    inside = {i: n for n, (start, end, _) in enumerate(spans) for i in range(start, end)}
    out: set[int] = set()
    for i, word in enumerate(words):
        free = word.text == "free" and i + 1 < len(words) and words[i + 1].text in ("of", "from")
        if (word.text not in _NEGATORS and not free) or i in inside:
            continue
        if word.text == "not" and i + 1 < len(words) and words[i + 1].text in ("only", "just"):
            continue
        adjectival = word.text in _OF_ADJECTIVES
        noun = False  # of "no" and "without": once it has come, a comma or a preposition ends the reach
        last = None
        j = i + 2 if free else i + 1
        while j < len(words):
            token, n = words[j], inside.get(j)
            if token.stop or token.text in _BUT:
                break
            if token.comma and (noun or adjectival):
                break
            if n is not None:
                if adjectival and last is not None and j == last:
                    break  # "not dark lines" are lines
                if noun and words[j - 1].text not in _LINKS:
                    break
                out.add(spans[n][0])
                last = j = spans[n][1]
                noun = noun or any(a == "shape" for a, _ in spans[n][2])
                continue
            if stem(token.text) in _EDGES:
                noun = True
            elif token.text in _LINKS:
                if j + 1 < len(words) and (words[j + 1].article or words[j + 1].text == "with"):
                    break
            elif (adjectival and last is not None) or (noun and token.text in _PREPOSITIONS | {"with"}):
                break
            elif not adjectival and token.text not in _HEDGES | _PREPOSITIONS:
                noun = True
            j += 1
    return out
