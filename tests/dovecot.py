"""Dovecot, the IMAP server, in a throw-away folder on free ports, as the test's user; root gives it
to the users that Debian's package has made."""

import atexit
import getpass
import grp
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from tests import needs
from tests.certificates import Certificate, make_certificate
from tests.servers import free_port, open_path_to, wait_for_port

USER, PASSWORD = "bounces@shop.example", 'pass "word"\\1'

_CONFIGURATION = """
base_dir = {run}
state_dir = {run}
log_path = {folder}/log
protocols = imap
listen = 127.0.0.1
ssl = yes
ssl_cert = <{certificate.chain_file}
ssl_key = <{certificate.key_file}
ssl_dh =
disable_plaintext_auth = yes
mail_location = maildir:{folder}/mail
{users}
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {folder}/passwords
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/home
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {starttls_port}
  }}
  inet_listener imaps {{
    port = {tls_port}
    ssl = yes
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
protocol imap {{
  imap_capability = {capability}
}}
"""


class Dovecot:
    """A server with one mailbox. `can_move` False: it has no MOVE, as old servers."""

    def __init__(self, *, can_move: bool = True, certificate: Certificate | None = None) -> None:
        binary = needs.program("dovecot", "/usr/sbin/dovecot", package="dovecot-imapd")
        self.certificate = certificate or make_certificate()
        self.folder = Path(tempfile.mkdtemp(prefix="vestnik-dovecot-"))
        atexit.register(shutil.rmtree, self.folder, ignore_errors=True)
        self.tls_port, self.starttls_port = free_port(), free_port()
        self._numbers = itertools.count()
        self.uid, self.gid, users = self._users()
        for name in ("mail", "home", "run"):
            (self.folder / name).mkdir()
        (self.folder / "passwords").write_text(f"{USER}:{{PLAIN}}{PASSWORD}\n")
        configuration = self.folder / "dovecot.conf"
        configuration.write_text(
            _CONFIGURATION.format(
                folder=self.folder,
                run=self.folder / "run",
                certificate=self.certificate,
                users=users,
                uid=self.uid,
                gid=self.gid,
                tls_port=self.tls_port,
                starttls_port=self.starttls_port,
                capability="" if can_move else "IMAP4rev1 UIDPLUS LITERAL+",
            )
        )
        open_path_to(self.folder)
        self._own(self.folder / "mail", self.folder / "home")
        self.process = subprocess.Popen([binary, "-F", "-c", configuration], start_new_session=True)
        atexit.register(self.stop)
        wait_for_port(self.tls_port, self.process)

    @staticmethod
    def _users() -> tuple[int, int, str]:
        if os.getuid() == 0:
            nobody = pwd.getpwnam("nobody")
            return nobody.pw_uid, nobody.pw_gid, ""
        name, group = getpass.getuser(), grp.getgrgid(os.getgid()).gr_name
        return os.getuid(), os.getgid(), (
            f"default_login_user = {name}\ndefault_internal_user = {name}\n"
            f"default_internal_group = {group}\nfirst_valid_uid = {os.getuid()}"
        )  # fmt: skip

    def _own(self, *paths: Path) -> None:
        if os.getuid() == 0:
            for path in paths:
                os.chown(path, self.uid, self.gid)

    def stop(self) -> None:
        """End it and the processes that serve its clients, for which it would wait."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def deliver(self, raw: bytes) -> None:
        """Put a mail into the mailbox, as another program would (Maildir)."""
        maildir = self.folder / "mail"
        for name in ("cur", "new", "tmp"):
            (maildir / name).mkdir(exist_ok=True)
            self._own(maildir / name)
        file = maildir / "tmp" / f"{next(self._numbers):05}.test"
        file.write_bytes(raw)
        self._own(file)
        file.rename(maildir / "new" / file.name)

    def mails(self, folder: str = "") -> list[bytes]:
        """Return the mails of a folder, without those that are marked as deleted."""
        maildir = self.folder / "mail" / (f".{folder}" if folder else "")
        files = sorted([*maildir.glob("new/*"), *maildir.glob("cur/*")], key=lambda f: f.name)
        return [f.read_bytes() for f in files if "T" not in f.name.partition(":2,")[2]]
