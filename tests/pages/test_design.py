"""The Design page: every widget writes into the configuration, which is the only truth."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from explorer.session import KEY, Session
from explorer.widgets import fields
from sae_core.config import LayerConfig, StackConfig
from sae_core.data.dataset import Dataset
from tests.pages.conftest import OpenPage, press, seen


def config_of(app: AppTest) -> StackConfig:
    session: Session = app.session_state[KEY]
    return session.config


def test_without_data_the_page_says_what_to_do(open_page: OpenPage) -> None:
    app = open_page("design")
    assert "no data set yet" in seen(app)
    assert not app.slider


def test_levels_and_units_follow_their_sliders(open_page: OpenPage, table: Dataset, config: StackConfig) -> None:
    app = open_page("design", data=table, config=config)
    app.slider(key="design-levels").set_value(3).run()
    assert config_of(app).units == (5, 3, 2)
    app.select_slider(key="design-units-3").set_value(1).run()
    app.select_slider(key="design-units-1").set_value(4).run()
    assert config_of(app).units == (4, 3, 1)
    app.slider(key="design-levels").set_value(1).run()
    assert config_of(app).units == (4,)


def test_values_survive_other_pages(open_page: OpenPage, table: Dataset, config: StackConfig) -> None:
    app = open_page("design", data=table, config=config)
    app.select_slider(key="design-units-2").set_value(2).run()
    app.number_input(key="design-stack-epochs").set_value(7).run()
    for _ in range(3):
        app.switch_page("../pages/1_data.py").run()
    app.switch_page("../pages/2_design.py").run()
    assert app.select_slider(key="design-units-2").value == 2
    assert app.number_input(key="design-stack-epochs").value == 7
    assert (config_of(app).units, config_of(app).epochs) == ((5, 2), 7)


def test_undo_and_reset(open_page: OpenPage, table: Dataset, config: StackConfig) -> None:
    app = open_page("design", data=table, config=config)
    app.number_input(key="design-stack-epochs").set_value(9).run()
    press(app, "Undo")
    assert config_of(app) == config
    assert app.number_input(key="design-stack-epochs").value == config.epochs
    press(app, "Reset to suggested")
    assert config_of(app) != config
    press(app, "Undo")
    assert config_of(app) == config


def test_a_preset_is_one_click_and_can_be_undone(open_page: OpenPage, pictures: Dataset, config: StackConfig) -> None:
    app = open_page("design", data=pictures, config=config)
    assert "Hinton & Salakhutdinov 2006" in seen(app)
    press(app, "design-preset-matlab")
    assert config_of(app).units == (100, 50)
    assert app.button(key="design-preset-matlab").disabled
    press(app, "Undo")
    assert config_of(app) == config


def test_every_field_of_a_level_has_a_widget() -> None:
    shown = {setting.name for group in (*fields.LAYER_GROUPS.values(), fields.LAYER_CONVOLUTION) for setting in group}
    assert shown == set(LayerConfig.model_fields) - {"kind", "units", "input_shape"}


def test_every_field_of_the_stack_has_a_widget() -> None:
    groups = (
        fields.STACK_MAIN,
        fields.STACK_PRETRAINING,
        fields.STACK_CLASSIFIER,
        fields.STACK_CLASSIFIER_MORE,
        fields.STACK_OPTIMISER,
    )
    shown = {setting.name for group in groups for setting in group}
    assert shown == set(StackConfig.model_fields) - {"layers"}


def test_every_setting_explains_itself() -> None:
    settings = [setting for group in fields.LAYER_GROUPS.values() for setting in group]
    assert all(setting.help.endswith((".", ").")) for setting in settings)


def test_settings_of_one_level(open_page: OpenPage, table: Dataset, config: StackConfig) -> None:
    app = open_page("design", data=table, config=config)
    app.selectbox(key="design-1-corruption").set_value("masking").run()
    app.selectbox(key="design-1-activation").set_value("tanh").run()
    app.toggle(key="design-1-tied").set_value(True).run()
    app.number_input(key="design-1-epochs").set_value(4).run()
    layer = config_of(app).layers[0]
    assert (layer.corruption, layer.activation, layer.tied, layer.epochs) == ("masking", "tanh", True, 4)
    assert config_of(app).layers[1] == config.layers[1]
    press(app, "Use these settings for every level")
    assert [level.corruption for level in config_of(app).layers] == ["masking", "masking"]
    assert config_of(app).units == config.units


def test_a_setting_that_has_no_effect_is_disabled(open_page: OpenPage, table: Dataset, config: StackConfig) -> None:
    app = open_page("design", data=table, config=config)
    assert app.number_input(key="design-1-corruption_level").disabled
    app.selectbox(key="design-1-corruption").set_value("gaussian").run()
    assert not app.number_input(key="design-1-corruption_level").disabled


def test_a_standard_deviation_does_not_stay_as_a_share(open_page: OpenPage, table: Dataset) -> None:
    noisy = StackConfig(layers=[LayerConfig(units=3, corruption="gaussian", corruption_level=2.0)])
    app = open_page("design", data=table, config=noisy)
    app.selectbox(key="design-1-corruption").set_value("masking").run()
    assert (config_of(app).layers[0].corruption, config_of(app).layers[0].corruption_level) == ("masking", 0.25)


def test_what_cannot_be_is_said_and_changes_nothing(open_page: OpenPage, table: Dataset) -> None:
    masked = StackConfig(layers=[LayerConfig(units=3, corruption="masking")])
    app = open_page("design", data=table, config=masked)
    app.number_input(key="design-1-corruption_level").set_value(3.0).run()
    assert "share of the features" in seen(app)
    assert config_of(app) == masked


def test_a_level_that_is_no_bottleneck_is_warned_of(open_page: OpenPage, table: Dataset) -> None:
    app = open_page("design", data=table, config=StackConfig(layers=[24]))
    assert "not a bottleneck" in seen(app)


def test_a_stack_that_cannot_be_trained_is_said_so(open_page: OpenPage, table: Dataset) -> None:
    app = open_page("design", data=table, config=StackConfig(layers=[LayerConfig(units=3, sparsity="kl")]))
    assert "KL sparsity" in seen(app)


def test_a_configuration_file_round_trip(open_page: OpenPage, table: Dataset, config: StackConfig) -> None:
    app = open_page("design", data=table, config=StackConfig(layers=[2]))
    app.file_uploader(key="design-upload").set_value(
        ("stack.json", config.to_json().encode(), "application/json")
    ).run()
    assert config_of(app) == config


@pytest.mark.parametrize(
    "content", [b"", b"[1]", b'{"layers": []}', b'{"layers": [3], "epochs": NaN}', b"\xff\xfe", b"[" * 9_000]
)
def test_a_configuration_that_is_none_changes_nothing(
    open_page: OpenPage, table: Dataset, config: StackConfig, content: bytes
) -> None:
    app = open_page("design", data=table, config=config)
    app.file_uploader(key="design-upload").set_value(("stack.json", content, "application/json")).run()
    assert config_of(app) == config
    assert len(app.warning) >= 1
    assert not app.exception


def test_a_convolution_instead_of_a_dense_level(open_page: OpenPage, pictures: Dataset, config: StackConfig) -> None:
    app = open_page("design", data=pictures, config=config)
    kinds = [control.key for control in app.segmented_control if str(control.key).startswith("design-kind")]
    assert kinds == ["design-kind-1"]  # nothing can be convolutional above a dense level
    app.segmented_control(key="design-kind-1").set_value("convolution").run()
    assert config_of(app).units == (4 * 4 * 16, 3)
    app.select_slider(key="design-channels-1").set_value(4).run()
    app.select_slider(key="design-1-pooling").set_value(2).run()
    assert config_of(app).units == (2 * 2 * 4, 3)
    assert "2 × 2 × 4 = 16 values" in seen(app)
    app.segmented_control(key="design-kind-2").set_value("convolution").run()
    assert [layer.kind for layer in config_of(app).layers] == ["convolution", "convolution"]
    app.slider(key="design-levels").set_value(3).run()
    assert [layer.kind for layer in config_of(app).layers] == ["convolution", "convolution", "dense"]
    app.segmented_control(key="design-kind-1").set_value("dense").run()
    assert [layer.kind for layer in config_of(app).layers] == ["dense"] * 3
    assert not app.exception
    assert not app.error


def test_settings_of_a_convolution_are_its_own(open_page: OpenPage, pictures: Dataset) -> None:
    layers = [LayerConfig(kind="convolution", channels=2), LayerConfig(units=3)]
    app = open_page("design", data=pictures, config=StackConfig(layers=layers).fitted((8, 8, 1)))
    app.toggle(key="design-1-tied").set_value(True).run()
    press(app, "Use these settings for every level")
    assert [(layer.kind, layer.units, layer.tied) for layer in config_of(app).layers] == [
        ("convolution", 32, True),
        ("dense", 3, True),
    ]
    app.select_slider(key="design-1-kernel").set_value(1).run()
    assert "at least the stride" in seen(app)


def test_a_configuration_file_with_convolutions_needs_pictures(
    open_page: OpenPage, table: Dataset, config: StackConfig
) -> None:
    app = open_page("design", data=table, config=config)
    text = StackConfig(layers=[LayerConfig(kind="convolution"), 4]).to_json()
    app.file_uploader(key="design-upload").set_value(("stack.json", text.encode(), "application/json")).run()
    assert "needs pictures" in seen(app)
    assert config_of(app) == config


@pytest.mark.parametrize("kind", ["unlabelled", "pictures"])
def test_other_kinds_of_data(
    open_page: OpenPage, kind: str, config: StackConfig, request: pytest.FixtureRequest
) -> None:
    app = open_page("design", data=request.getfixturevalue(kind), config=config)
    assert not app.error
    assert not app.exception
