"""The lines that docs/running.markdown says of the log are those that the code can write: all of them, and no other."""

import re

from harness.installation import REPOSITORY, document

# Prosody's own line, of a module that it does not find.
NOT_OURS = "Unable to load module 'component_http': … No such file or directory"
# Their sentences are the rest of a line, which says of an option or of XML what is wrong with it.
ONLY_REASONS = ("src/options.rs", "src/glue/options.rs", "src/http/endpoint.rs", "src/http/headers.rs",
                "src/http/sign.rs", "src/http/proxy/url.rs", "src/http/tls/files.rs", "src/stanza/",
                "src/mapping/object.rs", "src/component_http/settings/destinations.rs",
                "src/mapping/extension/shape.rs", "src/mapping/fields/table.rs",
                "src/component_http/settings/face.rs")
# What is shown to whoever asks: metrics, and the tables and answers of the shell.
ONLY_SHOWN = ("src/observe/exchanges.rs", "src/push/counts.rs", "src/client_proxy/counts.rs",
              "src/client_proxy/status.rs", "src/component_http/driver/overview.rs", "lua/shell.lua")
# What is told to whoever pushes, and to nobody else.
ONLY_ANSWERS = ("src/push/problem.rs", "src/push/request.rs", "src/push/task.rs", "src/mapping/push.rs")
NO_LINES = ONLY_REASONS + ONLY_SHOWN + ONLY_ANSWERS
# What stands before a string that is no line of the log: what is wrong with an option, and what nobody reads there.
NO_LINE = re.compile(
    r"(problem\(|problem = |OptionError::new\(\s*\w+,|\.with_text\(|\.expect\(|assert!\([^\"]*, |reason = |BadUri\("
    r"|\bc)\s*(format!\()?\s*$")
CFG_TEST = r"#\[cfg\((?:test|any\(test, fuzzing\))\)\]\n(?:pub(?:\(\w+\))? )?"
RUST_STRING, LUA_STRING = r'"((?:[^"\\]|\\.)*)"', r"\"((?:[^\"\\]|\\.)*)\"|'((?:[^'\\]|\\.)*)'"


def rust_files():
    """Those that are not for tests alone."""
    files = set(REPOSITORY.glob("src/**/*.rs"))
    for path in list(files):
        declared = re.findall(CFG_TEST + r"mod (\w+);", path.read_text(encoding="utf-8"))
        directory = path.parent if path.stem in ("mod", "lib") else path.with_suffix("")
        files -= {file for file in files for name in declared
                  if file == directory / f"{name}.rs" or file.is_relative_to(directory / name)}
    return files


def code(path):
    """The file without its comments, its tests, and what it says to the senders of stanzas."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".lua":
        return re.sub(r'"\s*\.\."', "", re.sub(r"--.*", "", text))
    text = text.replace("'\"'", "''")
    text = re.split(CFG_TEST + r"mod \w+ \{", text)[0]
    text = re.sub(r"^ *//.*", "", text, flags=re.M)
    return re.sub(r"\\\n\s*", "", re.sub(r"^    fn to_error\(.*?^    }", "", text, flags=re.M | re.S))


def strings():
    """Each string of the code with an ellipsis for a value, its file, and what stands before it."""
    for path in sorted([*rust_files(), *REPOSITORY.glob("lua/*.lua")]):
        text = code(path)
        for found in re.finditer(RUST_STRING if path.suffix == ".rs" else LUA_STRING, text, re.S):
            string = next(group for group in found.groups() if group is not None).replace('\\"', '"')
            string = re.sub(r"\{[^}]*\}|%s", "…", string)
            yield str(path.relative_to(REPOSITORY)), text[:found.start()], string


def parts(line):
    return [part for part in (part.strip(" .,:;()'\"") for part in re.split(r"…|: | \(", line)) if part]


def shown():
    log = document("docs/running.markdown").partition("\n## The log\n")[2].partition("\n## ")[0]
    return log, re.findall(r"^\| `([^`]+)` \|", log, re.M)


def test_each_line_that_is_shown_can_be_written():
    written = "\n".join(string for _, _, string in strings())
    _, lines = shown()
    assert len(lines) > 40
    assert {part: line for line in lines if line != NOT_OURS for part in parts(line) if part not in written} == {}


def test_each_line_that_can_be_written_is_shown():
    log = shown()[0].replace("\n", " ")
    missing = [
        (file, part)
        for file, before, string in strings()
        if string.count(" ") > 1 and not file.startswith(NO_LINES) and not NO_LINE.search(before)
        for part in parts(string)
        if " " in part and part not in log
    ]
    assert missing == []
