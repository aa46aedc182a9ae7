"""The demo, as small as it goes: the whole way, and a second time on the same folder."""

from pathlib import Path

from click.testing import CliRunner

from ecgkit.cli import ecgkit


def test_demo_goes_the_whole_way_and_can_be_repeated(tmp_path: Path) -> None:
    small = ["--subjects", "2", "--duration-s", "30", "--epochs", "1", "--jobs", "1"]
    for run in ("001", "002"):
        result = CliRunner().invoke(ecgkit, ["demo", "--out", str(tmp_path / "demo"), *small])
        assert result.exit_code == 0, result.output
        assert "SIMULATED" in result.stdout
        assert "ecgkit ingest session.acq --subject 07 --condition exercise" in result.stdout
        assert (tmp_path / "demo" / "study" / "runs" / run / "report.html").is_file()
    assert len(list((tmp_path / "demo" / "study" / "sessions").glob("*.h5"))) == 6
