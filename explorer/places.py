"""Where the application's files are: in a checkout, or in an installed wheel."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

LOGO, ICON = Path(__file__).with_name("logo.svg"), Path(__file__).with_name("icon.svg")

Section = Literal["Build", "Look", "Decide", "Take away"]
SECTIONS: tuple[Section, ...] = get_args(Section)


@dataclass(frozen=True)
class PagePlace:
    """One page of the journey.

    Attributes:
        file: name in the pages folder.
        address: url path, without a slash.
        title: heading, and label in the navigation.
        icon: material symbol.
        about: what one does there, as the navigation's tooltip.
        section: the part of the journey that it belongs to, as the navigation's heading.
    """

    file: str
    address: str
    title: str
    icon: str
    about: str
    section: Section

    @property
    def path(self) -> Path:
        """Absolute path of the page's file."""
        return pages_folder() / self.file


PAGES: tuple[PagePlace, ...] = (
    PagePlace(
        "1_data.py",
        "data",
        "Data",
        ":material/table_view:",
        "Choose a sample or bring a file, and see what was understood.",
        "Build",
    ),
    PagePlace(
        "2_design.py",
        "design",
        "Design",
        ":material/layers:",
        "Choose the levels of the stack and how they learn.",
        "Build",
    ),
    PagePlace("3_train.py", "train", "Train", ":material/play_circle:", "Watch every level learn.", "Build"),
    PagePlace(
        "4_reconstructions.py",
        "reconstructions",
        "Reconstructions",
        ":material/compare:",
        "What each level keeps and loses.",
        "Look",
    ),
    PagePlace(
        "5_codes.py",
        "codes",
        "Codes",
        ":material/scatter_plot:",
        "Maps of the code of every level, side by side.",
        "Look",
    ),
    PagePlace(
        "9_journey.py",
        "journey",
        "Journey",
        ":material/route:",
        "One row on its way through the stack.",
        "Look",
    ),
    PagePlace(
        "6_classification.py",
        "classification",
        "Classification",
        ":material/target:",
        "How well the codes separate the classes.",
        "Look",
    ),
    PagePlace(
        "10_inside.py",
        "inside",
        "Inside",
        ":material/lens_blur:",
        "What single units see, and codes decoded by hand.",
        "Look",
    ),
    PagePlace(
        "11_levels.py",
        "levels",
        "Levels",
        ":material/stairs:",
        "Does another level pay? What each one keeps and loses.",
        "Look",
    ),
    PagePlace(
        "7_compare.py",
        "compare",
        "Compare",
        ":material/stacked_line_chart:",
        "All runs of the workspace, beside each other.",
        "Decide",
    ),
    PagePlace(
        "12_experiments.py",
        "experiments",
        "Experiments",
        ":material/science:",
        "Greedy against joint against PCA; with and without pretraining.",
        "Decide",
    ),
    PagePlace(
        "13_sweep.py",
        "sweep",
        "Sweep",
        ":material/tune:",
        "Try many settings in the background, and see which ones are best.",
        "Decide",
    ),
    PagePlace(
        "8_export.py",
        "export",
        "Export",
        ":material/download:",
        "Take the trained encoder and its codes away.",
        "Take away",
    ),
)


def pages_folder() -> Path:
    """`explorer/pages` in an installed wheel, `../pages` in a checkout."""
    here = Path(__file__).resolve().parent
    installed = here / "pages"
    return installed if installed.is_dir() else here.parent / "pages"


def page(address: str) -> PagePlace:
    """The page with this address.

    >>> page("train").title
    'Train'
    """
    return next(place for place in PAGES if place.address == address)
