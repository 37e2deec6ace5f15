"""A collection of pictures before it is used: size, colour and fit, on a preview."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import streamlit as st

from explorer import uploads
from explorer.charts.gallery import gallery
from explorer.charts.numbers import picture_numbers
from explorer.session import Session
from explorer.uploads import Upload
from explorer.widgets.figures import show_live_chart
from explorer.widgets.text import count, literal, sentence
from explorer.widgets.waiting import result_of
from sae_core.data.image_guess import ImageGuess
from sae_core.data.images import ImagePreview
from sae_core.errors import SaeError
from sae_core.limits import MAX_PICTURE_SIDE

CLASSES_SHOWN = 8
PER_ROW = 14


def decide_pictures(session: Session, upload: Upload, guess: ImageGuess) -> None:
    """Everything that can be corrected before the pictures are read for good."""
    options = upload.pictures or guess.options
    sizes = ", ".join(f"{width} × {height}" for width, height in list(guess.sizes)[:3])
    more = f" and {len(guess.sizes) - 3:,} other sizes" if len(guess.sizes) > 3 else ""
    formats = ", ".join(f"{name}" for name in guess.formats)
    st.caption(f"{count(guess.count, 'picture')} of {sizes}{more} pixels; {literal(formats)}.")
    for note in guess.notes:
        st.caption(f":material/info: {sentence(note)}")
    if guess.skipped:
        names = "; ".join(f"{literal(each.name, 40)} {literal(each.reason, 80)}" for each in guess.skipped[:4])
        left_out = count(len(guess.skipped), "file")
        st.caption(f":material/block: {left_out} left out: {names}{' …' if len(guess.skipped) > 4 else ''}")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        for name, value in (("height", options.height), ("width", options.width)):
            key = f"data-pictures-{name}"
            st.session_state[key] = value
            st.number_input(
                f"{name.capitalize()}, pixels",
                min_value=1,
                max_value=MAX_PICTURE_SIDE,
                key=key,
                width=140,
                help="Pictures are brought to this size; small ones train faster.",
                on_change=_changed,
                args=(session, upload, guess, name),
            )
        _control(session, upload, guess, "colour", "Colour", {"grey": "grey", "colour": "colour"}, options.colour)
        fits = {"crop": "crop", "pad": "pad", "stretch": "stretch"}
        _control(session, upload, guess, "fit", "Pictures of another shape", fits, options.fit)
    seen: ImagePreview | None = result_of(uploads.preview(upload, options), key="preview")
    if seen is not None:
        _show(seen)


def _control(
    session: Session, upload: Upload, guess: ImageGuess, name: str, label: str, words: dict[str, str], value: str
) -> None:
    key = f"data-pictures-{name}"
    st.session_state[key] = value
    st.segmented_control(
        label,
        list(words),
        key=key,
        required=True,
        format_func=words.__getitem__,
        on_change=_changed,
        args=(session, upload, guess, name),
    )


def _changed(session: Session, upload: Upload, guess: ImageGuess, name: str) -> None:
    value: Any = st.session_state[f"data-pictures-{name}"]
    if value is None:
        return
    try:
        upload.pictures = replace(upload.pictures or guess.options, **{name: value})
    except SaeError as error:
        session.notices.append(str(error))


def _show(seen: ImagePreview) -> None:
    labels = [label for label in dict.fromkeys(seen.labels) if label is not None]
    if labels:
        rows = [
            (label, seen.pixels[[i for i, own in enumerate(seen.labels) if own == label][:PER_ROW]])
            for label in labels[:CLASSES_SHOWN]
        ]
    else:
        rows = [("", part) for part in np.array_split(seen.pixels, max(1, -(-len(seen.pixels) // PER_ROW)))]
    show_live_chart(
        gallery(rows, seen.image_shape, cell=56), key="data-preview", alt="Preview of the pictures", name="preview",
        numbers=lambda: picture_numbers(seen.labels, seen.pixels, of="label"),
    )  # fmt: skip
    if len(labels) > CLASSES_SHOWN:
        st.caption(f"{count(len(labels) - CLASSES_SHOWN, 'further class', 'further classes')} not shown here.")
