"""Zone settings: those that exist can be changed; Cloudflare's others are shown as they are here, and a
change to them is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rempart.controller.cloudflare_v4.bodies import Body
from rempart.controller.cloudflare_v4.calls import Call, Endpoint, Reply
from rempart.controller.cloudflare_v4.envelope import PageInfo, instant
from rempart.model.challenges import SecurityLevel
from rempart.model.errors import InvalidInput, NotFound
from rempart.model.gate import CLEARANCE_LIFETIME_S
from rempart.model.permissions import Permission
from rempart.model.zones import SslMode, Zone, ZoneSettings

_PATH = "/zones/{zone_id}/settings"
_ONE = _PATH + "/{setting}"


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting that exists: how it is read from a zone, and what a value changes."""

    values: tuple[str, ...]
    read: Callable[[ZoneSettings], str]
    change: Callable[[str], Mapping[str, Any]]


def _on(flag: bool) -> str:
    return "on" if flag else "off"


EDITABLE: Mapping[str, Setting] = {
    "ssl": Setting(
        tuple(one.value for one in SslMode),
        lambda settings: settings.ssl.value,
        lambda value: {"ssl": SslMode(value)},
    ),
    "always_use_https": Setting(
        ("on", "off"),
        lambda settings: _on(settings.always_use_https),
        lambda value: {"always_use_https": value == "on"},
    ),
    "cname_flattening": Setting(
        ("flatten_at_root", "flatten_all"),
        lambda settings: "flatten_all" if settings.flatten_all_cnames else "flatten_at_root",
        lambda value: {"flatten_all_cnames": value == "flatten_all"},
    ),
    "security_level": Setting(
        tuple(one.value for one in SecurityLevel),
        lambda settings: settings.security_level.value,
        lambda value: {"security_level": SecurityLevel(value)},
    ),
}
FIXED: Mapping[str, Any] = {
    "0rtt": "off",
    "advanced_ddos": "off",
    "always_online": "off",
    "automatic_https_rewrites": "off",
    "brotli": "off",
    "browser_cache_ttl": 0,
    "browser_check": "off",
    "cache_level": "basic",
    "challenge_ttl": CLEARANCE_LIFETIME_S,
    "ciphers": [],
    "development_mode": "off",
    "early_hints": "off",
    "edge_cache_ttl": 7200,
    "email_obfuscation": "off",
    "h2_prioritization": "off",
    "hotlink_protection": "off",
    "http2": "on",
    "http3": "off",
    "image_resizing": "off",
    "ip_geolocation": "off",
    "ipv6": "on",
    "max_upload": 100,
    "min_tls_version": "1.2",
    "mirage": "off",
    "opportunistic_encryption": "off",
    "opportunistic_onion": "off",
    "orange_to_orange": "off",
    "origin_error_page_pass_thru": "on",
    "origin_max_http_version": "1",
    "polish": "off",
    "prefetch_preload": "off",
    "privacy_pass": "off",
    "proxy_read_timeout": "100",
    "pseudo_ipv4": "off",
    "replace_insecure_js": "off",
    "response_buffering": "off",
    "rocket_loader": "off",
    "security_header": {
        "strict_transport_security": {
            "enabled": False,
            "max_age": 0,
            "include_subdomains": False,
            "nosniff": False,
            "preload": False,
        }
    },
    "server_side_exclude": "off",
    "sha1_support": "off",
    "sort_query_string_for_cache": "off",
    "tls_1_2_only": "off",
    "tls_1_3": "on",
    "tls_client_auth": "off",
    "true_client_ip_header": "off",
    "waf": "off",
    "webp": "off",
    "websockets": "on",
}
"""How things are at this edge, for settings that cannot be changed yet."""


class SettingChange(Body):
    value: Any = None
    enabled: bool | None = None


class NamedSetting(Body):
    id: str
    value: Any = None


