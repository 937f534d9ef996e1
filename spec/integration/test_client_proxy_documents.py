"""What docs show of mod_client_proxy is what happens."""

import re

import pytest

from harness import config
from harness.client import Component
from harness.installation import document
from harness.prosody import COMPONENT_SECRET
from harness.stanza import XML_LANG, canonical, parse
from harness.waiting import wait_until
from limits import needs_metrics

MANUAL = document("docs/client_proxy.markdown")
OPTIONS = {"statistics": "internal", "statistics_interval": "manual"}
WALK = re.findall(r"^``` \{\.xml\}\n(<iq .*?)^```$", MANUAL, re.M | re.S)


def hosts(backend):
    return [config.component("proxy.example.com", "client_proxy", target_address="service@example.com"),
            config.external_component("example.com", COMPONENT_SECRET),
            config.external_component("example.net", COMPONENT_SECRET)]


@pytest.fixture
def network(prosody):
    """The components that speak for the hosts of the example."""
    components = [Component(prosody.component_port, host, COMPONENT_SECRET) for host in ("example.com", "example.net")]
    yield components
    for component in components:
        component.close()


def as_shown(stanza, address):
    """The stanza in a form that can be compared, with the address as the manual has it.

    Prosody adds the language of the stream that a stanza came by.
    """
    stanza.element.attrib.pop(XML_LANG, None)
    for name, value in list(stanza.element.attrib.items()):
        if value == address:
            stanza.element.set(name, "proxy.example.com/ENCODED")
    return canonical(stanza.element)


def test_the_walk_through_one_iq_request(prosody, network):
    request_shown, passed_on, answer, passed_back = WALK
    example_com, example_net = network
    service, romeo = example_com.peer("service@example.com/one"), example_net.peer("romeo@example.net/orchard")
    service.presence("proxy.example.com")
    prosody.wait_for_log("service@example.com is available")
    example_net.send(request_shown)
    request = service.receive_kind("iq")
    address = request.sender
    assert as_shown(request, address) == canonical(parse(passed_on))
    example_com.send(answer.replace("proxy.example.com/ENCODED", address))
    assert as_shown(romeo.receive(), address) == canonical(parse(passed_back))


def test_an_item_with_the_address_that_is_shown_leads_to_a_client(prosody, network):
    """An implementing client sees the requester's address alone; its host is what it has to name."""
    [items] = re.findall(r"^``` \{\.xml\}\n(<query .*?)^```$", MANUAL, re.M | re.S)
    example_com, example_net = network
    service, romeo = example_com.peer("service@example.com/one"), example_net.peer("romeo@example.net/orchard")
    service.presence("proxy.example.com")
    prosody.wait_for_log("service@example.com is available")

    for asked in ("proxy.example.com", "anybody@proxy.example.com/anything"):
        romeo.iq(asked, "<query xmlns='http://jabber.org/protocol/disco#items'/>")
        request = service.receive_kind("iq")
        service.iq(request.sender, items, "result", id=request.id)
        [item] = romeo.receive().element.iter("{http://jabber.org/protocol/disco#items}item")
        assert item.get("jid") == request.sender.partition("/")[0]
        command = f"<command xmlns='http://jabber.org/protocol/commands' node='{item.get('node')}'/>"
        romeo.iq(item.get("jid"), command, "set")
        followed = service.receive_kind("iq")
        assert followed.child("{http://jabber.org/protocol/commands}command") is not None
        service.iq(followed.sender, "", "result", id=followed.id)
        assert romeo.receive().sender == item.get("jid")


@needs_metrics
def test_the_counters(prosody):
    listed = MANUAL.partition("| Counter | ")[2].partition("\n\n")[0]
    names = [f"prosody_mod_client_proxy__{name}_total{{" for name in re.findall(r"^\| `(\w+)`", listed, re.M)]
    assert names
    wait_until(lambda: all(name in prosody.metrics() for name in names), lambda: f"{names} in {prosody.metrics()}")
