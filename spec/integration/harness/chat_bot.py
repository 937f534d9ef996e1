"""A chat bot that is an ordinary client, with slixmpp."""

from .user import SlixmppUser

LATER = "later, please: "
"""What begins like this the bot leaves for the test to answer."""


class ChatBot(SlixmppUser):
    """Answers what is said to it with its own name, and has a command of two steps."""

    PLUGINS = ("xep_0004", "xep_0030", "xep_0050", "xep_0085", "xep_0184", "xep_0308", "xep_0333")

    def __enter__(self):
        super().__enter__()
        self.client.add_event_handler("message", self._answer)
        self.client["xep_0050"].add_command(node="order", name="Order", handler=self._first)
        self.call("send_presence")
        self.call("get_roster")
        return self

    @property
    def name(self):
        return self.client.boundjid.resource

    def _answer(self, message):
        if not message["body"].startswith(LATER):
            message.reply(f"{self.name}: {message['body']}").send()

    def _first(self, iq, session):
        session["payload"] = self._form("What?")
        session["next"], session["has_next"] = self._second, True
        return session

    def _second(self, payload, session):
        session["payload"] = self._form(f"{self.name}: {payload['values']['answer']}")
        session["next"], session["has_next"] = None, False
        return session

    def _form(self, question):
        form = self.client["xep_0004"].make_form("form", question)
        form.add_field(var="answer", ftype="text-single")
        return form
