"""Tables by a choice know every member of it: a new one is missed here, not on somebody's page.

Where the code branches instead, `assert_never` has mypy find the place (test_new_members).
"""

from enum import Enum

import pytest

from mailings.clients import history
from mailings.clients.importing import mail_states, outcome, plan
from mailings.cms import columns
from mailings.delivery.queue import claims
from mailings.delivery.runs import planning
from mailings.delivery.transports import base
from mailings.models import Run
from mailings.models.suppression import SuppressionReason
from mailings.refusals import RefusalKind
from mailings.reports import bars
from mailings.states import FREQUENCIES, DeliveryStatus, Frequency, Outcome
from mailings.templatetags import mailing_words
from mailings.web import words

TABLES: list[tuple[object, type[Enum]]] = [
    (FREQUENCIES, Frequency),
    (planning.GRACE, Frequency),
    (claims.OUTCOMES, Outcome),
    (columns.OUTCOMES, Outcome),
    (words.RETURNED_BECAUSE, RefusalKind),
    (mailing_words.OUTCOME_LOOKS, Outcome),
    (words.SUPPRESSED, SuppressionReason),
    (history._LOOKS, SuppressionReason),
    (outcome.WILL, plan.Kind),
    (outcome.DID, plan.Kind),
    (outcome.LOOKS, plan.Kind),
]


@pytest.mark.parametrize(("table", "choice"), TABLES)
def test_table_knows_every_member(table, choice):
    assert set(table) == set(choice)


def test_every_step_has_words():
    assert set(words._STEPS) == {*base.Step, "render"}


def test_every_result_of_a_transport_is_an_outcome_that_is_stored():
    """The others arise before a mail service is asked, or after nobody can answer."""
    ours = {Outcome.RENDER, Outcome.LOST}
    results = {kind.name for kind in base.SendResult.__subclasses__()}
    assert results == set(Outcome) - ours


def test_every_reason_of_the_suppression_list_may_come_with_a_file():
    barring = {says.value for says in mail_states.Says if says.bars}
    assert barring == set(SuppressionReason.values) == {kind.value for kind in plan.BARRED}


def test_a_run_counts_and_draws_every_status_but_those_on_their_way():
    counted = set(DeliveryStatus) - {DeliveryStatus.PENDING, DeliveryStatus.SENDING}
    assert set(Run.COUNTED) == {name for name, _, _ in bars.DRAWN} == counted
