"""The words of the synthetic catalogue: genres, themes, tones and made-up names.

A theme belongs to a first and a second genre and brings title nouns, people, what they do
and what stands in their way, so that a plot line tells its theme to whoever reads it.
"""

from __future__ import annotations

from typing import NamedTuple

GENRES = (
    "Action",
    "Adventure",
    "Animation",
    "Comedy",
    "Crime",
    "Drama",
    "Fantasy",
    "Horror",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "War",
)


class Theme(NamedTuple):
    """One theme; phrases separated by ``|`` in the table below."""

    first: str
    second: str
    nouns: tuple[str, ...]
    people: tuple[str, ...]
    deeds: tuple[str, ...]
    snags: tuple[str, ...]


class Tone(NamedTuple):
    """How a film feels: adjectives for titles and people, and closing lines."""

    title: tuple[str, ...]
    person: tuple[str, ...]
    lines: tuple[str, ...]


def _theme(first: str, second: str, nouns: str, people: str, deeds: str, snags: str) -> Theme:
    parts = (tuple(part.split("|")) for part in (nouns, people, deeds, snags))
    return Theme(first, second, *parts)


def _tone(title: str, person: str, lines: str) -> Tone:
    return Tone(*(tuple(part.split("|")) for part in (title, person, lines)))


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


