"""URLs that a provider may be told to fetch."""

from __future__ import annotations

import pytest

from orchestration.errors import ContentRefused
from orchestration.values.public_urls import check_public_url

GOOD = [
    "https://files.example.com/a.png",
    "https://files.example.com./a.png",
    "https://FILES.Example.com:8443/a%20b.png?X-Amz-Signature=ab%2Fc&x=1",
    "https://xn--bcher-kva.example.com/",
    "https://8.8.8.8/a.png",
    "https://[2606:4700:4700::1111]/a.png",
    "https://3com.example/a",
]
BAD = [
    "",
    "a.png",
    "http://files.example.com/a.png",
    "HTTPS:files.example.com",
    "ftp://files.example.com/a.png",
    "file:///etc/passwd",
    "data:image/png;base64,AAAA",
    "javascript:alert(1)",
    "https://",
    "https:///a.png",
    "https://user:secret@files.example.com/a.png",
    "https://user@files.example.com/a.png",
    "https://@files.example.com/a.png",
    "https://files.example.com@127.0.0.1/a.png",
    "https://files.example.com/a b.png",
    "https://files.example.com/\ta.png",
    "https://files.example.com\\@127.0.0.1/",
    "https://files.example.com/\u00e4.png",
    "https://b\u00fccher.example.com/",
    "https://files.example.com/a.png\x00",
    "https://files.example.com/a.png#part",
    "https://localhost/a.png",
    "https://LOCALHOST./a.png",
    "https://a.localhost/a.png",
    "https://intranet/a.png",
    "https://printer.local/a.png",
    "https://metadata.google.internal/a.png",
    "https://127.0.0.1/a.png",
    "https://127.1/a.png",
    "https://2130706433/a.png",
    "https://0x7f000001/a.png",
    "https://0x7f.0.0.1/a.png",
    "https://0177.0.0.1/a.png",
    "https://10.0.0.1/a.png",
    "https://172.16.0.1/a.png",
    "https://192.168.1.1/a.png",
    "https://169.254.169.254/latest/meta-data",
    "https://100.64.0.1/a.png",
    "https://0.0.0.0/a.png",
    "https://224.0.0.1/a.png",
    "https://255.255.255.255/a.png",
    "https://1.2.3.4.5/a.png",
    "https://1.2.3.256/a.png",
    "https://[::1]/a.png",
    "https://[::ffff:127.0.0.1]/a.png",
    "https://[::ffff:7f00:1]/a.png",
    "https://[2002:7f00:1::]/a.png",
    "https://[64:ff9b::7f00:1]/a.png",
    "https://[fe80::1]/a.png",
    "https://[fc00::1]/a.png",
    "https://[::1/a.png",
    "https://files.example.com:99999/a.png",
    "https://files.example.com:port/a.png",
    "https://-files.example.com/a.png",
    "https://files..example.com/a.png",
    f"https://{'a' * 64}.example.com/",
    f"https://files.example.com/{'a' * 2048}",
]


@pytest.mark.parametrize("url", GOOD)
def test_a_public_url_is_taken(url: str) -> None:
    check_public_url(url)


@pytest.mark.parametrize("url", BAD)
def test_any_other_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ContentRefused) as refused:
        check_public_url(url)
    assert "secret" not in str(refused.value)
    assert url not in str(refused.value) or not url
