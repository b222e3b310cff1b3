"""What every blender keeps to: no seam, nothing changed that need not be, and the same again for the same input."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from blending.align import compose, scaling
from blending.blender import LIGHT, BlendingError, BlendSettings, Channels, Method, make_blender
from blending.mask import face_mask, footprint
from blending.patch import Image, Patch

METHODS: tuple[Method, ...] = get_args(Method)
CHANNELS: tuple[Channels, ...] = get_args(Channels)

every_method = pytest.mark.parametrize("method", METHODS)
every_kind = pytest.mark.parametrize(
    "settings",
    [BlendSettings(method=m, channels=c) for m in METHODS for c in CHANNELS],
    ids=lambda s: f"{s.method}-{s.channels}",
)


def texture(height: int, width: int, *, seed: int = 0, cell: int = 12) -> Image:
    """Smooth coloured noise between about 40 and 215."""
    coarse = np.random.default_rng(seed).integers(40, 216, (height // cell + 2, width // cell + 2, 3), np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def placed(*, angle: float = 0.0, scale: float = 1.0, x: float = 0.0, y: float = 0.0) -> npt.NDArray[np.float64]:
    turn = np.deg2rad(angle)
    c, s = np.cos(turn) * scale, np.sin(turn) * scale
    return np.array([[c, -s, x], [s, c, y]])


def cut(background: Image, to_frame: npt.NDArray[np.float64], size: int) -> Image:
    """What a `size` px patch would show if it had been cut from the background."""
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return np.asarray(
        cv2.warpAffine(background, to_frame, (size, size), flags=flags, borderMode=cv2.BORDER_REPLICATE), np.uint8
    )


def covered(shape: tuple[int, ...], patch: Patch) -> npt.NDArray[np.bool_]:
    """Where the patch's rectangle lies in a background."""
    x0, y0, x1, y1 = footprint(patch)
    mask = np.zeros(shape[:2], bool)
    mask[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)] = True
    return mask


def steepest(image: Image) -> float:
    """The largest step between neighbours."""
    values = image.astype(np.float64)
    return float(max(np.abs(np.diff(values, axis=0)).max(), np.abs(np.diff(values, axis=1)).max()))


@every_kind
@pytest.mark.parametrize("step", [-60, 40])
def test_a_patch_of_another_brightness_leaves_no_seam(settings: BlendSettings, step: int) -> None:
    ramp = np.linspace(70, 170, 260)[None, :, None] + np.zeros((240, 1, 3))
    background = np.rint(ramp).astype(np.uint8)
    to_frame = placed(angle=8, x=60.3, y=30.6)
    patch = Patch((cut(background, to_frame, 160).astype(int) + step).astype(np.uint8), to_frame)

    result = make_blender(settings).blend(background, [patch])

    # The background climbs by at most 1 level a pixel; pasted as it is the patch would make a step of `step` levels.
    assert steepest(background) == 1
    assert steepest(result) <= 2
    assert np.abs(result.astype(int) - background).max() <= 2


@pytest.mark.parametrize(("method", "limit"), [("multiband", 5), ("poisson", 2), ("feather", 8)])
def test_a_step_in_brightness_is_spread_even_without_color_match(method: Method, limit: int) -> None:
    background = np.full((240, 260, 3), 100, np.uint8)
    patch = Patch(np.full((160, 160, 3), 140, np.uint8), placed(angle=8, x=60.3, y=30.6))
    result = make_blender(BlendSettings(method=method, color_match=0.0)).blend(background, [patch])
    assert steepest(result) <= limit


@every_method
def test_light_stays_true_to_the_source_while_detail_comes_from_the_patch(method: Method) -> None:
    shade = np.linspace(60, 180, 300)[None, :, None] + np.zeros((300, 1, 3))
    background = shade.astype(np.uint8)
    stripes = np.where(np.arange(200) % 6 < 3, 25, -25)[:, None, None]
    to_frame = placed(x=50, y=50)
    patch = Patch((120 + stripes + np.zeros((200, 200, 3))).astype(np.uint8), to_frame)

    result = make_blender(BlendSettings(method=method)).blend(background, [patch]).astype(float)[100:196, 100:200]

    wanted = shade[0, 100:200, 0]
    assert np.abs(result.mean(axis=(0, 2)) - wanted).max() < 6
    assert result.std(axis=0).min() > 15