THEMES = (
    _theme(
        "Action",
        "Crime",
        "Convoy|Overpass|Getaway|Drivers|Fuel Run",
        "getaway driver|truck mechanic|motorcycle courier|stunt racer|tow-truck owner",
        "races a stolen convoy through the mountain roads above|outruns three rival crews on the"
        " motorway to|must deliver a burning tanker before dawn to|wagers the garage on one last"
        " road race across",
        "while a patrol helicopter closes every bridge|with brakes that will last one more"
        " descent|and the rival crew has taken the co-driver hostage|as the only map leads into a"
        " quarry",
    ),
    _theme(
        "Action",
        "War",
        "Breach|Strike Team|Extraction|Perimeter|Vanguard",
        "bodyguard|parachute medic|bomb technician|retired commando|hostage negotiator",
        "storms a fortified tower to free the hostages of|has one night to defuse the charges"
        " under|fights floor by floor through the occupied station of|leads a rescue squad behind"
        " the barricades of",
        "while the ammunition runs out|and one of the squad is giving away each move|with a timer"
        " that nobody can read|as the last radio falls silent",
    ),
    _theme(
        "Adventure",
        "Fantasy",
        "Expedition|Cartographers|Compass|Far Shore|Voyage",
        "cartographer|ship's surgeon|river pilot|botanist|shipwrecked cook",
        "sails beyond the charted coast to find the drowned city of|follows a torn sea chart to"
        " the islands off|leads an expedition up the unmapped river to|crosses the ice shelf in"
        " search of the vanished ship from",
        "while the crew whispers of mutiny|with a compass that points at the moon|and provisions"
        " for only nine days|as an older map proves to be a warning",
    ),
    _theme(
        "Adventure",
        "Action",
        "Idol|Vault|Ruins|Treasure Hunters|Catacomb",
        "relic hunter|museum thief|archaeology student|desert guide|antiques forger",
        "digs for a golden idol beneath the ruins of|races smugglers to the treasure vault"
        " of|deciphers a temple inscription that leads to|descends into the flooded catacombs"
        " under",
        "while the tunnels fill with sand|and a collector has bought the local police|with half of"
        " the key in the hands of a rival|as each trap has already been sprung by somebody",
    ),
    _theme(
        "Animation",
        "Comedy",
        "Hedgehog|Otter Parade|Barnyard|Penguin Post|Talking Goose",
        "orphaned otter|stubborn hedgehog|near-sighted owl|runaway piglet|goose who cannot fly",
        "gathers the farm animals for a great march to|learns to swim in order to find a lost"
        " family in|opens a letter office for the birds of|befriends a lonely lighthouse cat in",
        "while the fox keeps changing sides|with winter only three songs away|and the wolves turn"
        " out to be afraid of the dark|as the old oak is to be felled",
    ),
    _theme(
        "Animation",
        "Fantasy",
        "Toymaker|Paper Dragon|Moonlight Circus|Clockwork Doll|Kite",
        "clockwork doll|paper dragon|little toymaker|kite with a memory|tin conductor",
        "comes alive at midnight in a toyshop in|must fly over the painted hills to|rebuilds the"
        " moonlight circus of|teaches the forgotten puppets to dance in",
        "while the paint begins to fade|and the key that winds the heart is missing|as children"
        " grow up one by one|with scissors waiting in every drawer",
    ),
    _theme(
        "Comedy",
        "Romance",
        "Wedding Band|Caterers|Best Man|Seating Plan|Honeymooners",
        "wedding singer|nervous best man|cake decorator|divorced florist|travelling organist",
        "is booked for two weddings on one day in|pretends to be engaged to please the aunts"
        " of|loses the rings, the vicar and the bride on the way to|must seat two feuding families"
        " at a table in",
        "while the cake refuses to stand|and an old flame is the photographer|as the speech goes"
        " to the wrong guests|with a goat nobody remembers inviting",
    ),
    _theme(
        "Comedy",
        "Drama",
        "Office Party|Photocopier|Night Shift|Suggestion Box|Middle Manager",
        "overlooked clerk|trainee inspector|bored receptionist|accidental mayor|caretaker",
        "is promoted by mistake to run the town hall of|hides a whole department from the auditors"
        " of|starts a strike of one in the stationery office of|wins a competition nobody entered"
        " for the council of",
        "while the photocopier prints secrets|and the boss wants to be friends|as the minutes of"
        " the meeting become a bestseller|with a retirement party to survive",
    ),
    _theme(
        "Crime",
        "Action",
        "Safecracker|Inside Job|Bank Holiday|Blueprint|Fifth Key",
        "safecracker|casino croupier|alarm engineer|forger on parole|pickpocket",
        "assembles a crew to empty the bank vault of|plans a robbery during the carnival of|swaps"
        " forged diamonds at the auction house of|tunnels from a laundry into the treasury of",
        "while the inspector dines upstairs|and someone has sold the blueprint twice|with eleven"
        " minutes between two alarms|as the share-out begins too early",
    ),
    _theme(
        "Crime",
        "Drama",
        "Harbour Boss|Informer|Ledger|Blood Oath|Dock Rats",
        "dock foreman|crooked accountant|boxer in debt|gangster's daughter|police informer",
        "keeps the ledger of the family that runs the harbour of|is asked to betray a brother to"
        " the mob of|rises from errand boy to boss in the back streets of|throws a fight for the"
        " syndicate of",
        "while old debts are called in|and silence costs more each week|with a wire under the"
        " shirt|as the funerals grow longer",
    ),
    _theme(
        "Drama",
        "Romance",
        "Orchard|Family Table|Inheritance|Kitchen Window|Long Winter",
        "widowed farmer|estranged daughter|grandmother|village teacher|eldest son",
        "returns after twenty years to the family orchard near|nurses a father who never spoke"
        " of|must divide the inheritance of a house in|raises three sisters alone on the edge of",
        "while the harvest fails again|and a letter lies unopened on the table|as old quarrels"
        " come to Sunday dinner|with a secret that the whole village knows",
    ),
    _theme(
        "Drama",
        "Mystery",
        "Verdict|Witness|Closing Statement|Jury Room|Appeal",
        "public defender|exhausted judge|court stenographer|juror|prison chaplain",
        "defends a stranger before the hostile court of|reopens an unjust conviction in|is the"
        " only witness in a trial that divides|counts the days to an appeal in the prison of",
        "while the press has already decided|and the evidence is lost between two offices|with a"
        " conscience that will not settle|as a juror begins to doubt",
    ),
    _theme(
        "Fantasy",
        "Adventure",
        "Dragon Oath|Thorn Crown|Spellbinder|Rune|Seventh Kingdom",
        "hedge witch|oath-breaking knight|dragon keeper|exiled princess|apprentice mage",
        "carries a cursed crown across the seven kingdoms to|bargains with the last dragon for the"
        " throne of|must break the enchantment that sleeps over|learns forbidden runes in the"
        " tower of",
        "while the thorn forest keeps growing|and each spell costs a memory|with an army of the"
        " dead a day behind|as the prophecy names the wrong child",
    ),
    _theme(
        "Fantasy",
        "Romance",
        "River Spirit|Faerie Market|Swan Coat|Enchanted Garden|Silver Mask",
        "river spirit|seamstress who sews spells|changeling|moon gardener|ferryman of souls",
        "falls in love with a mortal at the faerie market of|trades a shadow for a voice in|tends"
        " an enchanted garden hidden behind|wears a swan coat to the midwinter ball of",
        "while the gates close at sunrise|and promises here bind like iron|as the magic asks for"
        " its price|with a name that must never be said",
    ),
    _theme(
        "Horror",
        "Mystery",
        "Cellar|Haunting|Empty Nursery|Wallpaper|Attic Door",
        "night nurse|young governess|sleepless priest|new tenant|house restorer",
        "hears children behind the walls of an empty house in|unlocks the sealed attic of a manor"
        " outside|keeps watch over a haunted ward in|inherits the house that nobody will enter in",
        "while the mirrors are a little late|and the previous owner has not left|with footsteps"
        " that stop at the bed|as the dead begin to use the telephone",
    ),
    _theme(
        "Horror",
        "Sci-Fi",
        "Infestation|Spores|Specimen|Swarm|Below the Ice",
        "marine biologist|deep-mine doctor|night ranger|pathologist|quarantine officer",
        "finds something breathing in the ice below|cuts open a specimen from the swamps around|is"
        " locked in with the infected of|follows a trail of hollow cattle to",
        "while the swarm learns their voices|and one of them is no longer human|with the generator"
        " failing hour by hour|as the eggs begin to move",
    ),
    _theme(
        "Mystery",
        "Crime",
        "Inspector|Locked Room|Alibi|Cold Case|Poisoned Tea",
        "retired inspector|lady detective|insurance investigator|village constable|crime novelist",
        "investigates a murder in a locked room in|reopens the coldest case in the archive"
        " of|takes tea with seven suspects in a hotel near|traces a poisoned letter through the"
        " good society of",
        "while every alibi is perfect|and the victim sends another postcard|with a clue that only"
        " a gardener would notice|as the snow cuts off the road",
    ),
    _theme(
        "Mystery",
        "Drama",
        "Disappearance|Missing Year|Photograph|Cipher|Stranger",
        "archivist|amnesiac pianist|missing man's sister|code clerk|radio operator",
        "searches for a sister who vanished from|wakes without a memory in a boarding house"
        " in|decodes a cipher hidden in the newspapers of|finds her own face in an old photograph"
        " of",
        "while strangers answer to familiar names|and someone has been in the flat|with one year"
        " missing from all the records|as the witnesses forget one by one",
    ),
    _theme(
        "Romance",
        "Drama",
        "Letters|Ballroom|Second Spring|Pen Pal|Waltz",
        "shy librarian|dance teacher|lighthouse keeper's widow|young violinist|letter writer",
        "falls in love by letter with somebody in|dances one waltz too many in the ballroom"
        " of|meets a first love again on the promenade of|waits each spring at the station of",
        "while the letters cross in the post|and another has already proposed|as the summer comes"
        " to an end|with a goodbye neither can say",
    ),
    _theme(
        "Romance",
        "Comedy",
        "Bakery|Neighbours|Blind Date|Dog Walkers|Bookshop",
        "baker|cynical columnist|bookshop owner|dog walker|upstairs neighbour",
        "shares a wall and a quarrel with a charming neighbour in|opens a bakery next to an old"
        " sweetheart in|goes on nine blind dates in the cafés of|swaps flats with a stranger from",
        "while the dog has plans of its own|and both have lied about their jobs|as the neighbours"
        " place bets|with a flight leaving on Sunday",
    ),
    _theme(
        "Sci-Fi",
        "Adventure",
        "Orbit|Starship|Colony|Generation Ship|Signal",
        "ship's engineer|colony botanist|deep-space pilot|signal analyst|stranded astronaut",
        "repairs a failing starship in orbit around|answers a signal from the dead colony"
        " of|steers a generation ship past the moons of|walks alone across the red plains to the"
        " dome of",
        "while the oxygen is counted in hours|and home has stopped replying|with a crew that aged"
        " forty years overnight|as the second sun begins to rise",
    ),
    _theme(
        "Sci-Fi",
        "Mystery",
        "Replica|Machine Heart|Memory Clinic|Algorithm|Android",
        "android witness|memory technician|robot psychologist|cloned heiress|programmer",
        "suspects that an artificial mind runs the city of|repairs the stolen memories of the rich"
        " of|teaches an android to lie before the tribunal of|meets an exact copy in the"
        " laboratories of",
        "while the machines vote in secret|and nobody can prove to be human|with an update due at"
        " midnight|as the simulation starts to repeat",
    ),
    _theme(
        "War",
        "Drama",
        "Trench|Field Hospital|Regiment|Armistice|Letters Home",
        "field surgeon|conscripted farmhand|army nurse|young lieutenant|stretcher bearer",
        "holds a field hospital together during the siege of|carries the last letters of a"
        " regiment out of|shares a trench with the enemy before|marches with a broken platoon"
        " towards",
        "while the shelling moves closer|and the orders make no sense|with an armistice that comes"
        " a day late|as winter takes more than the guns",
    ),
    _theme(
        "War",
        "Crime",
        "Resistance|Double Agent|Courier|Occupation|Saboteurs",
        "resistance courier|double agent|railway saboteur|forger of passports|occupied mayor",
        "smuggles children out of occupied|plants false plans with the general staff in|blows up"
        " the bridges one by one around|hides a radio transmitter in the cathedral of",
        "while the occupiers bill every house|and the network has a traitor|with papers that will"
        " pass only once|as the invasion is put off again",
    ),
)

