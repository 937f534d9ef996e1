"""The chart for docs/performance.markdown, as an SVG that suits a light and a dark page."""

from html import escape

from settings import ECHO, HTTP, NAMES, NATIVE, NETHTTP

PARTIES = (ECHO, NATIVE, HTTP, NETHTTP)
PANELS = (
    ("outstanding-64", "rate", "Messages per second", "64 outstanding; more is better"),
    ("outstanding-64", "main_us", "CPU of Prosody's main thread", "µs per message, 64 outstanding; less is better"),
    ("outstanding-1", "p50", "Round trip", "median in µs, 1 outstanding; less is better"),
)
WIDTH, LABELS, VALUES = 760, 150, 80
BAR, GAP, HEAD, MARGIN = 18, 8, 46, 16

STYLE = """
text { font: 13px system-ui, sans-serif; fill: #24292f }
.title { font-weight: 600; font-size: 14px }
.note { fill: #57606a; font-size: 12px }
.bar { fill: #afb8c1 }
.own { fill: #0969da }
.spread { stroke: #24292f; stroke-width: 1.2 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .note { fill: #8d96a0 }
  .bar { fill: #484f58 }
  .own { fill: #4493f8 }
  .spread { stroke: #e6edf3 }
}
"""


def draw(settings):
    """The panels whose settings were measured, one below the other."""
    parts, top = [], MARGIN
    for setting, figure, title, note in PANELS:
        if setting in settings:
            drawn, height = panel(settings[setting]["parties"], figure, title, note, top)
            parts += drawn
            top += height
    parts.append(text(MARGIN, top + 4, "Bars are medians, lines the spread of all rounds.", "note"))
    top += MARGIN + 4
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{top}"'
        f' viewBox="0 0 {WIDTH} {top}" role="img">\n'
        f"<title>component_http beside an in-process echo, a native component and a pure-Lua one</title>\n"
        f"<style>{STYLE}</style>\n" + "\n".join(parts) + "\n</svg>\n"
    )


def panel(parties, figure, title, note, top):
    shown = [party for party in PARTIES if party in parties]
    longest = max(parties[party][figure]["high"] for party in shown)
    room = WIDTH - LABELS - VALUES - 2 * MARGIN
    parts = [text(MARGIN, top + 14, title, "title"), text(MARGIN, top + 31, note, "note")]
    for row, party in enumerate(shown):
        values = parties[party][figure]
        x, y = MARGIN + LABELS, top + HEAD + row * (BAR + GAP)
        length, low, high = (room * values[name] / longest for name in ("median", "low", "high"))
        middle = y + BAR / 2
        parts += [
            text(MARGIN, middle + 4.5, NAMES[party]),
            f'<rect class="{"own" if party == HTTP else "bar"}" x="{x}" y="{y}" width="{length:.1f}"'
            f' height="{BAR}" rx="2"/>',
            f'<path class="spread" d="M{x + low:.1f} {middle}H{x + high:.1f}"/>',
            text(x + high + 8, middle + 4.5, f"{values['median']:,.0f}"),
        ]
    return parts, HEAD + len(shown) * (BAR + GAP) + MARGIN


def text(x, y, content, style=None):
    attribute = f' class="{style}"' if style else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{attribute}>{escape(content)}</text>'
