"""The contenders there are, in the order in which they take turns."""

from __future__ import annotations

from rempart.lab.contenders.contract import Contender
from rempart.lab.contenders.crowdsec import CROWDSEC
from rempart.lab.contenders.fail2ban import FAIL2BAN
from rempart.lab.contenders.haproxy import HAPROXY
from rempart.lab.contenders.nftables import NFTABLES
from rempart.lab.contenders.nginx import NGINX
from rempart.lab.contenders.none import NONE
from rempart.lab.contenders.rempart import REMPART

CONTENDERS: dict[str, Contender] = {
    contender.name: contender for contender in (NONE, NFTABLES, NGINX, HAPROXY, FAIL2BAN, CROWDSEC, REMPART)
}
