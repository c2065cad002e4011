"""One TOML file, parsed once into frozen sections. Reading the file is the command line's business."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from rempart.model.base import Value
from rempart.model.console_settings import ConsoleSection
from rempart.model.log_settings import LogSection
from rempart.model.names import parse_hostname
from rempart.model.report_settings import ReportsSection
from rempart.model.shield_settings import ShieldSection

UNIX_SOCKET_PATH_MAX = 107
"""sizeof(sockaddr_un.sun_path) - 1; see unix(7)."""
PINS = Path("/sys/fs/bpf/rempart")
"""Where the packet shield's program and tables are kept by name, one folder for each node."""


def _address(text: str) -> str:
    if "%" in text:
        raise ValueError("an address with a zone index cannot be used here")
    return str(ipaddress.ip_address(text))


Address = Annotated[str, AfterValidator(_address)]
Port = Annotated[int, Field(ge=1, le=65535)]
Host = Annotated[str, AfterValidator(lambda text: parse_hostname(text, field="operator_host"))]


class EdgeSection(Value):
    """The HTTP edge."""

    listen: tuple[Address, ...] = ("0.0.0.0", "::")
    http_port: Port = 80
    https_port: Port = 443
    addresses: tuple[Address, ...] = ()
    """What proxied names answer with. Empty: the machine's own addresses are looked up at start."""
    prepared_sites: int = Field(default=1_000, ge=8, le=100_000)
    """Empty backends kept ready so that a new site needs no reload."""
    threads: int = Field(default=0, ge=0, le=64)
    """HAProxy threads; 0 lets HAProxy choose one per core."""
    max_connections: int = Field(default=20_000, ge=100, le=2_000_000)
    connections_per_client: int = Field(default=500, ge=1)
    """TCP connections one client (IPv4 address, IPv6 /64) may hold, all sites together."""
    hsts: bool = False


class DnsSection(Value):
    """The authoritative name server."""

    listen: tuple[Address, ...] = ("0.0.0.0", "::")
    port: Port = 53
    nameservers: tuple[str, ...] = ()
    """Names for every zone's NS RRset. Empty: ns1.<zone> in each zone, with the edge's addresses as glue."""
    contact: str = "hostmaster"
    """SOA RNAME: a label put before the zone's name, or an absolute name or mail address."""
    catalog: str = "catalog.rempart"
    """Name of the catalog zone (RFC 9432) that secondaries follow."""
    rate_limit: int = Field(default=200, ge=0)
    """Responses a second to one prefix before RRL slips and drops; 0 switches RRL off."""
    resolvers: tuple[str, ...] = ()
    """Resolvers (ADDRESS or ADDRESS@PORT) for flattening and origins; empty: /etc/resolv.conf's."""


class AdminSection(Value):
    """Metrics and health; loopback unless told otherwise."""

    listen: Address = "127.0.0.1"
    port: Port = 9180


class ApiSection(Value):
    """Cloudflare's API, for owners of zones and their programs; loopback unless told otherwise."""

    listen: Address = "127.0.0.1"
    port: Port = 9181
    requests_per_token: int = Field(default=1_200, ge=0)
    """Requests within five minutes; 0 switches the limit off."""
    requests_per_address: int = Field(default=200, ge=0)
    """Requests within a second from one client (IPv4 address, IPv6 /64); 0 switches the limit off."""
    import_max: int = Field(default=16 * 1024 * 1024, ge=1024, le=64 * 1024 * 1024)
    """Octets of a zone file that is imported."""


class StoreSection(Value):
    """The intent store."""

    url: str | None = None
    """SQLAlchemy URL; None: SQLite in the state folder."""


class OriginsSection(Value):
    """Which origins owners may name beside public addresses. The operator's own command line may always
    name loopback ones."""

    loopback: bool = False
    link_local: bool = False
    private: bool = True


class SafetySection(Value):
    """Thresholds above which a plan must be confirmed."""

    delete_share: float = Field(default=0.3, gt=0, le=1)
    """Share of a zone's RRsets (or of all sites) that one plan may delete unconfirmed."""
    delete_minimum: int = Field(default=10, ge=0)
    """Below this many existing RRsets (or sites) the share does not count."""


class AuditSection(Value):
    """How much of the audit log is kept. What exceeds one of the two goes, oldest first, within the hour."""

    keep_days: int = Field(default=400, ge=1, le=36_500)
    keep_entries: int = Field(default=1_000_000, ge=1_000, le=1_000_000_000)
    """An entry takes some 500 octets."""


