"""Which proxy is used: proxy-url, the environment, NO_PROXY, loopback."""

from __future__ import annotations

from typing import Optional

import pytest

from devservers.errors import KubeConfigError
from devservers.transport.config.clientconfig import ClientConfig
from devservers.transport.config.proxies import Proxy, is_excluded, is_loopback, parse_proxy, proxy_from_environment

PROXY = "http://proxy.example:3128"


def chosen(environ: dict[str, str], host: str = "api.example", port: int = 443, scheme: str = "https") -> Optional[str]:
    proxy = proxy_from_environment(scheme, host, port, environ)
    return None if proxy is None else f"{proxy.scheme}://{proxy.authority}"


class TestEnvironment:
    def test_the_variable_of_the_servers_scheme_counts(self) -> None:
        environ = {"HTTPS_PROXY": PROXY, "HTTP_PROXY": "http://other.example:1"}
        assert chosen(environ) == PROXY
        assert chosen(environ, scheme="http") == "http://other.example:1"
        assert chosen({"HTTP_PROXY": PROXY}) is None

    def test_lower_case_is_read_and_upper_case_goes_first(self) -> None:
        assert chosen({"https_proxy": PROXY}) == PROXY
        assert chosen({"HTTPS_PROXY": PROXY, "https_proxy": "http://other.example:1"}) == PROXY
        assert chosen({"HTTPS_PROXY": "", "https_proxy": PROXY}) == PROXY

    def test_a_value_without_scheme_is_an_http_proxy(self) -> None:
        assert chosen({"HTTPS_PROXY": "proxy.example:3128"}) == PROXY
        assert chosen({"HTTPS_PROXY": "proxy.example"}) == "http://proxy.example:80"

    @pytest.mark.parametrize("host", ["localhost", "LOCALHOST.", "127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
    def test_loopback_is_never_proxied(self, host: str) -> None:
        assert is_loopback(host)
        assert chosen({"HTTPS_PROXY": PROXY}, host) is None

    def test_a_cgi_programs_http_proxy_is_the_clients_word_and_not_believed(self) -> None:
        environ = {"HTTP_PROXY": PROXY, "REQUEST_METHOD": "GET"}
        assert chosen(environ, scheme="http") is None

    def test_all_proxy_is_not_read_as_kubectl_does_not(self) -> None:
        assert chosen({"ALL_PROXY": PROXY, "all_proxy": PROXY}) is None

    def test_it_is_read_at_each_decision(self, monkeypatch: pytest.MonkeyPatch) -> None:
        config = ClientConfig("https://api.example")
        assert config.proxy() is None
        monkeypatch.setenv("HTTPS_PROXY", PROXY)
        assert config.proxy() == Proxy("http", "proxy.example", 3128, "HTTPS_PROXY")
        monkeypatch.setenv("no_proxy", "example")
        assert config.proxy() is None


@pytest.mark.parametrize(
    ("no_proxy", "host", "port", "direct"),
    [
        ("*", "api.example", 443, True),
        ("api.example", "api.example", 443, True),
        ("API.Example", "api.example", 443, True),
        ("api.example", "API.example.", 443, True),
        ("api.example", "v1.api.example", 443, True),
        ("api.example", "myapi.example", 443, False),
        (".api.example", "v1.api.example", 443, True),
        (".api.example", "api.example", 443, False),
        ("*.api.example", "v1.api.example", 443, True),
        ("*.api.example", "api.example", 443, False),
        ("api.example:443", "api.example", 443, True),
        ("api.example:8443", "api.example", 443, False),
        ("api.example:8443", "api.example", 8443, True),
        (" other.example , api.example ", "api.example", 443, True),
        (",,", "api.example", 443, False),
        ("", "api.example", 443, False),
        ("10.1.2.3", "10.1.2.3", 443, True),
        ("10.1.2.3:6443", "10.1.2.3", 6443, True),
        ("10.1.2.3:6443", "10.1.2.3", 443, False),
        ("10.0.0.0/8", "10.1.2.3", 443, True),
        ("10.0.0.0/8", "11.1.2.3", 443, False),
        ("10.0.0.0/8", "api.example", 443, False),
        ("10.1.2.3/8", "10.9.9.9", 443, True),
        ("10.0.0.0/99", "10.1.2.3", 443, False),
        ("2001:db8::/32", "2001:db8::5", 443, True),
        ("2001:db8::/32", "10.1.2.3", 443, False),
        ("2001:DB8::5", "2001:db8:0::5", 443, True),
        ("[2001:db8::5]:6443", "2001:db8::5", 6443, True),
        ("[2001:db8::5]:6443", "2001:db8::5", 443, False),
        ("[2001:db8::5]", "2001:db8::5", 443, True),
        ("10.1.2", "10.1.2.3", 443, False),
        ("1.2.3", "10.1.2.3", 443, True),
        (".2.3", "10.1.2.3", 443, True),
        ("b\u00fccher.example", "xn--bcher-kva.example", 443, True),
        (".b\u00fccher.example", "api.xn--bcher-kva.example", 443, True),
        ("api.example.", "api.example", 443, True),
        ("*.", "api.example", 443, False),
        ("*api.example", "myapi.example", 443, False),
        ("example", "api.example", 443, True),
        (".", "api.example", 443, False),
    ],
)
def test_no_proxy_follows_the_rules_of_gos_httpproxy(no_proxy: str, host: str, port: int, direct: bool) -> None:
    assert is_excluded(host, port, no_proxy) is direct


class TestProxyURL:
    def test_it_goes_before_the_environment_and_no_proxy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HTTPS_PROXY", "http://other.example:1")
        monkeypatch.setenv("NO_PROXY", "*")
        proxy = ClientConfig("https://api.example", proxy_url=PROXY, source="a test").proxy()
        assert proxy == Proxy("http", "proxy.example", 3128, "proxy-url of a test")

    def test_it_counts_for_loopback_too(self) -> None:
        assert ClientConfig("https://127.0.0.1:6443", proxy_url=PROXY).proxy() is not None

    @pytest.mark.parametrize(
        ("url", "authority"),
        [
            ("https://proxy.example", "proxy.example:443"),
            ("http://[2001:db8::1]:3128/", "[2001:db8::1]:3128"),
            ("HTTP://Proxy.Example", "proxy.example:80"),
            ("http://b\u00fccher.example", "xn--bcher-kva.example:80"),
        ],
    )
    def test_ports_default_to_the_schemes(self, url: str, authority: str) -> None:
        assert parse_proxy(url, "x").authority == authority

    def test_user_and_password_are_decoded_and_sent_as_basic_authentication(self) -> None:
        proxy = parse_proxy("http://bob:p%40ss%3a@proxy.example:3128", "x")
        assert proxy.headers() == [("Proxy-Authorization", "Basic Ym9iOnBAc3M6")]
        assert parse_proxy(PROXY, "x").headers() == []

    def test_no_text_of_a_proxy_shows_its_password(self) -> None:
        proxy = parse_proxy("http://bob:hunter2@proxy.example:3128", "proxy-url of cluster 'main'")
        assert str(proxy) == "http://proxy.example:3128 (proxy-url of cluster 'main')"
        assert "hunter2" not in repr(proxy)

    @pytest.mark.parametrize("scheme", ["socks5", "socks5h", "socks4", "SOCKS5"])
    def test_socks_is_refused_with_advice(self, scheme: str) -> None:
        with pytest.raises(KubeConfigError, match=r"x: SOCKS proxies are not supported; use an http:// or https://"):
            parse_proxy(f"{scheme}://proxy.example:1080", "x")

    @pytest.mark.parametrize(
        "url",
        [
            "proxy.example:3128",
            "ftp://proxy.example",
            "http://",
            "http://:3128",
            "http://a:port",
            "http://a b",
            "//a",
            "http://%zz",
            "http://a%20b",
            "http://a:\udcffcret@b",
        ],
    )
    def test_what_is_no_proxy_is_refused_unshown(self, url: str) -> None:
        with pytest.raises(KubeConfigError) as caught:
            parse_proxy(url, "HTTPS_PROXY")
        assert str(caught.value).startswith("HTTPS_PROXY: ")
        assert not url.strip("htp:/") or url not in str(caught.value)
