"""The results as text: a table of everything, then what was to be reached."""

from pushes import PUSH, REST, SENDING
from settings import DIRECT, ECHO, HTTP, NAMES, NATIVE, NETHTTP, PROXY, SIGNED

MEGABYTE = 1_000_000


def show(results):
    machine = results["machine"]
    print(f"{machine['cpu']}, {machine['cores']} cores, {machine['prosody']}")
    for name, setting in results["settings"].items():
        show_setting(name, **setting)
    show_memory(results)
    show_figures(results)
    for fault in results["faults"]:
        print(f"WRONG: {fault}")


def show_setting(name, title, rounds, parties):
    print(f"\n{title} [{name}], median of {rounds} and spread")
    print(f"  {'':18} {'per second':>26} {'of first':>8} {'main thread µs':>14}"
          f" {'workers µs':>10} {'p50 µs':>9} {'p99 µs':>9}")
    first = next(iter(parties.values()))["rate"]["median"]
    for party, figures in parties.items():
        rate = figures["rate"]
        spread = f"{rate['median']:,.0f} ({rate['low']:,.0f}–{rate['high']:,.0f})"
        print(
            f"  {NAMES[party]:18} {spread:>26} {rate['median'] / first:8.2f} {figures['main_us']['median']:14.1f}"
            f" {figures['workers_us']['median']:10.1f} {figures['p50']['median']:9,.0f}"
            f" {figures['p99']['median']:9,.0f}"
        )


def show_memory(results):
    for party, memory in results.get("in_flight", {}).items():
        print(
            f"\n1,000 in flight, backend takes 1 s, {NAMES[party]}: {memory['rate']:,.0f} per second, resident "
            f"{memory['peak_above_idle_bytes'] / MEGABYTE:.1f} MB above idle at most, "
            f"{memory['after_a_minute_above_idle_bytes'] / MEGABYTE:.1f} MB a minute later"
        )
    if "queue" in results:
        queue = results["queue"]
        print(f"\n{queue['stanzas']:,} queued stanzas of {queue['own_bytes']:,.0f} B:"
              f" {queue['beside_own_bytes']:,.0f} B each beside that")
    if "down" in results:
        down = results["down"]
        print(f"\n{down['stanzas']:,} stanzas of {down['own_bytes']:,.0f} B wait for a service that is down:"
              f" {down['beside_own_bytes']:,.0f} B each beside that, {100 * down['core']:.2f} % of a core")


def show_figures(results):
    print("\nTo be reached")
    for text, value, compare, limit in figures(results):
        met = value >= limit if compare == "≥" else value <= limit
        print(f"  {'yes' if met else 'NO ':3} {text}: {value:.2f} ({compare} {limit:g})")


def figures(results):
    """What the project wants to reach: text, value, comparison and limit."""
    settings = results["settings"]

    def median(setting, party, name):
        return settings[setting]["parties"][party][name]["median"]

    def has(setting, *parties):
        return setting in settings and all(party in settings[setting]["parties"] for party in parties)

    def ratio(setting, party, other, name):
        return median(setting, party, name) / median(setting, other, name)

    if has("outstanding-64", ECHO, NATIVE, NETHTTP, HTTP):
        yield "rate / in-process echo", ratio("outstanding-64", HTTP, ECHO, "rate"), "≥", 0.80
        yield "rate / native component", ratio("outstanding-64", HTTP, NATIVE, "rate"), "≥", 1.0
        yield "rate / pure-Lua component", ratio("outstanding-64", HTTP, NETHTTP, "rate"), "≥", 5.0
        yield "main-thread CPU / in-process echo", ratio("outstanding-64", HTTP, ECHO, "main_us"), "≤", 1.25
    if has("outstanding-1", NETHTTP, HTTP):
        yield "round trip at 1 outstanding / pure-Lua", ratio("outstanding-1", HTTP, NETHTTP, "p50"), "≤", 0.6
    if has("iq-64", DIRECT, PROXY):
        yield "client_proxy: main-thread CPU / direct routing", ratio("iq-64", PROXY, DIRECT, "main_us"), "≤", 1.15
    if has("chat-64", DIRECT, PROXY):
        yield "… of a message", ratio("chat-64", PROXY, DIRECT, "main_us"), "≤", 1.2
    if has("push-64", SENDING, PUSH):
        yield "push: main-thread CPU / handler in Lua that sends", ratio("push-64", PUSH, SENDING, "main_us"), "≤", 1.1
    if has("push-64", REST, PUSH):
        yield "… / mod_rest", ratio("push-64", PUSH, REST, "main_us"), "≤", 0.67
        yield "… rate / mod_rest", ratio("push-64", PUSH, REST, "rate"), "≥", 1.5
    if has("push-250k", SENDING, PUSH):
        yield "… of 250 kB / handler in Lua", ratio("push-250k", PUSH, SENDING, "main_us"), "≤", 1.1
    in_flight = results.get("in_flight", {})
    if HTTP in in_flight:
        memory = in_flight[HTTP]
        yield "1,000 in flight: MB above idle", memory["peak_above_idle_bytes"] / MEGABYTE, "≤", 48
        yield "… and a minute later", memory["after_a_minute_above_idle_bytes"] / MEGABYTE, "≤", 10
        if NETHTTP in in_flight:
            yield "… rate / pure-Lua component", memory["rate"] / in_flight[NETHTTP]["rate"], "≥", 1.0
    if has("signed", HTTP, SIGNED):
        yield "signed: main-thread CPU / not signed", ratio("signed", SIGNED, HTTP, "main_us"), "≤", 1.03
    if "down" in results:
        down = results["down"]
        yield "kB per stanza that waits for a service that is down", down["beside_own_bytes"] / 1000, "≤", 1.2
        yield "… and % of a core for all of them", 100 * down["core"], "≤", 1.0
    if "queue" in results:
        yield "kB per queued stanza beside its own bytes", results["queue"]["beside_own_bytes"] / 1000, "≤", 2.0
