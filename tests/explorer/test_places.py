from __future__ import annotations

from explorer.places import ICON, LOGO, PAGES, SECTIONS, page, pages_folder


def test_the_pages_stand_in_the_order_of_the_journey() -> None:
    addresses = [place.address for place in PAGES]
    journey = ["data", "design", "train", "reconstructions", "codes", "classification", "compare", "export"]
    assert [address for address in addresses if address in journey] == journey
    assert [place.title.lower() for place in PAGES] == addresses
    assert sorted(PAGES, key=lambda place: SECTIONS.index(place.section)) == list(PAGES)


def test_every_page_is_there() -> None:
    assert {place.file for place in PAGES} == {path.name for path in pages_folder().glob("[0-9]*_*.py")}
    assert all(place.path.is_absolute() for place in PAGES)


def test_a_page_is_found_by_its_address() -> None:
    assert page("codes").title == "Codes"


def test_logo_and_icon_are_there() -> None:
    assert LOGO.read_text(encoding="utf-8").startswith("<svg")
    assert ICON.read_text(encoding="utf-8").startswith("<svg")
