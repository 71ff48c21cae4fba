"""Lists of images: what is wrong, with file and line."""
import pytest
from mmengine.config import Config

from mmkd.datasets.annotation_lists import list_problems
from mmkd.datasets.configured import check_data_exists
from mmkd.utils import UserError


@pytest.mark.parametrize(('text', 'line', 'part'), [
    ('a.jpg 0\nb.jpg 3\n', 2, "from 0 to 2, got 'b.jpg 3'"),
    ('a.jpg 0\nb.jpg -1\n', 2, "from 0 to 2, got 'b.jpg -1'"),
    ('a.jpg 0\n\nb.jpg 1\n', 2, 'the line is blank'),
    ('a.jpg 0\n\n', 2, 'the line is blank'),
    ('a.jpg\t0\n', 1, 'a tab between'),
    ('my dir/a.jpg\t0\n', 1, 'a tab between'),
    ('a.jpg,0\n', 1, 'a comma between'),
    ('a.jpg, 0\n', 1, "',' between"),
    ('a.jpg;0\n', 1, 'a semicolon between'),
    ('a.jpg 0\nb.jpg  1\n', 2, 'more white space'),
    ('a.jpg 0\nb.jpg\n', 2, "got 'b.jpg'"),
    ('a.jpg cat\n', 1, "got 'a.jpg cat'"),
    ('a.jpg 1_0\n', 1, 'got'),
    ('a.jpg 1.0\n', 1, 'got'),
    ('', 1, 'the list is empty'),
    ('\n \n', 1, 'the list is empty'),
    ('\ufeffa.jpg 0\n', 1, 'a byte order mark'),
])
def test_what_is_wrong_with_a_line(text, line, part):
    [(number, problem), *_] = list_problems(text, 3)
    assert number == line and part in problem, problem


@pytest.mark.parametrize('text', ['a.jpg 0', 'a.jpg 0\r\nb b/c, d.jpg 2\r\n', 'ä.jpg 1\n'])
def test_good_lists(text):
    assert list(list_problems(text, 3)) == []


@pytest.fixture
def check(tmp_path):
    """Checks a config whose list has the given text, and whose images are 0.jpg to 2.jpg."""
    (tmp_path / 'train').mkdir()
    (tmp_path / 'meta').mkdir()
    for i in range(3):
        (tmp_path / f'train/{i}.jpg').touch()

    def _check(text: str, **dataset) -> str:
        (tmp_path / 'meta/train.txt').write_text(text)
        dataset = dict(data_root=str(tmp_path), **dataset)
        try:
            check_data_exists(Config(dict(train_dataloader=dict(dataset=dict(
                type='RepeatDataset', times=2, dataset=dataset)))), ('train', ))
        except UserError as error:
            return str(error).replace(str(tmp_path), '.')
        return ''

    return _check


@pytest.mark.parametrize('dataset', [
    dict(type='CustomDataset', data_prefix='train', ann_file='meta/train.txt'),
    dict(type='mmpretrain.CustomDataset', data_prefix=dict(img_path='train'), ann_file='meta/train.txt'),
    dict(type='ImageNet', split='train')])
def test_lists_of_a_config(check, dataset):
    assert check('0.jpg 0\n2.jpg 1\n', **dataset) == ''
    problem = check('0.jpg 0\n2.jpg\t1\n', **dataset)
    assert problem.startswith('train_dataloader.dataset.dataset: ./meta/train.txt, line 2: expects a path, one space')
    assert './meta/train.txt, line 2: expects the image ./train/5.jpg, which does not' in check('0.jpg 0\n5.jpg 1\n',
                                                                                                **dataset)


def test_classes_that_the_config_names(check):
    own = dict(type='CustomDataset', data_prefix='train', ann_file='meta/train.txt')
    assert 'line 2: expects a path, one space and a class from 0 to 1' in check(
        '0.jpg 0\n2.jpg 2\n', metainfo=dict(classes=['a', 'b']), **own)
    assert check('0.jpg\n2.jpg\n', with_label=False, **own) == ''
    assert check('anything', type='Own', ann_file='meta/train.txt') == ''


def test_folders_that_are_not_as_many_as_the_classes(tmp_path):
    """On which mmpretrain stops with an assertion."""
    def check(classes: object, kind: str = 'CustomDataset') -> None:
        check_data_exists(Config(dict(val_dataloader=dict(dataset=dict(
            type=kind, data_prefix=str(tmp_path), **(dict(metainfo=dict(classes=classes)) if classes else {}))))),
            ('val', ))

    for name in ('cat', 'dog', '.ipynb_checkpoints'):
        (tmp_path / name).mkdir()
    (tmp_path / 'cat' / '1.png').touch()
    check(None)
    check(('x', 'cat', 'dog'))
    with pytest.raises(UserError, match=r'val_dataloader.dataset expects one folder for each of 2 classes in .*, got 3,'
                                        ' among them .ipynb_checkpoints, which no class'):
        check(['cat', 'dog'])
    with pytest.raises(UserError, match='each of 4 classes in .*, got 3'):
        check(list('abcd'))
    with pytest.raises(UserError, match='each of 1000 classes'):
        check(None, 'ImageNet')
