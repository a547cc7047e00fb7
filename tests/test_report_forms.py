"""The forms of a report: the same bytes, read back, safe to paste, and put in place whole."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest

from handshake_probe.cli import main
from handshake_probe.model.measurement import Measurement
from handshake_probe.model.observations import DnsSeen
from handshake_probe.pipeline.rejudging import judge_again, load_measurements
from handshake_probe.pipeline.reporting import compose_report, write_report
from handshake_probe.report.sheet import files, pdf
from handshake_probe.report.sheet.files import Form, written
from handshake_probe.report.sheet.markdown import escaped
from handshake_probe.report.sheet.redaction import Level
from handshake_probe.report.sheet.request import Ask
from handshake_probe.report.sheet.target import Sender, Target, target_of
from handshake_probe.report.sheet.vendors import examples, vendors
from probed import lookup, measured, vantage
from report_room import HOSTILE, hostile_measurements, office_and_hotspot, probes, recorded
from report_shelf import AT

AT_TEXT = "2027-01-15T08:00:00Z"
GOLDENS = Path(__file__).with_name("goldens")
TEXTS = (Form.HTML, Form.MARKDOWN, Form.JSON, Form.TEXT)
TARGET = Target(
    senders=(Sender("192.168.1.23", "94:94:4a:12:34:56"),),
    names=("device.spark.io", "device.tcp.particle.io"),
    addresses=("198.51.100.7",),
    port=5683,
    resolvers=("192.168.1.1",),
    public=False,
)


def made(form: Form, *measurements: Measurement, level: Level = Level.IT) -> str:
    composed = compose_report(measurements, level, made=AT)
    content = written(composed.report, composed.documents, form, AT, public=level is Level.PUBLIC)
    return content.decode()


@pytest.mark.parametrize("form", TEXTS)
def test_same_measurement_same_bytes(form: Form, tmp_path: Path) -> None:
    twice = []
    for seed in ("1", "2"):
        file = tmp_path / f"{seed}.{form}"
        source = tmp_path / "probe.json"
        source.write_text(made(Form.JSON, probes()["dropped"]))
        done = subprocess.run(
            (
                sys.executable,
                "-m",
                "handshake_probe",
                "report",
                str(source),
                "-o",
                str(file),
                "--at",
                AT_TEXT,
            ),
            env=os.environ | {"PYTHONHASHSEED": seed, "TZ": f"UTC+{seed}"},
            check=False,
        )
        assert done.returncode == 0
        twice.append(file.read_bytes())
    assert twice[0] == twice[1]


@pytest.mark.parametrize("level", Level)
def test_a_report_carries_its_measurements(level: Level, tmp_path: Path) -> None:
    measurements = office_and_hotspot()
    file = tmp_path / "a.html"
    write_report(measurements, [file], level=level, made=AT)
    carried = load_measurements(str(file))
    assert [m.redaction for m in carried] == [level] * 3
    for before, after in zip(measurements, carried, strict=True):
        again = judge_again(after).verdict
        assert (again.cause, again.stage) == (before.verdict.cause, before.verdict.stage)
    for other in (Level.IT, level):
        again_file = tmp_path / f"again-{other}.html"
        write_report(carried, [again_file], level=other, made=AT)
        assert again_file.read_bytes() == file.read_bytes() or other is not level
        assert ("public copy" in again_file.read_text()) is (level is Level.PUBLIC)


def test_json_is_the_measurement_with_its_findings_told() -> None:
    (line,) = made(Form.JSON, probes()["dropped"]).splitlines()
    document = json.loads(line)
    assert document["kind"] == "probe"
    for finding in document["findings"]:
        assert {"code", "text", "title", "meaning", "doubt", "remedy"} <= set(finding)


def test_long_documents_are_packed_and_read_back(tmp_path: Path) -> None:
    from report_room import many_devices

    file = tmp_path / "many.html"
    write_report([many_devices(120)], [file], made=AT)
    assert file.stat().st_size < 300_000
    assert len(load_measurements(str(file))[0].devices) == 120
    file.write_bytes(file.read_bytes().replace(b'"gzip">H4sI', b'"gzip">H4sJ'))
    assert main(["diagnose", str(file)]) == 2


@pytest.mark.parametrize("content", ["<!doctype html><p>x", "{", "<html>", "", "%PDF-1.7"])
def test_what_carries_no_measurement(content: str, tmp_path: Path) -> None:
    file = tmp_path / "x.html"
    file.write_text(content)
    target = tmp_path / "y.html"
    assert main(["report", str(file), "-o", str(target)]) == 2
    assert not target.exists()


@pytest.mark.parametrize("index", range(len(HOSTILE)))
def test_hostile_strings_stay_in_their_cells(index: int) -> None:
    for measurement in list(hostile_measurements())[2 * index : 2 * index + 2]:
        for level in Level:
            page = made(Form.HTML, measurement, level=level)
            outline = Outline()
            outline.feed(page)
            assert outline.tags <= KNOWN_TAGS
            assert not {name for name in outline.attributes if name.startswith("on")}
            assert page.count("<script") == page.count("</script>") == 1
            assert "\x1b" not in page
            assert "\u202e" not in page
            for command in outline.commands:
                assert not any(word in command for word in ("alert", "reboot", "touch", "xxx"))
            text = made(Form.TEXT, measurement, level=level)
            assert text.isascii()
            assert "\x1b" not in text
            told = made(Form.MARKDOWN, measurement, level=level)
            prose = re.sub(r"(?s)```.*?```", "", told)
            assert not re.search(r"(?<!\\)(<script|<img|!\[|\]\(|@all|\]\(javascript)", prose)
            assert told.count("```") % 2 == 0
            for row in re.findall(r"(?m)^\|.*$", prose):
                assert len(re.findall(r"(?<!\\)\|", row)) in (3, 4, 5)


def test_no_command_is_made_of_what_was_only_heard() -> None:
    for evil in HOSTILE:
        target = Target((), (), (), 5683, (), public=False)
        for ask in Ask:
            told = " ".join(example.text for example in examples(ask, target))
            assert evil not in told


class Outline(HTMLParser):
    """Elements, attributes, and what is offered as a command."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.commands: list[str] = []
        self._within: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self._within = tag if tag in ("code", "pre") else self._within

    def handle_endtag(self, tag: str) -> None:
        self._within = None if tag == self._within else self._within

    def handle_data(self, data: str) -> None:
        if self._within:
            self.commands.append(data)