@every_kind
@pytest.mark.parametrize("scale", [0.4, 0.8, 1.0, 1.3, 2.5])
def test_a_patch_cut_from_the_background_changes_next_to_nothing(settings: BlendSettings, scale: float) -> None:
    background = np.asarray(cv2.GaussianBlur(texture(300, 320, cell=40), (0, 0), 3.0), np.uint8)
    size = int(180 / scale)
    to_frame = compose(placed(angle=-6, x=70.2, y=60.7), scaling(scale))
    result = make_blender(settings).blend(background, [Patch(cut(background, to_frame, size), to_frame)])
    # Two levels: one for each of the two interpolations, there and back.
    assert np.abs(result.astype(int) - background).max() <= 2


@every_kind
def test_outside_the_mask_every_pixel_is_the_backgrounds_own(settings: BlendSettings) -> None:
    background = texture(300, 320)
    patch = Patch(texture(160, 160, seed=1), placed(angle=15, x=90.4, y=50.9))
    result = make_blender(settings).blend(background, [patch])
    mask = cv2.warpAffine(face_mask(160, settings.feather)[..., 1].copy(), patch.to_frame, (320, 300))
    # Expanding from half size reaches two pixels out of a mask that is itself sampled at every other pixel.
    near = cv2.dilate(mask, np.ones((9, 9), np.uint8)) > 0
    assert np.array_equal(result[~near], background[~near])
    assert np.abs(result.astype(int) - background)[mask > 0.5].mean() > 10


@every_kind
def test_strength_0_gives_the_background_and_half_goes_half_the_way(settings: BlendSettings) -> None:
    background, patch = texture(200, 200), Patch(texture(120, 120, seed=1), placed(x=40, y=40))
    blender = make_blender(settings)
    none, half, whole = (blender.blend(background, [replace(patch, strength=s)]).astype(int) for s in (0.0, 0.5, 1.0))
    assert np.array_equal(none, background)
    assert np.abs(2 * half - whole - background).max() <= 3


