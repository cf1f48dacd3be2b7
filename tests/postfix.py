"""Postfix, a mail server, in a throw-away folder on a free port. Only root may start it."""

import atexit
import os
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest

from tests import needs
from tests.servers import free_port, open_path_to, wait_for_port

_MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
myhostname = relay.example.net
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_peername_lookup = no
disable_dns_lookups = yes
smtp_tls_security_level = none
smtputf8_enable = no
notify_classes =
alias_maps =
alias_database =
transport_maps = inline:{{ {{ {receiver} = smtp:[127.0.0.1]:{receiver_port} }} }}
virtual_mailbox_domains = {returns}
virtual_mailbox_base = {maildir.parent}
virtual_mailbox_maps = static:{maildir.name}/
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
"""
_MASTER = """
{port}   inet  n  -  n  -      -  smtpd
cleanup  unix  n  -  n  -      0  cleanup
qmgr     unix  n  -  n  300    1  qmgr
rewrite  unix  -  -  n  -      -  trivial-rewrite
bounce   unix  -  -  n  -      0  bounce
defer    unix  -  -  n  -      0  bounce
trace    unix  -  -  n  -      0  bounce
proxymap unix  -  -  n  -      -  proxymap
smtp     unix  -  -  n  -      -  smtp
virtual  unix  -  n  n  -      -  virtual
error    unix  -  -  n  -      -  error
retry    unix  -  -  n  -      -  error
anvil    unix  -  -  n  -      1  anvil
postlog  unix-dgram n - n  -   1  postlogd
"""


class Postfix:
    """Passes mail to `receiver` on to a port of this host, and what comes to `returns` into a
    Maildir of the user `uid`."""

    def __init__(
        self, *, receiver: str, receiver_port: int, returns: str, maildir: Path, uid: int, gid: int
    ) -> None:
        binary = needs.program("/usr/sbin/postfix", package="postfix")
        if os.getuid() != 0:
            pytest.skip("Only root may start Postfix")
        self.folder = Path(tempfile.mkdtemp(prefix="vestnik-postfix-"))
        atexit.register(shutil.rmtree, self.folder, ignore_errors=True)
        self.port = free_port()
        for name in ("etc", "queue", "data"):
            (self.folder / name).mkdir()
        shutil.chown(self.folder / "data", "postfix")
        values = {"folder": self.folder, "maildir": maildir, "uid": uid, "gid": gid}
        values |= {"receiver": receiver, "receiver_port": receiver_port, "returns": returns}
        (self.folder / "etc/main.cf").write_text(_MAIN.format(**values))
        (self.folder / "etc/master.cf").write_text(_MASTER.format(port=self.port))
        open_path_to(self.folder)
        self.process = subprocess.Popen(
            [binary, "-c", self.folder / "etc", "start-fg"],
            start_new_session=True,
            stdout=subprocess.DEVNULL,
        )
        atexit.register(self.stop)
        wait_for_port(self.port, self.process)

    def stop(self) -> None:
        """End it and the processes it has started; it leads a group of its own."""
        with suppress(FileNotFoundError, ProcessLookupError):
            os.killpg(int((self.folder / "queue/pid/master.pid").read_text()), signal.SIGKILL)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def __str__(self) -> str:
        """Return what it says of itself, for a test that fails."""
        file = self.folder / "log"
        return f"Postfix did not do it: {file.read_text() if file.exists() else 'no log'}"
