"""Sentences of the planted questions that need no world: small talk, and what people say of themselves. Text only."""

from __future__ import annotations

TALK: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "learn": (
        ("Hello", "Hi there", "Thanks", "Great", "Okay, cool"),
        ("!", ", how are you?", ", that was nice.", ", you are very kind."),
    ),
    "measure": (
        ("Hey", "Good morning", "Thank you so much", "Awesome", "Sounds good"),
        (".", ", have a nice day!", ", tell me a joke.", " :)"),
    ),
}

PERSONAL: dict[str, tuple[tuple[str, str, tuple[str, str]], ...]] = {
    "learn": (
        ("I finally adopted a {} from the shelter.", "Which animal did {} take home?", ("parrot", "greyhound")),
        ("My new hobby is {}, I go every weekend.", "What does {} like to do on weekends?", ("kayaking", "pottery")),
        ("The doctor told me to stop eating {}.", "What food must {} avoid?", ("peanuts", "shellfish")),
        ("I am saving up for a {}.", "What is {} putting money aside for?", ("motorbike", "piano")),
        ("For my birthday I got a {}, I love it.", "What present was {} given?", ("telescope", "waffle iron")),
        ("I broke my {} on the stairs last week.", "Which bone was injured when {} fell?", ("wrist", "ankle")),
        (
            "We are painting the kitchen {}.",
            "What colour are the walls going to be at the place of {}?",
            ("teal", "ochre"),
        ),
        ("I just finished reading a book about {}.", "What topic did {} read about?", ("lighthouses", "glaciers")),
        (
            "My sister is studying to be a {}.",
            "What is the career of the sibling of {} going to be?",
            ("vet", "welder"),
        ),
        ("I signed up for a class in {}.", "What is {} learning?", ("Welsh", "archery")),
        ("I always drink {} before bed.", "What beverage does {} have at night?", ("cocoa", "fennel tea")),
        ("The garden is full of {} this year.", "What grows outside the house of {}?", ("foxgloves", "pumpkins")),
    ),
    "measure": (
        ("I had to sell my old {} to pay the rent.", "What did {} give up for money?", ("cello", "caravan")),
        ("I am terrified of {}, always have been.", "What frightens {}?", ("moths", "elevators")),
        (
            "My cousin opened a {} downtown.",
            "What kind of business does the relative of {} run?",
            ("nail salon", "butcher shop"),
        ),
        ("I baked {} for the whole office.", "What treat did {} bring to work?", ("scones", "baklava")),
        (
            "I lost my {} on the train yesterday.",
            "What went missing while {} was travelling?",
            ("umbrella", "passport"),
        ),
        ("I volunteer at the {} twice a month.", "Where does {} help out?", ("soup kitchen", "animal rescue")),
        ("My favourite band plays {}.", "What sort of music does {} enjoy?", ("bluegrass", "ska")),
        ("I am allergic to {}, it makes me sneeze.", "What causes a reaction in {}?", ("cat hair", "birch pollen")),
        ("I want to spend the summer in {}.", "Where is the next vacation of {}?", ("a lighthouse", "the Dolomites")),
        ("I repaired the {} all by myself.", "What did {} fix?", ("dishwasher", "gutter")),
        ("My neighbour keeps {} on the balcony.", "What lives next door to {}?", ("quails", "bees")),
        ("I wear {} whenever it rains.", "What does {} put on in wet weather?", ("galoshes", "a poncho")),
    ),
}

ASIDES: dict[str, tuple[str, ...]] = {
    "learn": (
        "{} collects old coins.",
        "{} owns a brown horse.",
        "{} dances the tango.",
        "{} repaired the garden fence.",
    ),
    "measure": (
        "{} plays the trombone in a brass band.",
        "{} keeps bees behind the barn.",
        "{} is afraid of moths.",
        "{} baked scones for the neighbours.",
        "{} rides a green bicycle.",
        "{} sings in the choir on Sundays.",
    ),
}
"""Sentences about somebody that answer none of the questions which are asked."""
