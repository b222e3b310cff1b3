"""Whether some people fare worse: who is in which group, and what the figures say of it."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

from experts.quality.fairness import FEWEST, GroupRow, beside, group_rows, interval
from experts.quality.groups import SKIN, subjects
from experts.quality.measure import Figures, Measurement
from experts.quality.report import Report
from experts.quality.sample import Group, Subject
from experts.quality.skin import tone, typology_angle
from experts.training import photos
from tests.helpers.portraits import album, landmarks, portrait

MEANT = {"expert-T": (50, 100)}


def skin_of(lightness: float, yellow: float) -> np.ndarray:
    """A drawn face all of whose pixels have that L* and b*."""
    lab = np.empty((*portrait(0).shape[:2], 3), np.float32)
    lab[:] = (lightness, 10.0, yellow)
    rgb = cv2.cvtColor(lab, cv2.COLOR_Lab2RGB)
    return np.asarray(np.rint(255.0 * np.clip(rgb, 0.0, 1.0)), np.uint8)


@pytest.mark.parametrize(
    ("lightness", "yellow", "degrees", "named"),
    [
        (70.0, 15.0, 53.1, "light"),
        (58.0, 16.0, 26.6, "medium"),
        (45.0, 18.0, -15.5, "dark"),
        (62.0, -4.0, 108.4, "light"),
    ],
)
def test_typology_angle_is_that_of_the_skins_colour(
    lightness: float, yellow: float, degrees: float, named: str
) -> None:
    angle = typology_angle(skin_of(lightness, yellow), landmarks())
    assert angle == pytest.approx(degrees, abs=2.0)
    assert tone(angle) == named


def test_cheeks_alone_count() -> None:
    face = skin_of(70.0, 15.0)
    before = typology_angle(face, landmarks())
    eyes, mouth = landmarks()[:2].mean(axis=0), landmarks()[3:].mean(axis=0)
    face[: int(eyes[1]) + 12] = 0
    face[int(mouth[1]) - 12 :] = 0
    assert typology_angle(face, landmarks()) == pytest.approx(before, abs=1.0)
    assert typology_angle(np.zeros_like(face), landmarks()) < before - 90.0


def test_thresholds_belong_to_the_darker_class() -> None:
    assert [tone(angle) for angle in (41.1, 41.0, 10.1, 10.0, -60.0)] == ["light", "medium", "medium", "dark", "dark"]


def stated(folder: Path, **columns: list[str]) -> dict[str, Subject]:
    """The subjects of an album whose table has these columns, too."""
    table = album(folder, count=3) / "faces.csv"
    with table.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*rows[0], *columns])
        writer.writeheader()
        writer.writerows(
            row | {name: values[number] for name, values in columns.items()} for number, row in enumerate(rows)
        )
    return {path.stem: who for path, who in subjects(folder, photos.index(folder)).items()}


def test_groups_come_from_the_table_and_the_photograph(tmp_path: Path) -> None:
    people = stated(tmp_path / "a", set=["x", "x", "y"], person=["eve", "eve", "adam"])
    assert [who.person for who in people.values()] == ["eve", "eve", "adam"]
    assert [who.groups["set"] for who in people.values()] == ["x", "x", "y"]
    assert {who.groups[SKIN] for who in people.values()} <= {"light", "medium", "dark"}
    # A column made for it goes before the set; without the column of people each photograph is one.
    people = stated(tmp_path / "b", set=["x", "x", "y"], group=["old", "young", "old"])
    assert [who.groups["group"] for who in people.values()] == ["old", "young", "old"]
    assert "set" not in people["face0"].groups
    assert len({who.person for who in people.values()}) == 3
    assert set(stated(tmp_path / "c")["face0"].groups) == {SKIN}


def figures(psnr: float, ssim: float, identity: float | None) -> Figures:
    return Figures(psnr, ssim, 0.5, None, identity, 0.5, None, 1.0)


def measured(
    group: str, person: str, gain: float, *, identity: bool = True, band: tuple[int, int] = (50, 75)
) -> Measurement:
    own = figures(27.0 + gain, 0.8 + gain / 50, 0.7 + gain / 50 if identity else None)
    bicubic = figures(27.0, 0.8, 0.7 if identity else None)
    place = Group("pictures", band, "sharp")
    return Measurement("expert-T", place, person, (), own, bicubic, Subject(person, {"set": group}))


def people_of(group: str, gain: float, count: int, spread: float = 0.3) -> list[Measurement]:
    offsets = np.linspace(-spread, spread, count)
    return [measured(group, f"{group}{n}", gain + offset) for n, offset in enumerate(offsets)]


def rows_by_group(measurements: list[Measurement]) -> dict[str, GroupRow]:
    return {row.group: row for row in group_rows(measurements, MEANT)}


def test_a_group_that_gains_less_is_told() -> None:
    rows = rows_by_group(people_of("a", 1.5, 12) + people_of("b", 1.5, 12) + people_of("c", 0.7, 8))
    assert [(row.kind, row.people, row.faces) for row in rows.values()] == [
        ("set", 12, 12),
        ("set", 12, 12),
        ("set", 8, 8),
    ]
    assert set(rows["c"].worse) == {"psnr", "ssim", "identity"}
    assert rows["c"].worse["psnr"] == pytest.approx(-0.8, abs=1e-6)
    assert not rows["a"].worse
    own = rows["c"].gains["psnr"].own
    assert own.low is not None
    assert own.high is not None
    assert own.low < 0.7 < own.high < 1.0


def test_a_difference_that_nobody_sees_is_not_told_however_sure() -> None:
    rows = rows_by_group(people_of("a", 1.5, 40, spread=0.01) + people_of("b", 1.45, 40, spread=0.01))
    assert rows["b"].gains["psnr"].beside.is_below_zero
    assert not rows["b"].worse


def test_chance_is_not_told_as_worse() -> None:
    rows = rows_by_group(people_of("a", 1.5, 12, spread=2.0) + people_of("b", 1.2, 8, spread=2.0))
    assert not any(row.worse for row in rows.values())


def test_few_people_have_no_interval_however_many_photographs() -> None:
    few = [measured("a", f"a{n % (FEWEST - 1)}", 0.1) for n in range(40)]
    row = rows_by_group(few + people_of("b", 2.0, 12))["a"]
    assert (row.people, row.faces) == (FEWEST - 1, 40)
    assert row.gains["psnr"].own.low is None
    assert not row.worse


def test_photographs_of_one_person_are_one_voice() -> None:
    """Their mean is counted once, so that who has many photographs has no more weight."""
    once = people_of("a", 1.0, 6) + people_of("b", 1.0, 6)
    often = once + [once[0]] * 20
    first, second = rows_by_group(once)["a"], rows_by_group(often)["a"]
    assert first.gains["psnr"] == second.gains["psnr"]
    assert second.faces == first.faces + 20


def test_a_lanes_own_widths_count_and_one_group_is_none() -> None:
    assert rows_by_group(people_of("a", 1.0, 6)) == {}
    wide = [measured("a", f"w{n}", 9.0, band=(100, 150)) for n in range(6)]
    rows = rows_by_group(people_of("a", 1.0, 6) + wide + people_of("b", 1.0, 6))
    assert rows["a"].people == 6


def test_interval_is_that_of_the_mean() -> None:
    values = np.random.default_rng(3).normal(2.0, 1.0, 400)
    found = interval(values)
    assert found.low is not None
    assert found.high is not None
    # 1.96 standard errors either way.
    assert found.high - found.low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.08)
    apart = beside(values, values[::2])
    assert apart.low is not None
    assert apart.high is not None
    assert apart.low < 0.0 < apart.high


def test_tables_name_people_and_say_where_there_are_too_few() -> None:
    few = people_of("c", 0.1, 2)
    measurements = people_of("a", 1.5, 12) + people_of("b", 0.5, 12) + few
    report = Report.of(measurements, grouped=MEANT, absent=[], notes=[], settings={})
    table = report.people("pictures")
    assert table is not None
    head, *lines = table
    told = {line[head.index("group")]: dict(zip(head, line, strict=True)) for line in lines}
    assert told["a"]["people"] == "12"
    assert told["b"]["worse by"].startswith("PSNR dB -0.8")
    assert told["a"]["worse by"] == "-"
    assert told["c"]["worse by"] == "too few people"
    assert "[" not in told["c"]["PSNR dB [95 %]"]
    assert report.to_dict()["groups"][1]["worse"].keys() == {"psnr", "ssim", "identity"}
    assert "too few people" in report.to_markdown()
    assert "| set | a" in report.to_card(["expert-T"])


def test_identity_that_nobody_measured_has_no_column() -> None:
    measurements = [measured(group, f"{group}{n}", 1.0, identity=False) for group in "ab" for n in range(6)]
    report = Report.of(measurements, grouped=MEANT, absent=[], notes=[], settings={})
    table = report.people("pictures")
    assert table is not None
    assert not any("identity" in name for name in table[0])
