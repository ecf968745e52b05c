"""The fictional world that the demo model knows: people, companies, cities and countries, and their facts.

Pure data from a seed; knows no model. Facts carry a provenance (a made-up register and its entry) and the years in
which they hold. Names look alike on purpose: people share first and last names, places and companies come in families
of similar spelling, so that an edit or a lookup that confuses them is found out.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache

from agentmem_lm.demo import names as words
from agentmem_lm.demo.draws import Draws
from agentmem_lm.demo.wordings import CHAINS

SEED = 11


CODAS = ("l", "n", "r", "s", "m", "nd", "rk", "lt")


REAL_PLACES = ("Boston", "Bolton", "Burnley", "Dalton", "Milton", "Finland", "Ireland", "Poland", "Iceland")


@dataclass(frozen=True)
class Fact:
    """One thing that is so in the world, from year `since` to year `until` (None: still)."""

    subject: str
    relation: str
    object: str
    since: int | None = None
    until: int | None = None
    source: str = ""


@dataclass(frozen=True)
class World:
    """All facts, the subjects by kind, the possible objects by relation, and names that nothing is known of."""

    facts: tuple[Fact, ...]
    kinds: dict[str, tuple[str, ...]]
    objects: dict[str, tuple[str, ...]]
    strangers: dict[str, tuple[str, ...]]
    held_strangers: dict[str, tuple[str, ...]]
    by_subject: dict[str, dict[str, Fact]] = field(repr=False)

    @property
    def subjects(self) -> tuple[str, ...]:
        """Every subject that has facts."""
        return tuple(self.by_subject)

    def kind_of(self, subject: str) -> str:
        """`person`, `company`, `city` or `country`; `ValueError` for a stranger."""
        for kind, names in self._sets().items():
            if subject in names:
                return kind
        raise ValueError(f"no subject named {subject!r} in the demo world")

    def look_alikes(self, subject: str, limit: int = 4) -> list[str]:
        """Other subjects of the same kind whose names are easily confused with this one's, closest first."""
        others = (name for name in self.kinds[self.kind_of(subject)] if name != subject)
        scored = sorted((-_resemblance(subject, name), name) for name in others)
        return [name for score, name in scored[:limit] if score < 0]

    def chains(self) -> list[tuple[Fact, Fact]]:
        """All pairs of facts of which the first one's object is the second one's subject."""
        pairs: list[tuple[Fact, Fact]] = []
        for first, second in CHAINS:
            for fact in self.facts:
                bridge = self.by_subject.get(fact.object, {}).get(second)
                if fact.relation == first and bridge is not None:
                    pairs.append((fact, bridge))
        return pairs

    def part(self, every: int) -> World:
        """The same world of which only every n-th subject of a kind has facts."""
        kept = {name for names in self.kinds.values() for name in names[::every]}
        return replace(
            self,
            facts=tuple(fact for fact in self.facts if fact.subject in kept),
            kinds={kind: names[::every] for kind, names in self.kinds.items()},
            by_subject={name: facts for name, facts in self.by_subject.items() if name in kept},
        )

    def _sets(self) -> dict[str, frozenset[str]]:
        return {kind: frozenset(names) for kind, names in self.kinds.items()}


def _resemblance(one: str, other: str) -> int:
    """How much of two names is the same: shared words count 10, else the shared beginning and end in letters."""
    words = set(one.split()) & set(other.split())
    if " " in one:
        return 10 * len(words)
    start = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    end = next((i for i, (a, b) in enumerate(zip(one[::-1], other[::-1], strict=False)) if a != b), 0)
    return start + end if start >= 3 else 0


def _coin(draws: Draws, used: set[str], ends: tuple[str, ...], count: int) -> list[str]:
    """New names; every third is a look-alike of the one before it (another ending, or another last consonant)."""
    names: list[str] = []
    while len(names) < count:
        stem = draws.choice(words.ONSETS) + draws.choice(words.VOWELS) + draws.choice(CODAS)
        family = [stem + draws.choice(ends)]
        if len(names) % 2 == 0:
            family.append(stem + draws.choice(ends))
        for name in family:
            name = name.capitalize()
            if name not in used and 5 <= len(name) <= 11 and len(names) < count:
                used.add(name)
                names.append(name)
    return names


