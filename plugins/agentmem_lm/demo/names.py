"""The words that the demo world's names are made of. Lists only; knows no rules."""

from __future__ import annotations


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FIRST_NAMES = _words(
    """
    Ada Albin Amira Anselm Astrid Balint Beatrix Benno Brigid Caspar Celia Conrad Dagny Dario Delia Edmund Elina
    Emeric Enid Fabian Frida Gideon Greta Harald Hedda Henrik Ilse Ines Ivo Jarek Joana Jonas Judith Kaja Klaus
    Laila Leander Lotte Lucian Magda Malte Mira Moritz Nadja Nils Odette Olaf Orla Pavel Perpetua Ragna Remy Roland
    Rosa Selma Sigrid Stefan Tamar Thea Tilda Ugo Valeria Vera Wanda Alma Bodo Carina Damian Edda Fritz Gerda Hugo
    Irma Jutta Karel Lidia Marek Nora Otis Petra Quirin Rika Sven Tessa Urban Viola Willem Yvette
    """
)
LAST_NAMES = _words(
    """
    Aldane Amsel Bartok Beckett Bergen Blom Carrow Corvin Dahl Dembski Drexler Eames Ebner Falconer Fenwick Foss
    Gallo Garner Grau Hale Hedlund Hobart Ingram Isaksen Jagger Jorvik Kaspersen Kemp Kovac Lacey Landau Lund Madsen
    Mercer Moreau Nadler Nolan Norwood Oakes Okafor Palmer Perrin Quist Radek Rask Rowan Sadler Sorel Steiner Talbot
    Tarkin Ulrich Unger Vance Vidal Walsh Wendt Winter Yarrow Zander Abend Basset Cordes Dunne Engel Farkas Gerber
    Hollis Imhof Janko Keane Lorenz Mandel Nyberg Orban Pohl Reuter Sandor Thiel Urbach Varga Weiss Yates Zoller
    Birk Castor Delft Ferris Grohl Hamm
    """
)
JOBS = _words(
    """
    baker brewer carpenter chemist composer cook dancer dentist farmer fisher gardener geologist glazier jeweller
    judge librarian locksmith mason miner nurse painter pilot plumber potter printer sailor sculptor surveyor tailor
    teacher translator watchmaker
    """
)
PRODUCTS = _words(
    """
    bells bicycles boilers boots cameras candles carpets clocks drones engines guitars helmets kettles lamps lenses
    mirrors paints pianos pumps radios robots sofas stoves tents tiles tractors turbines umbrellas valves violins
    """
)
SPECIALITIES = _words(
    """
    beer bread bridges carnival cathedral cheese cherries chocolate gardens ginger glass harbour honey horses lace
    library market mustard olives opera oysters paper pottery roses saffron salt silk theatre towers wine
    """
)
ONSETS = _words("b br c cr d dr f fl g gl gr h k kl l m n p pr r s sk st t tr v w z")
VOWELS = _words("a e i o u ai ea ou")
CITY_ENDS = _words("by burg ford holm mere mouth port stad ton ville")
COUNTRY_ENDS = _words("avia ia land mark ora stan")
COMPANY_ENDS = _words("corp dyne gen lux nova soft tek works")
RIVER_ENDS = _words("ara ess ine ona ube")
CURRENCY_ENDS = _words("ar in o und")
LANGUAGE_ENDS = _words("ese ian ish")