class DefenceSection(Value):
    """The defence loop: what it may do by itself, and how much of what it did is kept."""

    enabled: bool = True
    mode: Literal["enforce", "observe"] = "enforce"
    """``observe``: it says what it would do, and does nothing. Single sites may have a mode of their own
    (``rempart mitigation mode``)."""
    bound: float = Field(default=0.001, ge=0.000_01, le=0.05)
    """Share of known-good traffic that a signature may hit and still be dropped."""
    history_entries: int = Field(default=1_000, ge=10, le=100_000)
    """Mitigations and attacks that are over and still listed, of packets and of requests each."""
    history_days: int = Field(default=90, ge=1, le=3_650)
    learnt_days: float = Field(default=7, ge=0, le=365)
    """What is usual and what is good outlives a process for so long, with addresses cut to /24 and /48; 0:
    nothing is kept."""


class TerritorySection(Value):
    """Where visitors are, for remedies that are for some countries only."""

    networks: Path | None = None
    """CSV of networks and the countries that they are in (``model.territory``); None: not known, and nothing
    can be limited to a territory."""


class CasesSection(Value):
    """Cases, as visitors see them."""

    register_url: Annotated[str, Field(pattern=r"^https?://[A-Za-z0-9._~:/\[\]-]{1,400}$")] | None = None
    """Where the public register is: the case's id is added after a slash. Pages and headers link there."""


class UsersSection(Value):
    """System users of the parts when started as root."""

    controller: str = "rempart"
    node: str = "rempart-node"
    gate: str = "rempart-gate"
    shield: str = "rempart-shield"
    haproxy: str = "haproxy"
    knot: str = "knot"


class Configuration(Value):
    """Everything an operator can set."""

    state: Path
    node_name: str = "node-1"
    operator_host: Host | None = None
    """The operator's own host name: the edge serves the console's pages there and challenges nobody."""
    edge: EdgeSection = EdgeSection()
    dns: DnsSection = DnsSection()
    admin: AdminSection = AdminSection()
    api: ApiSection = ApiSection()
    shield: ShieldSection = ShieldSection()
    defence: DefenceSection = DefenceSection()
    store: StoreSection = StoreSection()
    origins: OriginsSection = OriginsSection()
    safety: SafetySection = SafetySection()
    audit: AuditSection = AuditSection()
    log: LogSection = LogSection()
    reports: ReportsSection = ReportsSection()
    console: ConsoleSection = ConsoleSection()
    cases: CasesSection = CasesSection()
    territory: TerritorySection = TerritorySection()
    users: UsersSection = UsersSection()

    @property
    def paths(self) -> StatePaths:
        return StatePaths(root=self.state)

    @property
    def receipt_url(self) -> str | None:
        """What a receipt is put behind to be looked at; None: there is no page for it."""
        if self.operator_host is None:
            return None
        port = "" if self.edge.https_port == 443 else f":{self.edge.https_port}"
        return f"https://{self.operator_host}{port}/receipt/"

    @property
    def shield_pins(self) -> Path:
        """This node's folder in PINS: its name, and what tells it from others on the same machine."""
        # The kernel takes no dots in these names.
        name = re.sub(r"[^a-z0-9-]", "-", self.node_name.lower())[:32]
        return PINS / f"{name}-{hashlib.sha256(str(self.state).encode()).hexdigest()[:8]}"

    @property
    def store_url(self) -> str:
        return self.store.url or f"sqlite:///{self.paths.store}"


