"""How long a segment takes to count and to freeze among a million clients with a letter each.

On PostgreSQL, through the product's own code; the same counts on SQLite with a tenth of the
clients. Each question is counted a few times, as the page of a segment does while it is made; the
figure is the slowest question's median. Then a run to the largest segment is made.
"""

from dataclasses import dataclass
from typing import Any

from benchmarks.database import Database
from benchmarks.report import Figures, Goal, conclude, median, options
from benchmarks.stage import Stage, Take

MOST_MS, MOST_FROZEN_S = 300, 15
SQLITE_PART = 10
ROUNDS = 5
STOPPED = 100  # one client of so many is on the stop-list
CITIES = ("Казань", "Тверь", "Псков", "Томск", "Вологда")


def one(kind: str, **values: Any) -> dict[str, Any]:
    return {"kind": kind, "negated": False, **values}


def negated(condition: dict[str, Any]) -> dict[str, Any]:
    return condition | {"negated": True}


def all_of(*conditions: dict[str, Any]) -> dict[str, Any]:
    group = {"match": "all", "negated": False, "conditions": list(conditions)}
    return {"version": 1, "match": "all", "groups": [group]}


def any_of(*conditions: dict[str, Any]) -> dict[str, Any]:
    whole = all_of(*conditions)
    whole["groups"][0]["match"] = "any"
    return whole


KAZAN = one("text", field="detail:city", test="is", value="казань")
GOT_LATELY = one("letters", days=30)
ON_LIST = one("list", list_id=1)
QUESTIONS = {
    "city is Kazan": all_of(KAZAN),
    "name contains 77": all_of(one("text", field="full_name", test="contains", value="77")),
    "domain is example7.org": all_of(one("text", field="domain", test="is", value="example7.org")),
    "number of a card above 500 000": all_of(
        one("number", field="detail:card", test="more", value=500_000)
    ),
    "added in the last 7 days": all_of(one("age", field="created_at", test="within", days=7)),
    "on a list": all_of(ON_LIST),
    "not on a list": all_of(negated(ON_LIST)),
    "no letter for 30 days": all_of(negated(GOT_LATELY)),
    "in Kazan and no letter for 30 days": all_of(KAZAN, negated(GOT_LATELY)),
    "got a mailing": all_of(one("mailing", test="got", mailing_id=1)),
    "in Kazan or on a list": any_of(KAZAN, ON_LIST),
    "in Kazan or got a letter in 30 days": any_of(KAZAN, GOT_LATELY),
    "on the stop-list": all_of(one("state", reason="")),
}
LARGEST = "not on a list"


@dataclass
class Counted:
    milliseconds: float
    found: int


def rest(of: int) -> str:
    """Return the remainder of the row's number: a per cent sign is special to one driver."""
    return f"id - id / {of} * {of}"


def furnish(take: Take) -> None:
    """Give the clients cities, half of them a list, each a letter of the last two months."""
    database = take.database
    if database.kind == "SQLite":
        which = " ".join(f"WHEN {n} THEN '{city}'" for n, city in enumerate(CITIES))
        cities = f"json_set(attributes, '$.city', CASE {rest(len(CITIES))} {which} END)"
        at = f"datetime('now', '-' || ({rest(60)}) || ' days')"
    else:
        names = ", ".join(f"'{city}'" for city in CITIES)
        city = f"(ARRAY[{names}])[1 + {rest(len(CITIES))}]"
        cities = f"attributes || jsonb_build_object('city', {city})"
        at = f"now() - ({rest(60)}) * interval '1 day'"
    database.rows(f"UPDATE mailings_client SET attributes = {cities}")
    database.rows(
        "INSERT INTO mailings_suppression (owner_id, address_hash, address, is_by_idna_2003,"
        " reason, source, created_at, is_imported) SELECT owner_id, 'hash' || id, email_normalised,"
        " false, 'unsubscribed', '', created_at, false FROM mailings_client"
        f" WHERE {rest(STOPPED)} = 0"
    )
    mailing = take.direct("draft", name="Before", audience="all")
    take.direct("start", mailing=mailing)
    take.direct("plan")
    database.rows(
        f"UPDATE mailings_delivery SET status = 'sent', finished_at = {at} WHERE status = 'pending'"
    )
    database.rows("DELETE FROM mailings_chunk")
    settle(database)


def settle(database: Database) -> None:
    """Leave the tables as if they had been filled like this at first."""
    if database.kind == "PostgreSQL":
        database.rows("VACUUM FULL mailings_client")
        database.rows("VACUUM FULL mailings_delivery")
    database.settle()


def count(take: Take, name: str, conditions: dict[str, Any]) -> Counted:
    rounds = [take.direct("count_segment", conditions=conditions) for _ in range(ROUNDS)]
    found = Counted(median([r["seconds"] for r in rounds]) or 0, rounds[0]["found"])
    found.milliseconds *= 1000
    print(f"{take.database.kind:10}  {name:38} {found.milliseconds:7.0f} ms {found.found:>9}",
          flush=True)  # fmt: skip
    return found


def freeze(take: Take, conditions: dict[str, Any], found: int) -> tuple[float, int]:
    """Return how long a run to the segment takes to be made, and how many it misses."""
    mailing = take.direct("draft", name="To a segment", segment=conditions)
    take.direct("start", mailing=mailing)
    took = take.direct("plan")["seconds"]
    run = take.run_of(mailing)
    frozen = run["targeted"] if run else 0
    print(f"{take.database.kind:10}  {frozen} recipients frozen in {took:.2f} s", flush=True)
    return took, found - frozen


def play(clients: int, *, embedded: bool) -> tuple[float, float, int]:
    """Return the slowest count in ms, the freezing in s, and how many were not frozen."""
    lists = {"half": clients // 2, "all": clients}
    with (
        Stage(clients=clients, lists=lists, embedded=embedded) as stage,
        stage.take(None) as take,
    ):
        furnish(take)
        counted = {name: count(take, name, asked) for name, asked in QUESTIONS.items()}
        seconds, missed = freeze(take, QUESTIONS[LARGEST], counted[LARGEST].found)
        return max(one.milliseconds for one in counted.values()), seconds, missed


def main() -> None:
    chosen = options(count=1_000_000, noun="clients")
    slowest, seconds, missed = play(chosen.count, embedded=False)
    part = max(1, chosen.count // SQLITE_PART)
    on_sqlite, _, missed_there = play(part, embedded=True)
    conclude(
        Figures("segments", slowest, "ms", reference=on_sqlite, lost=missed + missed_there),
        Goal(f"every count at most {MOST_MS} ms on PostgreSQL", slowest <= MOST_MS),
        Goal(
            f"at most {MOST_FROZEN_S} s to freeze (now {seconds:.1f} s)", seconds <= MOST_FROZEN_S
        ),
        Goal(f"SQLite with {part}: at most 2 s (now {on_sqlite / 1000:.1f} s)", on_sqlite <= 2_000),
        Goal("every recipient frozen", missed + missed_there == 0),
    )


if __name__ == "__main__":
    main()
