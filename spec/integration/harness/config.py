"""A prosody.cfg.lua written from Python values."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Host:
    """One `VirtualHost` or `Component` section."""

    kind: str
    name: str
    module: str | None = None
    options: dict = field(default_factory=dict)

    def section(self):
        head = f"{self.kind} {literal(self.name)}"
        if self.module:
            head += f" {literal(self.module)}"
        return head + "\n" + assignments(self.options, indent="\t")


def component(name, module="component_http", /, **options):
    """A component served by a module of Prosody's own process.

    A failure is told at once, unless a test is about what is tried again.
    """
    if module == "component_http":
        options = {"component_post_retry_for": 0, **options}
    return Host("Component", name, module, options)


def external_component(name, secret):
    """A component that connects over XEP-0114."""
    return Host("Component", name, None, {"component_secret": secret})


def virtual_host(name, /, **options):
    return Host("VirtualHost", name, None, options)


@dataclass(frozen=True)
class Lua:
    """An expression that goes into the file as it stands."""

    expression: str


def literal(value):
    """The Lua literal for a Python value."""
    if isinstance(value, Lua):
        return value.expression
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        quoted = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'"{quoted}"'
    if isinstance(value, (list, tuple)):
        return "{ " + ", ".join(literal(item) for item in value) + " }"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"[{literal(k)}] = {literal(v)}" for k, v in value.items()) + " }"
    raise TypeError(f"no Lua literal for {value!r}")


def assignments(options, indent=""):
    return "".join(f"{indent}{name} = {literal(value)}\n" for name, value in options.items())