class StatePaths(Value):
    """Where everything lies under the state folder, and who owns it (when started as root).

    ======================  ==================================  ====================
    folder                  holds                               owner (mode)
    ======================  ==================================  ====================
    ``controller/``         store, keys, local CA               controller (700)
    ``public-log/``         the public log's files              controller (755)
    ``node/``               last good items, DNS cookies' key    node (700)
    ``gate/``               keys of the gate                    node:gate (750)
    ``haproxy/``            boot configuration, maps, keys      node:haproxy (750)
    ``knot/``               boot configuration                  node:knot (750)
    ``knot/db/``            journal, DNSSEC keys, timers        knot (700)
    ``receipts/``           what visitors say about receipts    gate (700)
    ``shield/``             lists, rules of the packet shield   root:shield (2750)
    ``defence/``            orders to the defence loop          root (755)
    ``defence/packet/``     journal of packets                  shield:node (2750)
    ``defence/request/``    journal of requests                 node (2750)
    ``run/``                sockets, pid files                  root (755)
    ``run/<part>/``         sockets made by that part           that part (750)
    ``log/``                what the parts print                root (755)
    ======================  ==================================  ====================
    """

    root: Path

    @property
    def controller(self) -> Path:
        return self.root / "controller"

    @property
    def store(self) -> Path:
        return self.controller / "store.sqlite"

    @property
    def root_certificate(self) -> Path:
        """The readable copy of the local CA's certificate (PEM)."""
        return self.root / "local-ca.pem"

    @property
    def public_log(self) -> Path:
        """The public log as it is served: static files, for everybody to read and copy."""
        return self.root / "public-log"

    @property
    def log_keeping(self) -> Path:
        """What the public log's writer needs beside it: its key, its last signed checkpoint, an index."""
        return self.controller / "public-log"

    @property
    def node(self) -> Path:
        return self.root / "node"

    @property
    def last_good(self) -> Path:
        return self.node / "last-good.sqlite"

    @property
    def feed_public_key(self) -> Path:
        """The controller's Ed25519 public key, which the node checks deltas with (PEM)."""
        return self.node / "controller.pub"

    @property
    def dns_cookie_key(self) -> Path:
        """What the name server makes DNS cookies with and the packet shield checks them with."""
        return self.node / "dns-cookie.key"

    @property
    def haproxy(self) -> Path:
        return self.root / "haproxy"

    @property
    def haproxy_config(self) -> Path:
        return self.haproxy / "haproxy.cfg"

    @property
    def knot(self) -> Path:
        return self.root / "knot"

    @property
    def knot_config(self) -> Path:
        return self.knot / "knot.conf"

    @property
    def knot_db(self) -> Path:
        return self.knot / "db"

    @property
    def evidence(self) -> Path:
        """Files that came with abuse reports, sealed."""
        return self.controller / "evidence"

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def admin_socket(self) -> Path:
        """The controller's API for the operator's command line."""
        return self.run / "controller" / "admin.sock"

    @property
    def feed_socket(self) -> Path:
        """The controller's feed of signed deltas for the node."""
        return self.run / "controller" / "feed.sock"

    @property
    def api_socket(self) -> Path:
        """Cloudflare's API, for programs on this machine."""
        return self.run / "controller" / "api.sock"

    @property
    def haproxy_socket(self) -> Path:
        """HAProxy's runtime API (stats socket, level admin), made by HAProxy itself."""
        return self.run / "haproxy" / "runtime.sock"

    @property
    def haproxy_master_socket(self) -> Path:
        """HAProxy's master CLI (``reload``, ``show proc``)."""
        return self.run / "haproxy" / "master.sock"

    @property
    def gate(self) -> Path:
        return self.root / "gate"

    @property
    def gate_keys(self) -> Path:
        """The secrets of challenges and clearances; the node makes them, the gate reads them."""
        return self.gate / "keys.json"

    @property
    def gate_socket(self) -> Path:
        """Where HAProxy brings what visitors send to the gate."""
        return self.run / "gate" / "gate.sock"

    @property
    def notices(self) -> Path:
        """What stands against requests, as visitors may know it, from the defence loop to the gate."""
        return self.gate / "notices.json"

    @property
    def receipts(self) -> Path:
        """What visitors have said about receipts."""
        return self.root / "receipts"

    @property
    def receipts_socket(self) -> Path:
        """Where HAProxy brings those who look at a receipt."""
        return self.run / "gate" / "receipts.sock"

    @property
    def shield(self) -> Path:
        """The packet shield's lists and rules, which outlive the kernel's."""
        return self.root / "shield"

    @property
    def shield_state(self) -> Path:
        """What the packet shield does, and why not, for everybody to read (JSON)."""
        return self.run / "shield" / "state.json"

    @property
    def defence(self) -> Path:
        """What people have ordered the defence loop to do, and what it did."""
        return self.root / "defence"

    @property
    def packet_journal(self) -> Path:
        return self.defence / "packet"

    @property
    def request_journal(self) -> Path:
        return self.defence / "request"

    @property
    def knot_socket(self) -> Path:
        return self.run / "knot" / "knot.sock"

    @property
    def log(self) -> Path:
        return self.root / "log"