@every_kind
def test_input_is_not_written_and_the_same_comes_out_again(settings: BlendSettings) -> None:
    background = texture(200, 200)
    patches = [Patch(texture(120, 120, seed=s), placed(x=30.0 * s, y=20.0 * s)) for s in (1, 2)]
    background.flags.writeable = False
    for patch in patches:
        patch.image.flags.writeable = False
    first, second = (make_blender(settings).blend(background, patches) for _ in range(2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, background)


@every_method
@pytest.mark.parametrize(("x", "y"), [(-80, 40), (150, 40), (40, -70), (40, 160), (-80, -70), (150, 160)])
def test_a_face_partly_outside_is_laid_on_up_to_the_edge(method: Method, x: float, y: float) -> None:
    """The frame is a window: what it shows is what a larger frame shows there."""
    large = texture(480, 480, cell=60)
    patch = Patch(texture(140, 140, seed=3), placed(x=140 + x, y=140 + y))
    window = np.ascontiguousarray(large[140:340, 140:340])
    blender = make_blender(BlendSettings(method=method))
    inside = blender.blend(large, [patch])[140:340, 140:340].astype(int)
    clipped = blender.blend(window, [patch.shifted(-140, -140)]).astype(int)
    assert np.abs(clipped - window).max() > 20
    # Not equal: beyond the edge the background is guessed.
    assert np.abs(clipped - inside).mean() < 1


@every_method
def test_patches_wholly_outside_or_far_larger_than_the_frame(method: Method) -> None:
    background = texture(60, 80)
    blender = make_blender(BlendSettings(method=method))
    outside = Patch(texture(64, 64, seed=1), placed(x=500, y=20))
    assert np.array_equal(blender.blend(background, [outside]), background)
    huge = Patch(texture(64, 64, seed=1), placed(scale=60.0, x=-1900, y=-1900))
    assert blender.blend(background, [huge]).shape == background.shape
    vast = Patch(huge.image, placed(scale=1e5, x=-3e6, y=-3e6))
    small = Patch(huge.image, placed(x=5, y=-5))
    assert np.array_equal(blender.blend(background, [vast, small]), blender.blend(background, [small, vast]))


@every_method
@pytest.mark.parametrize("size", [1, 2, 3, 9])
def test_the_smallest_patches_do_no_harm(method: Method, size: int) -> None:
    background = texture(40, 40)
    for scale in (0.2, 1.0, 3.0):
        patch = Patch(texture(size, size, seed=1), placed(scale=scale, x=12, y=12))
        result = make_blender(BlendSettings(method=method)).blend(background, [patch])
        assert np.array_equal(result[~covered(result.shape, patch)], background[~covered(result.shape, patch)])


def test_a_shrunk_patch_does_not_alias() -> None:
    """Stripes finer than the result can hold turn grey; sampled without averaging they would beat."""
    background = np.full((160, 160, 3), 128, np.uint8)
    stripes = np.where(np.arange(400) % 3 < 1, 255, 64).astype(np.uint8)
    patch = Patch(
        np.ascontiguousarray(np.broadcast_to(stripes[None, :, None], (400, 400, 3))), placed(scale=0.3, x=20, y=20)
    )
    sampled = cv2.warpAffine(patch.image, patch.to_frame, (160, 160))[60:100, 60:100]
    result = make_blender(BlendSettings(color_match=0.0)).blend(background, [patch])[60:100, 60:100]
    assert sampled.std() > 60
    assert result.std() < sampled.std() / 5


@pytest.mark.parametrize("scale", [0.5, 1.0, 1.49, 1.51, 3.0])
def test_patches_land_where_their_map_says(scale: float) -> None:
    """The centroid of a spot in the patch is found at its place in the frame, to a tenth of a pixel."""
    size = int(240 / scale)
    y, x = np.mgrid[:size, :size]
    spot = (0.55 * size, 0.42 * size)
    image = 40 + 200 * np.exp(-((x - spot[0]) ** 2 + (y - spot[1]) ** 2) / (2 * (size / 40) ** 2))
    patch = Patch(
        np.repeat(np.rint(image).astype(np.uint8)[..., None], 3, axis=2), placed(angle=10, scale=scale, x=70.3, y=20.8)
    )
    result = make_blender(BlendSettings(color_match=0.0, method="feather")).blend(
        np.full((300, 340, 3), 40, np.uint8), [patch]
    )
    excess = result[..., 0].astype(float) - 40
    excess[excess < 60] = 0
    rows, columns = np.indices(excess.shape)
    found = np.array([(columns * excess).sum(), (rows * excess).sum()]) / excess.sum()
    assert np.abs(found - (patch.to_frame[:, :2] @ spot + patch.to_frame[:, 2])).max() < 0.1


def test_luma_alone_leaves_color_as_it_was() -> None:
    background, patch = texture(200, 200), Patch(texture(140, 140, seed=1), placed(x=30, y=30))
    result = make_blender(BlendSettings(channels="luma")).blend(background, [patch])
    inner = (slice(70, 130), slice(70, 130))
    unclipped = (result[inner].min(axis=2) > 0) & (result[inner].max(axis=2) < 255)
    shift = (result.astype(int) - background)[inner][unclipped]
    assert np.abs(shift).max() > 20
    assert np.abs(shift - shift[:, :1]).max() <= 1


@every_method
def test_overlapping_faces_do_not_show_through_each_other(method: Method) -> None:
    """Two faces, one of vertical stripes and one of horizontal: in the heart of each only its own are seen."""
    background = np.full((260, 360, 3), 128, np.uint8)
    across = np.where(np.arange(200) % 8 < 4, 178, 78).astype(np.uint8)
    upright = np.ascontiguousarray(np.broadcast_to(across[None, :, None], (200, 200, 3)))
    level = np.ascontiguousarray(np.broadcast_to(across[:, None, None], (200, 200, 3)))
    patches = [Patch(upright, placed(x=20, y=30)), Patch(level, placed(x=140, y=30))]
    result = make_blender(BlendSettings(method=method)).blend(background, patches).astype(float)[..., 0]
    left, right = result[90:170, 80:144], result[90:170, 216:280]
    assert left.std(axis=1).mean() > 20 > 5 > left.std(axis=0).mean()
    assert right.std(axis=0).mean() > 20 > 5 > right.std(axis=1).mean()


@every_method
def test_the_order_of_patches_and_a_hair_of_size_do_not_matter(method: Method) -> None:
    """Who is in front must not flip from frame to frame while two faces of one size overlap."""
    background = texture(260, 360)
    blender = make_blender(BlendSettings(method=method))
    left = Patch(texture(200, 200, seed=1), placed(x=20, y=30))
    right = Patch(texture(200, 200, seed=2), placed(x=120, y=30))
    wider = Patch(right.image, placed(x=120, y=30, scale=1.002))
    first = blender.blend(background, [left, right]).astype(int)
    assert np.abs(first - blender.blend(background, [right, left])).max() <= 1
    assert np.abs(first - blender.blend(background, [left, wider])).mean() < 0.5


@every_method
def test_a_patch_of_strength_0_still_keeps_its_face_from_its_neighbour(method: Method) -> None:
    background = np.full((260, 360, 3), 128, np.uint8)
    still = Patch(texture(200, 200, seed=1), placed(x=20, y=30), strength=0.0)
    beside = Patch(texture(200, 200, seed=2), placed(x=120, y=30))
    change = np.abs(make_blender(BlendSettings(method=method)).blend(background, [still, beside]).astype(int) - 128)
    assert change[110:150, 100:130].mean() < 4 < 15 < change[110:150, 200:240].mean()


def test_the_result_glides_with_the_patch() -> None:
    """No pumping: moved by a tenth of a pixel at a time, a patch of other light changes the face's mean by under 0.2
    levels."""
    background = texture(240, 260, cell=30)
    image = np.clip(texture(160, 160, seed=4).astype(int) + 25, 0, 255).astype(np.uint8)
    blender = make_blender(BlendSettings())
    means = [
        blender.blend(background, [Patch(image, placed(angle=3, x=40 + i / 10, y=40 + i / 10))])[90:150, 90:150].mean()
        for i in range(20)
    ]
    assert np.abs(np.diff(means)).max() < 0.2


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"method": "alpha"}, "method is one of multiband, poisson, feather, not 'alpha'"),
        ({"channels": "yuv"}, "channels is one of rgb, luma, not 'yuv'"),
        ({"color_match": 1.1}, "color_match lies between 0 and 1, not 1.1"),
        ({"color_match": float("nan")}, "color_match lies between 0 and 1, not nan"),
        ({"feather": 0.0}, "feather lies above 0 and up to 1, not 0.0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(BlendingError, match=message.replace(".", r"\.")):
        replace(BlendSettings(), **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(10,), (10, 10, 1), (10, 10, 4)])
