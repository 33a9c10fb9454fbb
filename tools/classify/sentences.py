"""Whether a description says that a tool acts, sentence by sentence.

What it says it does not do, and what it says of other tools, does not count.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from .beginnings import unknown_verbs
from .lexicon import ACTING, EITHER, gerunds, participles, third_person

if TYPE_CHECKING:
    from collections.abc import Iterator

_LONGEST: Final = 20_000
_MARKUP: Final = re.compile(r"<[^<>]{1,80}>|\*\*|__")
_SENTENCE: Final = re.compile(r"[.!?](?=\s|$)|[\n;]|\\n|\s-\s")
_BULLET: Final = re.compile(r"^\s*(?:[-*•>#|]|\d+[.)])\s*")

_BASE: Final = ACTING | {
    *("update", "post", "import", "charge", "transfer", "run", "change", "merge", "archive"),
    *("commit", "clone", "fork", "push", "close", "patch", "launch", "ship", "purchase", "reserve"),
    *("deposit", "book", "schedule", "invite", "share", "reply", "react", "put", "complete"),
    *("copy", "trade", "exchange", "block", "email", "debit", "wire", "mount", "override"),
    *("bypass", "stash", "click", "press", "fill", "drag", "checkout", "release", "queue"),
}
_STEMS: Final = {third_person(verb): verb for verb in _BASE}
_GERUNDS: Final = frozenset(form for verb in _BASE for form in gerunds(verb))
_COMES_BEFORE_A_GERUND: Final = re.compile(
    r"(?:^|,|\b(?:by|by first|for|and|or|while|then|plus|capable of|\w+ly))\s*$"
)
_PARTICIPLES: Final = "|".join(
    sorted(
        {
            form
            for verb in {*_BASE, "empty", "start", "bill", "tell"} - {"set", "run", "reset", "put"}
            for form in participles(verb)
        }
        | {"canceled"}
    )
)
_PASSIVE: Final = re.compile(
    rf"\b(?:will|may|can|might|shall|gets?|to)\b(?: also| then| be| get)* (?:{_PARTICIPLES})\b|"
    rf"\b(?:is|are) (?:then|also|automatically|immediately|silently) (?:{_PARTICIPLES})\b|"
    rf"\b(?:is|are) (?:{_PARTICIPLES}) (?:after|once|when|upon|automatically|immediately)\b"
)
_OF_ITS_SUBJECT: Final = re.compile(
    rf"^(?:the|a|an|its|their|each|every|any|all|old|stale|expired|inactive|\w+s)\b[^,;:()]*?"
    rf"\b(?:is|are|gets?|(?:is|are) (?:also|then)) (?:{_PARTICIPLES})"
    r"(?= *(?:$|and\b|when\b|once\b|if\b|after\b|on\b|upon\b|as soon\b))"
)
"""A sentence whose subject something is done to: `Stale entries are pruned`."""
_CHOOSES: Final = re.compile(
    r"\b(?:whether|if|that|which|who|whose|when|how|what|where|returns?|only|not|never|no)\b"
)
"""Before such a verb, it tells one thing from another: `whether the account is suspended`."""
_BY_ITSELF: Final = re.compile(
    r"\bcan(?:not|'t| not) be (?:undone|reversed)\b|\bpermanent(?:ly)?\b|"
    r"\bside[- ]effects?\b|\bdestructive(?:ly)?\b|\birreversibl[ey]\b|\bfor sale\b|\bempties\b|"
    r"\b(?:starts?|issues?|opens?|kicks off) (?:a|an|new)\b|"
    r"\b(?:is|are|gets?) (?:then |also )*(?:consumed|acknowledged|marked|cleared|emptied|wiped|"
    r"charged|billed|debited|emailed|notified)\b"
)
_PHRASES: Final = re.compile(
    r"\bturns? (?:\w+ ){0,3}(?:on|off)\b|\bshuts? (?:\w+ ){0,2}down\b|"
    r"\bpowers? (?:\w+ )?(?:on|off|down|up)\b|\brolls? (?:\w+ ){0,2}back\b|"
    r"\b(?:logs|signs) (?:\w+ ){1,2}out\b|\bcleans? up\b|\bthrows? away\b|\btakes? down\b|"
    r"\bbacks? up\b|\bself-destruct(?:s|ing)?\b|\bdisappears?\b|\bgo(?:es)? away\b|"
    r"\b(?:is|are|be) gone\b|\bread(?:able)? only once\b|\bonly (?:be )?(?:read|seen|used) once\b|"
    r"\blets? (?:\w+ ){1,2}know\b|\breach(?:es)? out\b|\bmakes? (?:\w+ ){1,2}public\b|"
    r"\b(?:logging|signing|kicking) (?:\w+ ){1,2}out\b|"
    r"\bchecks? (?:in|out|off)\b(?! (?:the|a|of)\b)|"
    r"\bchecks? (?:the|an?|your|them|him|her) (?:\w+ )?(?:in|out|off)\b"
    r"(?= (?:and|for|to|at)\b|[.,;]|$)|"
    r"\binitiates?\b|\binvisible to\b|\bcosts? \$?\d|"
    r"\bplaces? (?:a|an|the) (?:\w+ )?(?:order|call|bid|bet|trade|hold)\b|"
    r"\bmakes? (?:a|an|the) (?:\w+ )?(?:payment|purchase|booking|reservation|transfer|deposit)\b|"
    r"\b(?:raises?|files?|filing|opening) (?:a|an) (?:\w+ )?"
    r"(?:incident|ticket|case|claim|complaint)\b|"
    r"\bgives? (?:\w+ ){0,3}(?:access|rights|permissions?)\b|\bflags? \w+ as\b|"
    r"\b(?:deletion|removal) of\b|\bgenerating (?:a|an|one|new)\b|\bnew (?:\w+ )?token\b|"
    r"^(?:lists?|counts?) an? (?:\w+ )?\w+ (?:on|at|for|up)\b|\buses? up\b|"
    r"^(?:displays?|shows?|views?) (?:\w+ ){1,4}on (?:the|a) (?:\w+ )?"
    r"(?:device|screen|kiosk|display|tv|monitor|panel)\b|"
    r"^(?:fetch(?:es)?|retrieves?|gets?) (?:\w+ ){1,4}(?:into|onto) (?:the|a)\b|"
    r"\bgoes (?:out )?to (?:the|a|all)\b|"
    r"\b(?:on|to) (?:the|a) market(?:place)?\b|\b(?:lease|leases|leasing) it\b|\bissue pay\w+\b"
)
"""What acts by more than one word."""
_BEGINNINGS: Final = (
    EITHER
    - {
        *("return", "report", "test", "log", "review", "query", "track", "monitor", "watch", "use"),
        *("make", "format", "do", "plan", "print", "perform", "suggest", "handle", "resolve"),
        *("answer", "ask", "record", "call", "type", "label", "generate", "open", "page", "take"),
    }
) | {
    *("trash", "nuke", "scrub", "discard", "free", "hide", "strip", "split", "bump", "adjust"),
    *("flag", "ring", "cut", "raise", "turn"),
}
_BEGINS: Final = re.compile(
    rf"(?:{'|'.join(sorted(map(third_person, _BEGINNINGS)))})"
    r" (?=(?:the|a|an|your|all|any|this|every|each|it|them|its|their)\b)"
)
"""A verb at the beginning of a sentence, which no noun can be with an article behind it."""
_WORD: Final = re.compile(r"[a-z]+(?:'[a-z]+)?")
_IS_A_NAME: Final = re.compile(
    r"[_-]|\s?(?:[:=]|\((?:str|int|num|bool|float|array|object|list|dict|optional|required))"
)
"""After a word that is an argument's name or a part of one."""
_LOOK_BACK: Final = 300
_DENIES: Final = re.compile(
    r"\b(?:not|never|without|cannot|no|neither|nor|nothing|read-only|instead of|rather than)\b|"
    r"n't\b"
)
_DENIES_A_VERB: Final = re.compile(
    r"\b(?:not|never|cannot|no|neither|nor|nothing|instead of|rather than)\b|n't\b"
)
_NOT_ONLY: Final = re.compile(r"\bnot (?:only|just|merely)\b|\bnot be (?:undone|reversed)\b")
_CLAUSE: Final = re.compile(r"\b(?:and|but|then|which|that|it)\b|[,:(]")
_A_NOUN_FOLLOWS: Final = re.compile(
    r"\b(?:the|of|all|any|these|those|its|their|your|recent|latest|past|more|some|no|"
    r"gets?|lists?|finds?|search(?:es)?|retrieves?|returns?|fetch(?:es)?|reads?|counts?) $"
)
"""Before a plural: `get the refunds`."""
_OTHER_TOOL: Final = re.compile(
    r"\b(?:use|call|try|see|with|from|via)\s+(?:the\s+)?[`'\"\\]*\w+[_-]\w+|`|\binstead\b"
)
_ASKS_FOR: Final = re.compile(r"\b(?:require|need|expect|want|allow)s?\b|\bhas $|\bhave $")
"""Before `to be configured`, it says what has to be."""
_NEEDED: Final = re.compile(r"\b(?:needed|required|necessary|prerequisite|before|prior|how) to $")
_COMES_BEFORE: Final = re.compile(
    r"(?:^|[,(/:]|\b(?:to|and|or|then|will|can|may|must|should|shall|might|also|automatically|"
    r"it|that|which|tool|function|endpoint|operation|command|let's|please|\w+ly))\s*$"
)