KNOWN_TAGS = frozenset(
    {
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "main",
        "header",
        "section",
        "h1",
        "h2",
        "h3",
        "h4",
        "p",
        "span",
        "b",
        "small",
        "dl",
        "div",
        "dt",
        "dd",
        "table",
        "caption",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "ul",
        "ol",
        "li",
        "code",
        "pre",
        "figure",
        "figcaption",
        "svg",
        "desc",
        "text",
        "rect",
        "line",
        "polygon",
        "script",
    }
)


def test_markdown_means_nothing_in_a_cell() -> None:
    assert escaped("a|b\n# c `d` *e*") == r"a\|b \# c \`d\` \*e\*"
    assert "http:" not in escaped("see http://evil.test and HTTPS://x")


def test_text_survives_mail() -> None:
    for name, measurement in probes().items():
        lines = made(Form.TEXT, measurement).splitlines()
        assert max(map(len, lines)) <= 110, name  # commands are not broken
        assert not [
            line for line in lines if line.startswith(("From ", "-- ", ".")) or "\t" in line
        ]
        assert all(line == line.rstrip() and line.isascii() for line in lines)


@pytest.mark.parametrize("ask", Ask)
def test_examples_of_products(ask: Ask) -> None:
    """What admins copy: reviewed once, kept as it was. GOLDENS=write writes them anew."""
    told = "\n".join(
        f"## {e.name}\n{e.look}: {', '.join(e.words)}\n{e.where}\n{e.text}\n"
        for e in examples(ask, TARGET)
    )
    kept = GOLDENS / f"examples-{ask}.txt"
    if os.environ.get("GOLDENS") == "write":
        kept.parent.mkdir(exist_ok=True)
        kept.write_text(told)
    assert told == kept.read_text()


def test_every_product_says_where_to_look() -> None:
    names = [vendor.name for vendor in vendors()]
    for word in ("nftables", "iptables", "pfSense", "OPNsense", "UniFi", "Cisco", "FortiGate"):
        assert any(word in name for name in names)
    assert {"Palo Alto", "Pi-hole", "Any firewall"} <= set(names)
    assert all(vendor.look and vendor.words for vendor in vendors())