def test_a_background_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(BlendingError, match="a background is"):
        make_blender(BlendSettings()).blend(np.zeros(shape, np.uint8), [])


def test_a_patch_of_another_kind_than_the_background_is_refused() -> None:
    patch = Patch(np.zeros((8, 8, 3), np.uint8), placed())
    with pytest.raises(BlendingError, match="can't be laid on"):
        make_blender(BlendSettings()).blend(np.zeros((10, 10), np.uint8), [patch])


@every_method
def test_planes_are_blended_as_a_picture_is(method: Method) -> None:
    """Every method is linear in each channel, so one, two and three of them come out alike."""
    background, patch = texture(200, 200), Patch(texture(140, 140, seed=1), placed(angle=8, x=40, y=25))
    blender = make_blender(BlendSettings(method))
    whole = blender.blend(background, [patch])
    luma = blender.blend(np.ascontiguousarray(background[..., 0]), [replace(patch, image=patch.image[..., 0].copy())])
    pair = blender.blend(np.ascontiguousarray(background[..., 1:]), [replace(patch, image=patch.image[..., 1:].copy())])
    # OpenCV's warp rounds differently where it has fewer channels to do.
    assert np.abs(np.dstack([luma, pair]).astype(int) - whole).max() <= 2
    assert np.abs(np.dstack([luma, pair]).astype(int) - whole).mean() < 0.02


def test_luma_alone_leaves_color_differences_as_they_are() -> None:
    background, patch = texture(200, 200)[..., :2].copy(), Patch(texture(140, 140)[..., :2].copy(), placed(x=30, y=30))
    assert np.array_equal(make_blender(BlendSettings(channels="luma")).blend(background, [patch]), background)


def test_the_light_blender_feathers() -> None:
    """The short way for plain feathering agrees with the long one, which splits the picture into octaves."""
    background, patch = (
        texture(200, 200)[..., 0].copy(),
        Patch(texture(140, 140, seed=1)[..., 0].copy(), placed(x=30, y=30)),
    )
    light = make_blender(LIGHT).blend(background, [patch])
    long = make_blender(replace(LIGHT, color_match=1e-9)).blend(background, [patch])
    assert np.abs(light.astype(int) - background).max() > 30
    assert np.abs(light.astype(int) - long).max() <= 6
    assert np.abs(light.astype(int) - long).mean() < 0.2
    assert np.array_equal(light[~covered(light.shape, patch)], background[~covered(light.shape, patch)])