def acting_words(description: str) -> Iterator[str]:
    """The words by which a plain text in lower or upper case says that its tool acts."""
    if len(description) > _LONGEST:
        yield "too long a description"
        return
    text = _MARKUP.sub(" ", description.lower())
    for place, raw in enumerate(_SENTENCE.split(text)):
        sentence = _BULLET.sub("", raw, count=1).strip()
        yield from _acting_words_of(sentence)
        yield from unknown_verbs(sentence, is_first=place == 0)


def _acting_words_of(sentence: str) -> Iterator[str]:
    if found := _BEGINS.match(sentence):
        yield found[0].strip()
    done = _OF_ITS_SUBJECT.match(sentence)
    if done and not _CHOOSES.search(done[0]):
        yield done[0]
    for pattern in (_PASSIVE, _BY_ITSELF, _PHRASES):
        for found in pattern.finditer(sentence):
            before = _before(sentence, found)
            if found[0].startswith("to ") and _ASKS_FOR.search(before):
                continue
            if not _is_excused(_CLAUSE.split(before)[-1], _DENIES):
                yield found[0]
    for found in _WORD.finditer(sentence):
        if not _IS_A_NAME.match(sentence, found.end()) and _acts(
            found[0], _before(sentence, found)
        ):
            yield found[0]


