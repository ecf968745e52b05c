"""Function words that never name anything alone. English mostly, with the commonest of a few other languages."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


STOP: frozenset[str] = _words(
    """
    a an the of in on at by for to from with and or is are was were be been being am as that this these those which
    who whom whose what when where why how did does do done has have had having it its it's he she they i you we me my
    mine your yours our ours us his her hers their theirs him them not no nor but if than then else into over under
    after before during between about against among also such other more most some any each both few own same so too
    very can will just don don't would could should may might must shall s t d ll m re ve let lets let's there here
    now out up down off all only again once because while until through above below until per via yes ok okay
    und der die das ein eine ist le la les un une est et el los las una es y il lo gli e i
    и в на с по к у о от за из не что как это он она они мы вы я был была были
    """
)

# Words that open a sentence with a capital letter without being names.
OPENERS: frozenset[str] = STOP | _words(
    """
    currently although however following since though despite according later early earlier several many upon within
    without like unlike see due today thus also meanwhile additionally moreover furthermore finally initially
    originally formerly eventually well hey hi hello thanks thank yeah yep nope wow oh ah sorry please sure great
    good nice cool awesome amazing maybe perhaps really glad absolutely definitely exactly anyway totally
    congrats congratulations bye haha hmm tell give name list say get got having being made born known based
    one two first second another every either neither whether nothing something everything someone everyone
    it's i'm i've i'll i'd that's there's what's how's you're we're they're don't can't didn't doesn't isn't
    """
)

# Words that join two parts of one name: Lord of the Rings, Vincent van Gogh, Министерство по делам.
CONNECTORS: frozenset[str] = _words(
    """
    of the de del della di da do dos das du des la le les von van der den al el bin ibn and & for in at on to a y e
    und zu af av og na и по имени
    """
)

# Connectors at which a long name is also cut into its parts; `of` and the particles of surnames bind too tightly.
CUTS: frozenset[str] = _words("and & in on at to for a и")

# Characters that end a chunk of Chinese or Japanese text: particles, copulas, pronouns, prepositions.
IDEOGRAPHIC_STOPS = (
    "的了是在和与及或有于为被把从向对将也都就而但则之其这那我你他她它们吗呢吧啊很不没最更还又并以因所个位"
)
