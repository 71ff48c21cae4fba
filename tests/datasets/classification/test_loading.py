"""Loading and cropping at once, beside mmpretrain's two transforms, on every kind of file."""
import io
import zipfile

import cv2
import mmkd  # noqa: F401
import numpy as np
import pytest
from mmcv.transforms import LoadImageFromFile
from mmpretrain.datasets import transforms
from PIL import Image
from sklearn.datasets import load_sample_images

from mmkd.datasets.classification.loading import LoadRandomResizedCrop

CROP = dict(scale=32, interpolation='bicubic', backend='pillow')
FACE = load_sample_images().images[0]


def picture(size=(300, 200)):
    return Image.fromarray(FACE).resize(size, Image.LANCZOS)


def encoded(image, kind='JPEG', **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def turned(image, orientation, **options):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(image, exif=exif, **options)


def outcome(steps, path, seed=0):
    """What comes out, keys and random numbers afterwards included, or the error."""
    np.random.seed(seed)
    results = dict(img_path=str(path), gt_label=3)
    try:
        for step in steps:
            results = step(results)
    except Exception as error:
        return type(error), str(error)
    if results is None:
        return None
    image = results.pop('img')
    return image.dtype, image.tolist(), dict(results), np.random.rand()


def both(path, **options):
    """The new transform and mmpretrain's two."""
    ours = LoadRandomResizedCrop(**CROP | options)
    return ([outcome([ours], path, seed) for seed in range(3)],
            [outcome([LoadImageFromFile(), transforms.RandomResizedCrop(**CROP)], path, seed) for seed in range(3)])


FILES = {
    'photo.jpg': lambda: encoded(picture()), 'large.jpg': lambda: encoded(picture((900, 700))),
    'grey.jpg': lambda: encoded(picture().convert('L')), 'cmyk.jpg': lambda: encoded(picture().convert('CMYK')),
    'progressive.jpg': lambda: encoded(picture(), progressive=True), 'tiny.jpg': lambda: encoded(picture((1, 1))),
    'narrow.jpg': lambda: encoded(picture((400, 3))), 'photo.png': lambda: encoded(picture(), 'PNG'),
    'palette.png': lambda: encoded(picture().convert('P'), 'PNG'),
    'clear.png': lambda: encoded(picture().convert('RGBA'), 'PNG'),
    '16bit.png': lambda: cv2.imencode('.png', FACE[:200, :300].astype(np.uint16) * 257)[1].tobytes(),
    'photo.webp': lambda: encoded(picture(), 'WEBP'), 'photo.gif': lambda: encoded(picture(), 'GIF'),
    'photo.bmp': lambda: encoded(picture(), 'BMP'), 'empty.jpg': lambda: b'', 'text.jpg': lambda: b'no picture' * 100,
    'head.jpg': lambda: encoded(picture())[:100], 'cut.jpg': lambda: encoded(picture())[:4000],
    'noise.jpg': lambda: encoded(picture())[:600] + bytes(range(256)) * 20,
    'mislabelled.jpg': lambda: encoded(picture(), 'PNG'),
    **{f'turned{number}.jpg': lambda number=number: turned(picture(), number) for number in range(9)},
    'no_exif.jpg': lambda: turned(picture(), 6).replace(b'Exif\0\0', b'Exif\0\0\0\0\0\0'),
}


@pytest.mark.parametrize('name', FILES)
def test_same_image_or_same_error(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(FILES[name]())
    ours, theirs = both(path, reducing_gap=None)
    assert ours == theirs
    assert ours[0][0] == np.uint8 or name in ('empty.jpg', 'text.jpg', 'head.jpg', 'cut.jpg', 'noise.jpg', 'photo.gif')
    if not name.endswith('.jpg') or name == 'mislabelled.jpg':
        assert both(path)[0] == theirs


def test_missing_file_fails_as_ever(tmp_path):
    ours, theirs = both(tmp_path / 'missing.jpg')
    assert ours == theirs and ours[0][0] is FileNotFoundError
    assert outcome([LoadRandomResizedCrop(ignore_empty=True, **CROP)], tmp_path / 'missing.jpg') is None


@pytest.mark.parametrize('form', [
    dict(), dict(progressive=True), dict(subsampling=0), dict(quality=60), 'grey', 'cmyk', *range(2, 9)])
def test_large_photographs_are_decoded_small(tmp_path, form, monkeypatch):
    image = picture((1601, 1203))
    if isinstance(form, int):
        content = turned(image, form)
    elif isinstance(form, str):
        content = encoded(image.convert(dict(grey='L', cmyk='CMYK')[form]))
    else:
        content = encoded(image, **form)
    path = tmp_path / 'large.jpg'
    path.write_bytes(content)
    flags = []
    decode = cv2.imdecode
    monkeypatch.setattr(cv2, 'imdecode', lambda content, flag: flags.append(flag) or decode(content, flag))
    ours = [outcome([LoadRandomResizedCrop(**CROP | dict(scale=64))], path, seed) for seed in range(3)]
    reduced = [flag for flag in flags if flag in (cv2.IMREAD_REDUCED_COLOR_8, cv2.IMREAD_REDUCED_COLOR_4)]
    assert len(reduced) == len(flags) == 3, 'no picture is decoded twice'
    for seed, (_, values, keys, after) in enumerate(ours):
        _, theirs, expected, wanted = outcome([LoadImageFromFile(), transforms.RandomResizedCrop(**CROP | dict(
            scale=64))], path, seed)
        difference = np.abs(np.array(values) - np.array(theirs))
        assert keys == expected and after == wanted
        assert difference.mean() < 2 and np.quantile(difference, 0.99) < 12


def test_a_large_photograph_cut_off_is_an_error_as_ever(tmp_path):
    content = encoded(picture((1600, 1200)))
    for share in (0.1, 0.5, 0.99):
        path = tmp_path / f'{share}.jpg'
        path.write_bytes(content[:int(len(content) * share)])
        ours, theirs = both(path)
        assert ours == theirs


@pytest.mark.parametrize('orientation', range(1, 9))
def test_crops_follow_sharp_edges(tmp_path, orientation):
    """A shift of half a small pixel, which smooth pictures hide, shows at an edge; sizes are not divisible."""
    image = np.zeros((1025, 1027, 3), np.uint8)
    image[300:, 500:] = 255
    path = tmp_path / 'edge.jpg'
    path.write_bytes(turned(Image.fromarray(image), orientation, quality=100, subsampling=0))
    for seed in range(6):
        sides = []
        for steps in ([LoadRandomResizedCrop(**CROP)], [LoadImageFromFile(), transforms.RandomResizedCrop(**CROP)]):
            np.random.seed(seed)
            results = dict(img_path=str(path))
            for step in steps:
                results = step(results)
            light = results['img'][..., 1] / 255
            sides.append((light.max(0).sum(), light.max(1).sum()))
        assert np.abs(np.subtract(*sides)).max() < 0.15


def test_archives_and_backends(tmp_path):
    with zipfile.ZipFile(tmp_path / 'photos.zip', 'w') as archive:
        archive.writestr('a/photo.jpg', FILES['photo.jpg']())
    (tmp_path / 'photo.jpg').write_bytes(FILES['photo.jpg']())
    inside = outcome([LoadRandomResizedCrop(**CROP)], f'archive://{tmp_path}/photos.zip/a/photo.jpg')
    outside = outcome([LoadRandomResizedCrop(**CROP, backend_args=dict(backend='local'))], tmp_path / 'photo.jpg')
    assert inside[1] == outside[1]


@pytest.mark.parametrize(('options', 'message'), [
    (dict(backend='cv2'), 'does not smooth'), (dict(reducing_gap=0.5), 'at least 1, got 0.5'),
    (dict(backend='torch', interpolation='lanczos'), "bilinear or bicubic, got 'lanczos'")])
def test_bad_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        LoadRandomResizedCrop(**CROP | options)


def test_its_text_names_its_options():
    text = repr(LoadRandomResizedCrop(**CROP, reducing_gap=3.))
    assert 'reducing_gap=3.0' in text and 'LoadImageFromFile(ignore_empty=False' in text