TONES = (
    _tone(
        "Grim|Ashen|Merciless|Black",
        "haunted|embittered|ruthless|guilt-ridden",
        "Bleak and unforgiving to the last frame.|A dark, violent reckoning.|Nothing is forgiven"
        " here.|Cold, hard and without comfort.",
    ),
    _tone(
        "Merry|Crooked|Unlikely|Topsy-Turvy",
        "clumsy|boastful|absent-minded|cheerful",
        "Light, silly and very funny.|A romp with jokes in every corner.|Slapstick of the happiest"
        " kind.|Told with a wink from start to end.",
    ),
    _tone(
        "Tender|Gentle|Kindly|Homeward",
        "soft-spoken|warm-hearted|patient|lonely",
        "A tender, heartwarming story about kindness.|Gentle, hopeful and close to tears.|It"
        " believes in people and shows why.|Warm as a lamp in a window.",
    ),
    _tone(
        "Breathless|Burning|Sudden|Razor",
        "hunted|restless|reckless|desperate",
        "Relentless suspense that never lets go.|A breathless chase at full speed.|Tense from the"
        " first minute.|The pulse does not slow down once.",
    ),
    _tone(
        "Dreaming|Mirrored|Sleeping|Violet",
        "wandering|sleepwalking|enigmatic|silent",
        "Slow, strange and dreamlike.|A surreal puzzle of images and echoes.|Hypnotic, and happy"
        " to stay unexplained.|It unfolds like a half-remembered dream.",
    ),
    _tone(
        "Grand|Golden|Thousandfold|Imperial",
        "fearless|legendary|proud|sworn",
        "A sweeping epic with vast battles and music.|Spectacle on the grandest scale.|Majestic,"
        " loud and larger than life.|An epic told across three generations.",
    ),
    _tone(
        "Plain|Common|Salt-Grey|Backstreet",
        "weary|hard-working|unemployed|honest",
        "Shot like a documentary, gritty and close.|Raw, realistic and sparely told.|Honest about"
        " work and money.|No music, no glamour, only life.",
    ),
    _tone(
        "Clever|Ironic|Gilded|Paper",
        "sharp-tongued|overeducated|scheming|elegant",
        "Witty, with a satirical bite.|Dry dialogue and cleverer plotting.|An ironic comedy of"
        " manners at heart.|Smart, talkative and knowing.",
    ),
)

NAME_HEADS = _words(
    "Bel Cor Dal Esk Fen Gal Hor Ist Jor Kel Lor Mar Nev Ost Pel Quen Ros Sel Tor Ul Var Wes"
    " Yar Zel Bran Drev Thal Vin"
)
NAME_MIDDLES = _words("a e i o u an en or il am")
PLACE_TAILS = _words(
    "dale mere wick ton grad haven ford stad moor burg vale ris mouth nok sund lin"
)
PERSON_TAILS = _words("sen vik mond ro tte wyn ska lund beck ley nar dis")
FIRST_NAMES = _words(
    "Ada Bruno Clara Dario Edda Felix Greta Hugo Ines Jonas Kaja Leon Mira Nils Olga Pavel"
    " Runa Silas Tilda Ugo Vera Wanda Xenia Yusuf Zora"
)