def test_nft_takes_the_example() -> None:
    """The one example whose own checker is at hand; it needs no privilege to refuse a mistake."""
    text = next(e.text for e in examples(Ask.OPEN, TARGET) if e.name == "nftables")
    command = text.partition("\n#")[0].replace("\\\n", " ").split()
    assert command[:6] == ["nft", "insert", "rule", "inet", "filter", "forward"]
    rule = " ".join(command[6:])
    ruleset = f"table inet filter {{\n chain forward {{\n  {rule}\n }}\n}}\n"
    try:
        done = subprocess.run(
            ("nft", "--check", "-f", "-"),
            input=ruleset,
            text=True,
            capture_output=True,
            check=False,
        )
    except OSError:
        pytest.skip("nft not installed")
    if "Operation not permitted" in done.stderr:
        pytest.skip("nft checks for root only")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["a.doc", "a", "html"])
def test_a_form_nobody_knows(name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    capture = str(recorded("blocked-syn-dropped").source.path)
    assert main(["report", capture, "-o", str(tmp_path / name)]) == 2
    assert ".html, .pdf, .md, .json, .txt" in capfd.readouterr().err
    assert main(["analyze", capture, "--report", str(tmp_path / name)]) == 2
    assert capfd.readouterr().out == ""


def test_a_report_is_whole_or_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    capture = str(recorded("blocked-syn-dropped").source.path)
    target = tmp_path / "a.html"
    target.write_text("the one before")

    def secret(*_: object) -> str:
        return "-----BEGIN RSA PRIVATE KEY-----"

    with monkeypatch.context() as patched:
        patched.setattr(files, "_html", secret)
        assert main(["report", capture, "-o", str(target)]) == 4
    assert "private key" in capfd.readouterr().err
    assert target.read_text() == "the one before"
    assert main(["report", capture, "-o", str(tmp_path / "no" / "a.html")]) == 2
    assert list(tmp_path.iterdir()) == [target]
    assert main(["analyze", capture, "--report", str(target)]) == 1
    assert target.read_text().startswith("<!doctype html>")


def test_pdf_names_both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "find_browser", lambda: None)
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    with pytest.raises(pdf.NoPdf, match=r"(?i)chromium.*weasyprint"):
        pdf.pdf("<!doctype html>", AT)


@pytest.mark.parametrize("way", ["chromium", "weasyprint"])
def test_pdf_holds_the_page(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if way == "chromium" and pdf.find_browser() is None:
        pytest.skip("no Chromium, scripts/need-chromium installs it")
    if way == "weasyprint":
        monkeypatch.setattr(pdf, "find_browser", lambda: None)
    page = made(Form.HTML, probes()["rejected"])
    try:
        twice = [pdf.pdf(page, AT) for _ in range(2)]
    except pdf.NoPdf as lack:
        pytest.skip(str(lack))
    assert twice[0] == twice[1]
    assert twice[0].startswith(b"%PDF")
    assert len(twice[0]) > 20_000


def test_a_library_that_loads_without_pango(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "weasyprint.py").write_text("raise OSError('cannot load library libpango')")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "weasyprint", raising=False)
    monkeypatch.setattr(pdf, "find_browser", lambda: None)
    with pytest.raises(pdf.NoPdf, match="libpango"):
        pdf.pdf("<!doctype html>", AT)


def test_only_a_report_loads_jinja2() -> None:
    code = (
        "import sys; from handshake_probe.cli import main; main(['analyze', sys.argv[1]]);"
        " assert 'jinja2' not in sys.modules"
    )
    capture = str(recorded("blocked-syn-dropped").source.path)
    subprocess.run((sys.executable, "-c", code, capture), check=True, capture_output=True)


def test_a_rule_names_the_cloud_and_nobody_else() -> None:
    """The device also asks for time servers; the computer that probed is in the capture as well."""
    plain = recorded("blocked-dns-answers-gateway")
    device = plain.devices[0].address
    others = [
        DnsSeen(
            id=f"o9{n}",
            frame=1,
            time=0.0,
            host=device,
            server="192.0.2.53",
            name=name,
            type="A",
            rcode="NOERROR",
            addresses=["192.0.2.9"],
        )
        for n, name in enumerate(("pool.ntp.org", "example.com"))
    ]
    seen = msgspec.structs.replace(plain, observations=[*plain.observations, *others])
    target = target_of([judge_again(seen)], Level.IT)
    assert not {"pool.ntp.org", "example.com"} & set(target.names)
    assert "device.spark.io" in target.names
    probe = measured(vantage(address=device, device="192.168.1.23"), lookup())
    assert [s.address for s in target_of([plain, probe], Level.IT).senders] == ["192.168.1.23"]
    assert [s.address for s in target_of([plain], Level.IT).senders] == [device]
