"""The rows of the rental company's database: the same ones each time, from a fixed seed.

All people, addresses and plates are made up; `example.com` belongs to nobody.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, timedelta

TODAY = date(2026, 4, 25)
"""The day on which the story plays."""

CUSTOMERS = 1_206
BOOKINGS = 1_500
VEHICLES = 180
STAGING_BOOKINGS = 420
UNCONFIRMED = 5
SEED = 20_260_425

Row = tuple[object, ...]

BRANCHES = ("Airport West", "Harbour depot", "Old Town", "Quay Street", "Central Station")
_MODELS = (
    ("Skoda Fabia", "A"),
    ("Renault Clio", "A"),
    ("Seat Leon", "B"),
    ("Toyota Corolla", "B"),
    ("Skoda Octavia", "C"),
    ("Volvo V60", "C"),
    ("VW Transporter", "D"),
)
_FIRST = (
    *("Ada", "Amir", "Anna", "Ben", "Carla", "Chen", "Clara", "David", "Elif", "Emil", "Eva"),
    *("Farid", "Grace", "Hana", "Hugo", "Ines", "Ivan", "Jana", "Jonas", "Julia", "Kofi", "Lena"),
    *("Leo", "Lucia", "Maja", "Marco", "Mei", "Mira", "Nadia", "Nils", "Noor", "Olga", "Omar"),
    *("Paula", "Pavel", "Rosa", "Sara", "Sofia", "Tariq", "Theo", "Vera", "Yusuf", "Zoe"),
)
_LAST = (
    *("Abel", "Adler", "Bauer", "Becker", "Berg", "Costa", "Demir", "Diaz", "Dubois", "Fischer"),
    *("Garcia", "Haas", "Hansen", "Ivanova", "Jansen", "Kaya", "Keller", "Khan", "Kim", "Kovac"),
    *("Laurent", "Lind", "Lopez", "Mensah", "Meyer", "Moreau", "Nagy", "Novak", "Okafor", "Olsen"),
    *("Park", "Peeters", "Popov", "Rossi", "Sato", "Silva", "Singh", "Torres", "Vogel", "Weber"),
)


@dataclass(frozen=True)
class Rows:
    """The rows of each table, in the order of its columns in `rental.TABLES`."""

    branches: list[Row]
    vehicles: list[Row]
    customers: list[Row]
    bookings: list[Row]
    staging_bookings: list[Row]


def make_rows() -> Rows:
    """All rows; two calls give the same."""
    rng = random.Random(SEED)  # noqa: S311 - made-up data, not a secret
    return Rows(
        branches=[(n, name) for n, name in enumerate(BRANCHES, start=1)],
        vehicles=[_vehicle(rng, n) for n in range(1, VEHICLES + 1)],
        customers=[_customer(rng, n) for n in range(1, CUSTOMERS + 1)],
        bookings=[_booking(rng, n) for n in range(1, BOOKINGS + 1)],
        staging_bookings=[_staging_booking(rng, n) for n in range(1, STAGING_BOOKINGS + 1)],
    )


def _vehicle(rng: random.Random, number: int) -> Row:
    model, tier = rng.choice(_MODELS)
    return (number, f"HL {1000 + number * 37}", model, tier, rng.randint(1, len(BRANCHES)))


def _customer(rng: random.Random, number: int) -> Row:
    first, last = rng.choice(_FIRST), rng.choice(_LAST)
    email = f"{first}.{last}.{number}@example.com".lower()
    return (number, f"{first} {last}", email, TODAY - timedelta(days=rng.randint(20, 1400)))


def _booking(rng: random.Random, number: int) -> Row:
    days = rng.randint(1, 14)
    if number > BOOKINGS - UNCONFIRMED:
        pick_up, status = TODAY + timedelta(days=1), "unconfirmed"
        customer = CUSTOMERS - (BOOKINGS - number) * 7
    else:
        pick_up = TODAY + timedelta(days=rng.randint(-400, 60))
        status, customer = _status(rng, pick_up, days), rng.randint(1, CUSTOMERS)
    booked_on = min(pick_up, TODAY) - timedelta(days=rng.randint(0, 30))
    return (
        f"RB-{20_000 + number}",
        *(customer, rng.randint(1, VEHICLES), rng.randint(1, len(BRANCHES))),
        *(pick_up, pick_up + timedelta(days=days)),
        *(days * rng.randint(29, 119) * 100, status, booked_on),
    )


def _status(rng: random.Random, pick_up: date, days: int) -> str:
    if rng.random() < 0.08:  # noqa: PLR2004 - about one in twelve cancels
        return "cancelled"
    if pick_up > TODAY:
        return "confirmed"
    return "on rent" if pick_up + timedelta(days=days) > TODAY else "returned"


def _staging_booking(rng: random.Random, number: int) -> Row:
    changed_on = TODAY - timedelta(days=rng.randint(0, 420))
    return (f"ST-{number:04d}", f"Test customer {rng.randint(1, 40)}", changed_on)
