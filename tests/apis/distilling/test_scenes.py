"""A detector by the config of a data set."""
import mmkd
import pytest

from mmkd.utils import UserError

STUDENT = dict(config='quickstart/mask-rcnn_convnest-mini_digits.py')


@pytest.mark.slow
def test_a_detector(home, tmp_path, monkeypatch):
    pytest.importorskip('mmdet')
    pytest.importorskip('pycocotools')
    monkeypatch.chdir(home)
    result = mmkd.distill(
        STUDENT, dict(config='quickstart/mask-rcnn_convnest-wide_digits.py'),
        'quickstart/_base_/datasets/digits_coco.py', 'fd', 1, out=tmp_path / 'out', size=96, progress=False)
    assert 'coco/bbox_mAP' in result.metrics and result.metrics['epoch'] == 1
    assert "default_scope = 'mmdet'" in result.paths['config'].read_text()


def test_a_config_without_data(tmp_path):
    with pytest.raises(UserError, match='the config of a data set with train_dataloader, got convnest-atto.py'):
        (tmp_path / 'convnest-atto.py').write_text("metainfo = dict(classes=('a', ))")
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(tmp_path)
            mmkd.distill(STUDENT, STUDENT, 'convnest-atto.py', 'fd', out=tmp_path / 'out')
