"""A session that is opened only to see whether it can be."""

import pytest

from mailings.delivery.transports.base import Step
from mailings.delivery.transports.smtp.config import Policy, SmtpConfig
from mailings.delivery.transports.smtp.probe import POLICY, Finding, probe
from tests.certificates import make_certificate
from tests.servers import free_port
from tests.smtp_faults import Drop, Hang
from tests.smtpd import SmtpServer

USERS = {"user@example.org": "right"}
SHORT = Policy(connect=2, banner=0.3, ehlo=0.3, tls=0.5, auth=0.3, rset=0.2, quit=0.2)


def look_at(server: SmtpServer, policy: Policy = POLICY, whole: float = 20) -> Finding:
    return probe(SmtpConfig.from_url(server.url), policy=policy, whole=whole)


def test_a_good_service_is_greeted_and_left_politely_without_a_mail():
    with SmtpServer() as server:
        finding = look_at(server)
        words = [line.split()[0] for _, line in server.commands]
    assert finding.is_good
    assert {"PIPELINING", "SIZE", "8BITMIME"} <= finding.extensions.keys()
    assert words == ["EHLO", "QUIT"]
    assert server.connections == 1


@pytest.mark.parametrize("security", ["smtp+tls", "smtps"])
def test_encryption_and_sign_in_are_part_of_it(security, certificate):
    with SmtpServer(security=security, certificate=certificate, users=USERS) as server:
        assert look_at(server).is_good
        assert server.count_of("AUTH") == 1


def test_a_wrong_password_is_found_at_the_sign_in(certificate):
    with SmtpServer(
        {"auth": "535 5.7.8 not yours"}, security="smtps", certificate=certificate, users=USERS
    ) as server:
        finding = look_at(server)
    assert not finding.is_good
    assert (finding.fault.step, finding.fault.code) == (Step.AUTH, 535)
    assert "not yours" in finding.fault.reply


def test_a_certificate_that_proves_nothing_is_found():
    bad = make_certificate(is_self_signed=True)
    with SmtpServer(security="smtps", certificate=bad) as server:
        finding = look_at(server)
    assert finding.fault.step is Step.TLS
    assert "self-signed" in finding.fault.reply


def test_nobody_there_is_found_at_once():
    finding = probe(SmtpConfig.from_url(f"smtp://127.0.0.1:{free_port()}"))
    assert finding.fault.step is Step.CONNECT
    assert "refused" in finding.fault.reply.lower()


@pytest.mark.parametrize(("step", "found"), [("banner", Step.BANNER), ("ehlo", Step.EHLO)])
@pytest.mark.parametrize("fault", [Hang(), Drop()], ids=str)
def test_a_silent_or_closing_service_is_found_in_time(step, found, fault):
    with SmtpServer({step: fault}) as server:
        finding = look_at(server, SHORT)
    assert finding.fault.step is found


def test_a_service_that_takes_its_time_at_every_step_is_given_up():
    with SmtpServer({"banner": Hang()}) as server:
        finding = look_at(server, whole=0.3)
    assert not finding.is_good
    assert finding.is_too_slow


def test_a_service_that_does_not_answer_quit_is_good_all_the_same():
    with SmtpServer({"quit": Hang()}) as server:
        assert look_at(server, SHORT).is_good
