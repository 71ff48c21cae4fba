import mmkd
import torch

from mmkd.utils.versions import installed_versions, usable_cores


def test_versions():
    versions = installed_versions()
    assert list(versions) == ['python', 'torch', 'mmengine', 'mmcv', 'mmdet', 'mmseg', 'mmpretrain', 'mmkd']
    assert versions['torch'].split('+')[0] == torch.__version__.split('+')[0]
    assert versions['mmkd'] == mmkd.__version__
    assert all(version[0].isdigit() for version in versions.values())


def test_cores():
    assert usable_cores() >= 1
