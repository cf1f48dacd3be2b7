"""A DNS server of one's own."""

from collections.abc import Iterator

import pytest

from tests.dns_server import DnsServer, dns_server


@pytest.fixture
def zone(settings) -> Iterator[DnsServer]:
    with dns_server() as server:
        settings.DNS_RESOLVERS = [server.address]
        yield server