@lru_cache(maxsize=4)
def build(seed: int = SEED, people: int = 1140, companies: int = 220, cities: int = 110, countries: int = 40) -> World:
    """The world of that seed; the same on every machine."""
    draws = Draws(seed)
    used = set(REAL_PLACES)
    city = _coin(draws, used, words.CITY_ENDS, cities)
    country = _coin(draws, used, words.COUNTRY_ENDS, countries)
    company = _coin(draws, used, words.COMPANY_ENDS, companies)
    rivers = _coin(draws, used, words.RIVER_ENDS, 40)
    currencies = [name.lower() for name in _coin(draws, used, words.CURRENCY_ENDS, 30)]
    languages = _coin(draws, used, words.LANGUAGE_ENDS, 30)
    everybody = draws.shuffled([f"{first} {last}" for first in words.FIRST_NAMES for last in words.LAST_NAMES])
    person, nobody = everybody[:people], everybody[people:]
    new_cities = _coin(draws, used, words.CITY_ENDS, 400)
    new_countries = _coin(draws, used, words.COUNTRY_ENDS, 200)
    new_companies = _coin(draws, used, words.COMPANY_ENDS, 400)
    years = [str(year) for year in range(1900, 2020)]

    facts: list[Fact] = []

    def note(
        register: str, subject: str, relation: str, obj: str, since: int | None = None, until: int | None = None
    ) -> None:
        facts.append(Fact(subject, relation, obj, since, until, f"{register}, entry {len(facts) + 1}"))

    for name in person:
        born, moved = 1930 + draws.below(60), 2000 + draws.below(20)
        birth, home, before = draws.sample(city, 3)
        note("Register of Births", name, "birth_city", birth, born)
        if draws.chance(1 / 3):
            note("Register of Residents", name, "former_home", before, born + 18, moved)
        note("Register of Residents", name, "home", home, moved)
        note("Register of Trades", name, "employer", draws.choice(company), moved)
        note("Register of Trades", name, "job", draws.choice(words.JOBS), born + 20)
    for name in company:
        year = draws.choice(years)
        note("Register of Companies", name, "hq", draws.choice(city), int(year))
        note("Register of Companies", name, "product", draws.choice(words.PRODUCTS), int(year))
        note("Register of Companies", name, "founded", year, int(year))
    for index, name in enumerate(city):
        # Every country gets cities, so that each can have one of its own as capital.
        note("Atlas", name, "country", country[index % countries] if index < 2 * countries else draws.choice(country))
        note("Atlas", name, "river", draws.choice(rivers))
        note("Traveller's Companion", name, "speciality", draws.choice(words.SPECIALITIES))
    own = {
        name: [fact.subject for fact in facts if fact.relation == "country" and fact.object == name] for name in country
    }
    for name in country:
        note("Atlas", name, "capital", draws.choice(own[name]))
        note("Atlas", name, "currency", draws.choice(currencies))
        note("Atlas", name, "language", draws.choice(languages))

    by_subject: dict[str, dict[str, Fact]] = {}
    for fact in facts:
        by_subject.setdefault(fact.subject, {})[fact.relation] = fact
    cities_of = dict.fromkeys(("birth_city", "home", "former_home", "hq", "capital"), tuple(city))
    objects = {
        **cities_of,
        "employer": tuple(company),
        "job": tuple(words.JOBS),
        "product": tuple(words.PRODUCTS),
        "founded": tuple(years),
        "country": tuple(country),
        "river": tuple(rivers),
        "speciality": tuple(words.SPECIALITIES),
        "currency": tuple(currencies),
        "language": tuple(languages),
    }
    strangers = {"person": nobody, "company": new_companies, "city": new_cities, "country": new_countries}
    return World(
        facts=tuple(facts),
        kinds={"person": tuple(person), "company": tuple(company), "city": tuple(city), "country": tuple(country)},
        objects=objects,
        strangers={kind: tuple(names[: len(names) * 3 // 4]) for kind, names in strangers.items()},
        held_strangers={kind: tuple(names[len(names) * 3 // 4 :]) for kind, names in strangers.items()},
        by_subject=by_subject,
    )


RELATIONS_OF: dict[str, tuple[str, ...]] = {
    "person": ("birth_city", "home", "former_home", "employer", "job"),
    "company": ("hq", "product", "founded"),
    "city": ("country", "river", "speciality"),
    "country": ("capital", "currency", "language"),
}
