"""The whole way through a real Postfix of its own folder and port: it takes a letter, cannot
deliver it, writes its report to the envelope's sender, and hands that to its pipe as the recipe in
docs/feedback.md says. A script in place of `manage.py` keeps what it is given for the test."""

import io
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.core.management import call_command
from django.utils import timezone

from mailings.campaigns import services
from mailings.delivery import worker
from mailings.delivery.runs import planning
from mailings.models import Attempt, Event, Suppression, Transport, UnmatchedNotice
from mailings.states import EventKind, Outcome
from tests import factories, needs
from tests.site import free_port

pytestmark = pytest.mark.django_db(transaction=True)

MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/spool
data_directory = {folder}/data
myhostname = relay.example.net
mydestination =
relay_domains = returns.example.org
transport_maps = texthash:{folder}/etc/transport
vestnik_destination_recipient_limit = 1
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
"""
MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
nobody unix - n n - 4 pipe
  user=nobody argv={folder}/nobody
vestnik unix - n n - 4 pipe
  user=nobody directory={folder}
  argv=/usr/bin/env DJANGO_SETTINGS_MODULE=site_config.settings.production
  ./vestnik manage.py take_bounce --to ${{original_recipient}}
"""
NOBODY = """\
#!/bin/sh
cat > /dev/null
echo "550 5.1.1 No such user here"
exit 67
"""
VESTNIK = """\
#!/bin/sh
name=$(mktemp {folder}/out/XXXXXX)
cat > "$name"
echo "$*" > "$name.arguments"
"""


@pytest.fixture
def postfix() -> Iterator[tuple[str, Path]]:
    """The address of a running Postfix, and the folder in which its pipe leaves what it got."""
    program = shutil.which("postfix") or "/usr/sbin/postfix"
    if not Path(program).exists():
        needs.missing("Postfix is missing: apt install postfix")
    if os.geteuid() != 0:
        pytest.skip("Postfix is started by root only")
    folder = Path(tempfile.mkdtemp(prefix="postfix"))
    folder.chmod(0o755)
    for name in ("etc", "spool", "data", "out"):
        (folder / name).mkdir()
    os.chown(folder / "data", pwd.getpwnam("postfix").pw_uid, -1)
    (folder / "out").chmod(0o777)
    port = free_port()
    files = {
        "etc/main.cf": MAIN,
        "etc/master.cf": MASTER,
        "etc/transport": "returns.example.org vestnik:\ngone.example nobody:\n",
        "nobody": NOBODY,
        "vestnik": VESTNIK,
    }
    for name, text in files.items():
        (folder / name).write_text(text.format(folder=folder, port=port))
    for name in ("nobody", "vestnik"):
        (folder / name).chmod(0o755)
    command = [program, "-c", folder / "etc"]
    subprocess.run([*command, "start"], check=True, capture_output=True, timeout=60)
    try:
        yield f"smtp://127.0.0.1:{port}", folder / "out"
    finally:
        subprocess.run([*command, "stop"], check=False, capture_output=True, timeout=60)
        shutil.rmtree(folder, ignore_errors=True)


def handed_in(folder: Path) -> tuple[list[str], bytes]:
    """Wait for what the pipe was given: its arguments, and the mail."""
    for _ in range(300):
        for arguments in folder.glob("*.arguments"):
            mail = folder / arguments.stem
            if arguments.read_text():
                return arguments.read_text().split(), mail.read_bytes()
        time.sleep(0.1)
    raise AssertionError("nothing was handed in")


def test_a_letter_that_a_real_server_cannot_deliver_stops_its_address(
    owner, postfix, settings, monkeypatch
):
    url, folder = postfix
    settings.BOUNCE_DOMAIN = "returns.example.org"
    Transport.objects.create(name="Postfix", url=url, max_connections=1)
    client = factories.make_client(owner, email="Anna@gone.example")
    mailing = factories.make_mailing(owner, clients=[client])
    services.schedule_mailing(mailing=mailing, by=owner)
    planning.plan(timezone.now())
    worker.send_due(stopping=lambda: False)
    outcomes = Attempt.objects.values_list("outcome", flat=True)
    assert list(outcomes) == [Outcome.ACCEPTED]  # that is all that can be known then

    (program, command, *arguments), raw = handed_in(folder)
    assert (program, command) == ("manage.py", "take_bounce")
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(raw)))
    call_command(command, *arguments)

    event = Event.objects.get()
    assert (event.kind, event.enhanced_code) == (EventKind.BOUNCED_HARD, "5.1.1")
    entry = Suppression.objects.get()
    assert (entry.address, entry.reason) == ("anna@gone.example", "bounced")
    assert not UnmatchedNotice.objects.exists()
