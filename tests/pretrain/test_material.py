"""Where samples come from, as it will stand on the card."""

from kizu.pretrain.material import from_preset
from kizu.synth.formula import presets


def test_changes_to_a_preset_stand_on_the_card():
    changes = {"scene.pictures": "2", "scene.clean": "0.5"}
    preset = presets.load("lines")
    assert "changed" not in from_preset(preset, 64, 0, 2).data
    found = from_preset(preset.override(changes), 64, 0, 2, changes)
    assert found.data["changed"] == "scene.pictures=2, scene.clean=0.5"
    assert found.pictures == 2