def _before(sentence: str, found: re.Match[str]) -> str:
    return sentence[max(0, found.start() - _LOOK_BACK) : found.start()]


def _acts(word: str, before: str) -> bool:
    """Whether a word is a verb there that acts, and is neither denied nor another tool's."""
    if word in _GERUNDS:
        return bool(_COMES_BEFORE_A_GERUND.search(before)) and not _is_excused(before, _DENIES)
    stem = _STEMS.get(word, word)
    if stem not in _BASE:
        return False
    if word != stem:
        is_sure = stem in ACTING and not _A_NOUN_FOLLOWS.search(before)
        # "does not" governs what is joined to it only while that stays in its base form
        clause = _CLAUSE.split(before)[-1]
        return (is_sure or bool(_COMES_BEFORE.search(before))) and not _is_excused(clause, _DENIES)
    clause = before.rpartition(" but ")[2]
    return bool(_COMES_BEFORE.search(before)) and not _is_excused(clause, _DENIES_A_VERB)


def _is_excused(before: str, denies: re.Pattern[str]) -> bool:
    """Whether what stands before a verb denies it, or gives it to another tool."""
    if _NEEDED.search(before):
        return True
    return bool(denies.search(_NOT_ONLY.sub("", before)) or _OTHER_TOOL.search(before))