class SettingsChange(Body):
    items: tuple[NamedSetting, ...]


def view(zone: Zone, name: str) -> dict[str, Any]:
    """One setting. NotFound when Cloudflare has none of this name either."""
    if name in EDITABLE:
        value = EDITABLE[name].read(zone.settings)
    elif name in FIXED:
        value = FIXED[name]
    else:
        raise NotFound("no such setting", field="setting")
    editable = name in EDITABLE
    return {
        "id": name,
        "value": value,
        "editable": editable,
        "modified_on": instant(zone.modified_on) if editable else None,
    }


def list_settings(call: Call) -> Reply:
    shown = [view(call.zone, name) for name in sorted((*EDITABLE, *FIXED))]
    return Reply(shown, PageInfo.single(len(shown)))


def get_setting(call: Call) -> Reply:
    return Reply(view(call.zone, call.path["setting"]))


def edit_setting(call: Call) -> Reply:
    name = call.path["setting"]
    view(call.zone, name)
    body: SettingChange = call.body
    value = body.value if body.enabled is None else _on(body.enabled)
    return _changed(call, {name: value}, lambda zone: view(zone, name))


def edit_settings(call: Call) -> Reply:
    body: SettingsChange = call.body
    wanted = {one.id: one.value for one in body.items}
    for name in wanted:
        view(call.zone, name)
    return _changed(call, wanted, lambda zone: [view(zone, name) for name in wanted])


def show_dns_settings(call: Call) -> Reply:
    return Reply(_dns_settings(call.zone))


class DnsSettingsChange(Body):
    flatten_all_cnames: bool | None = None


def edit_dns_settings(call: Call) -> Reply:
    body: DnsSettingsChange = call.body
    written = call.controller.intents.zones.change_settings(
        call.actor, call.zone.id, flatten_all_cnames=body.flatten_all_cnames, confirm=call.confirm
    )
    return Reply(_dns_settings(written.value), written=(written,))


def _dns_settings(zone: Zone) -> dict[str, Any]:
    return {
        "flatten_all_cnames": zone.settings.flatten_all_cnames,
        "foundation_dns": False,
        "multi_provider": False,
        "secondary_overrides": False,
        "zone_mode": "standard",
    }


def _changed(call: Call, wanted: Mapping[str, Any], shown: Callable[[Zone], Any]) -> Reply:
    change: dict[str, Any] = {}
    for name, value in wanted.items():
        if name not in EDITABLE:
            raise InvalidInput(
                f"{name} cannot be changed here: it is {FIXED[name]!r}, and nothing was changed",
                field="value",
            )
        if value not in EDITABLE[name].values:
            raise InvalidInput(f"one of {', '.join(EDITABLE[name].values)} is meant", field="value")
        change |= EDITABLE[name].change(value)
    written = call.controller.intents.zones.change_settings(
        call.actor, call.zone.id, confirm=call.confirm, **change
    )
    return Reply(shown(written.value), written=(written,))


ENDPOINTS = (
    Endpoint("GET", _PATH, Permission.SETTINGS_READ, list_settings, "All settings of a zone"),
    Endpoint(
        "PATCH",
        _PATH,
        Permission.SETTINGS_EDIT,
        edit_settings,
        "Change several settings together",
        body=SettingsChange,
    ),
    Endpoint("GET", _ONE, Permission.SETTINGS_READ, get_setting, "One setting"),
    Endpoint("PATCH", _ONE, Permission.SETTINGS_EDIT, edit_setting, "Change one setting", body=SettingChange),
    Endpoint("GET", "/zones/{zone_id}/dns_settings", Permission.DNS_READ, show_dns_settings, "DNS settings"),
    Endpoint(
        "PATCH",
        "/zones/{zone_id}/dns_settings",
        Permission.DNS_EDIT,
        edit_dns_settings,
        "Change DNS settings",
        body=DnsSettingsChange,
    ),
)
