"""What docs show of mod_client_proxy is what happens."""

import re

import pytest

from harness import config
from harness.client import Component
from harness.installation import document
from harness.prosody import COMPONENT_SECRET
from harness.stanza import XML_LANG, canonical, parse

MANUAL = document("docs/client_proxy.markdown")
REQUEST_WALK = re.findall(r"^<iq .*?^</iq>$", MANUAL, re.M | re.S)
MESSAGE_WALK = re.findall(r"^<message .*?^</message>$", MANUAL, re.M | re.S)


def hosts(backend):
    return [config.component("proxy.example.com", "client_proxy", target_address="service@example.com",
                             proxy_stanzas=["iq", "message", "presence"]),
            config.external_component("example.com", COMPONENT_SECRET),
            config.external_component("example.net", COMPONENT_SECRET)]


class Network:
    """The components that speak for the hosts of the example, and who is there: the service's client and Romeo."""

    def __init__(self, prosody):
        self.example_com, self.example_net = (
            Component(prosody.component_port, host, COMPONENT_SECRET) for host in ("example.com", "example.net"))
        self.service = self.example_com.peer("service@example.com/one")
        self.romeo = self.example_net.peer("romeo@example.net/orchard")
        self.service.presence("proxy.example.com")
        prosody.wait_for_log("service@example.com is available")

    def close(self):
        self.example_com.close()
        self.example_net.close()


@pytest.fixture
def network(prosody):
    network = Network(prosody)
    yield network
    network.close()


def as_shown(stanza, address):
    """The stanza in a form that can be compared, with the address as the manual has it.

    Prosody adds the language of the stream that a stanza came by.
    """
    stanza.element.attrib.pop(XML_LANG, None)
    return as_written(str(stanza).replace(address, "proxy.example.com/ENCODED"))


def as_written(xml):
    """White space between elements means nothing there."""
    return canonical(parse(re.sub(r">\s+<", "><", xml)))


@pytest.mark.parametrize("walk", [REQUEST_WALK, MESSAGE_WALK], ids=["iq", "message"])
def test_a_walk_there_and_back(network, walk):
    asked, passed_on, answer, passed_back = walk
    kind = parse(asked).tag
    network.example_net.send(asked)
    received = network.service.receive_kind(kind)
    address = received.sender
    assert as_shown(received, address) == as_written(passed_on)
    network.example_com.send(answer.replace("proxy.example.com/ENCODED", address))
    assert as_shown(network.romeo.receive_kind(kind), address) == as_written(passed_back)


def test_an_item_with_the_address_that_is_shown_leads_to_a_client(network):
    """An implementing client sees the requester's address alone; its host is what it has to name."""
    [items] = re.findall(r"^``` \{\.xml\}\n(<query .*?)^```$", MANUAL, re.M | re.S)
    service, romeo = network.service, network.romeo
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
