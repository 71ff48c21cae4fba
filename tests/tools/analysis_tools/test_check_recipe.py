"""The pre-flight of a recipe: what is wrong is found, one by one, and said in plain words."""
import logging
import re

import pytest

from mmkd.utils.configs.finding import config_root

from ..conftest import CONVNEST, SLAK, call

TOOL = 'analysis_tools/check_recipe.py'
NAMES = ['files', 'models', 'weights', 'data', 'images', 'classes', 'splits', 'label order', 'term weights',
         'training step', 'cost']
SMALL = ['--batches', '1', '--device', 'cpu', '--cfg-options', 'train_dataloader.batch_size=10']
TRAIN = 'train_dataloader.dataset.dataset'


@pytest.fixture(autouse=True)
def restore_logging():
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def check(workplace, capsys):
    """Runs the tool; returns its exit status, and the lines of each level."""

    def _check(config: str, *options: str) -> tuple[int, dict[str, list[str]]]:
        before = sorted(workplace.rglob('*'))
        status = call(TOOL, config, *SMALL, *options, cwd=workplace)
        assert sorted(workplace.rglob('*')) == before
        *lines, summary = capsys.readouterr().out.splitlines()
        found = {level: [line.removeprefix(level).strip() for line in lines if line.startswith(f'{level} ')]
                 for level in ('ok', 'warning', 'error')}
        assert sum(map(len, found.values())) == len(lines)
        assert summary == f'{config}: errors: {len(found["error"])}, warnings: {len(found["warning"])}'
        assert status == bool(found['error'])
        return status, found

    return _check


def only_error(found: dict, pattern: str) -> None:
    assert len(found['error']) == 1 and re.search(pattern, found['error'][0]), found


def test_a_good_recipe(check):
    status, found = check('recipe.py')
    assert (status, found['warning'], found['error']) == (0, [], [])
    text = '\n'.join(found['ok'])
    assert list(dict.fromkeys(next(name for name in NAMES if line.startswith(name)) for line in found['ok'])) == NAMES
    assert re.search(r'weights +teacher ImageClassifier from teacher/epoch_4.pth: (\d+) of \1 tensors matched', text)
    assert '100 images in 10 batches, of which 1 were loaded' in text
    assert re.search(r'classes: train data 10, val data 10, student 10, teacher 10', text)
    assert int(re.search(r'the teacher classifies (\d+) of 64', text).group(1)) > 15
    terms = re.findall(r'loss_(\w+) (\d+\.\d+) × 1 = (\d+\.\d+)', text)
    assert [name for name, _, _ in terms] == ['nkd', 'fd'] and all(one == other for _, one, other in terms)
    assert re.search(r'a step of 10 images', text) and '100 iterations takes about' in text
    assert re.search(r'memory: [\d.]+ MiB counted', text)


def test_a_plain_config(check):
    status, found = check(CONVNEST)
    assert (status, found['warning']) == (0, [])
    assert not any('teacher' in line or 'term' in line for line in found['ok'])


def test_a_student_and_a_model_with_weights(check, plain_run):
    _, found = check('recipe.py', 'model.student.checkpoint=plain/epoch_4.pth')
    assert any(re.search(r'the student classifies \d+ of 64', line) for line in found['ok'] + found['warning'])
    _, found = check(SLAK, 'load_from=teacher/epoch_4.pth', 'train_dataloader.batch_size=10')
    assert any(re.search(r'weights +load_from=teacher/epoch_4.pth: (\d+) of \1 tensors', line) for line in found['ok'])
    assert any(re.search(r'the model classifies (\d+) of 64', line) for line in found['ok'])


def test_layers_that_start_at_zero_are_no_fault(check, tmp_path):
    config = tmp_path / 'zero.py'
    config.write_text(f"_base_ = '{config_root()}/{CONVNEST}'\nmodel = dict(_delete_=True, type='ImageClassifier', "
                      "backbone=dict(type='ResNet', depth=18, base_channels=4, stem_channels=4, out_indices=(3, ), "
                      "zero_init_residual=True), neck=dict(type='GlobalAveragePooling'), "
                      "head=dict(type='LinearClsHead', num_classes=10, in_channels=32))")
    status, found = check(str(config))
    assert (status, found['warning']) == (0, [])


def test_missing_data(check):
    _, found = check('recipe.py', f'{TRAIN}.data_root=nowhere')
    only_error(found, 'files +train_dataloader.* expects nowhere, which does not exist')
    assert re.search('not checked +images, labels, classes, splits, training step, cost: mend', found['warning'][0])
    assert any('label order' in line for line in found['ok'])


@pytest.mark.parametrize(('options', 'pattern'), [
    (['model.terms.fd.student=stage7'], "models .*no tap 'stage7'. Did you mean stage"),
    (['model.terms.nkd.loss.type=mmkd.NKDLos'], 'Did you mean mmkd.NKDLoss'),
    (['model.teacher.checkpoint=none.pth'], 'weights +the teacher gets no weights: .*existing file, got none.pth'),
    (['model.teacher.checkpoint=None'], r"the teacher has no weights .*Set teacher=dict\(…, checkpoint='…'\)"),
    (['model.terms.fd.weight.value=1', 'model.terms.fd.weight.stop=11'],
     "term weights +term 'fd': .* schedule within the 10 epochs .* up to 11"),
    (['model.terms.fd.weight.stop=500', 'model.terms.fd.weight.by_epoch=False'],
     "term weights +term 'fd': .* schedule within the 100 iterations .* up to 500"),
])
def test_a_mistake_in_the_model(check, options, pattern):
    only_error(check('recipe.py', *options)[1], pattern)


def test_too_few_classes(check):
    _, found = check(CONVNEST, 'model.head.num_classes=7')
    assert re.search('classes +classes: .*model 7; a label is [789], so the model needs', found['error'][0])
    assert re.search('data_preprocessor.num_classes is 10, but the model has 7 classes', found['error'][1])


@pytest.mark.parametrize(('rename', 'pattern'), [
    (lambda place, label: (label + 1) % 10, 'the teacher classifies .* its classes have another order'),
    (lambda place, label: place * 7919 % 10, 'the teacher classifies .* no more than by chance .*Check that its weig'),
])
def test_other_labels(check, workplace, tmp_path, rename, pattern):
    lines = [line.split() for line in (workplace / 'data/digits/meta/val.txt').read_text().splitlines()]
    # places in an order that has nothing to do with the labels
    places = {name: place for place, name in enumerate(sorted((name for name, _ in lines), key=lambda n: n[::-1]))}
    text = ''.join(f'{name} {rename(places[name], int(label))}\n' for name, label in lines)
    (tmp_path / 'other.txt').write_text(text)
    found = check('recipe.py', f'val_dataloader.dataset.ann_file={tmp_path}/other.txt', '--batches', '4')[1]
    assert any(re.search(pattern, line) for line in found['error'])
    moved = [line for line in found['error'] if 'is read from the listed folders as' in line]
    assert len(moved) == (rename(0, 3) == 4)


def test_weights_of_zero(check):
    _, found = check('recipe.py', 'model.terms.nkd.weight=0', 'model.task_weight=0')
    assert found['error'] == []
    assert any("no term reads the student's logits, so its classifier learns nothing" in line
               for line in found['warning'])
    assert any('(student.backbone' in line and 'gradient of zeros' in line for line in found['warning'])


def test_students_and_teachers_with_other_classes(check, workplace, tmp_path):
    config = tmp_path / 'classes.py'
    config.write_text(f"_base_ = '{workplace}/recipe.py'\n"
                      "model = dict(student=dict(options={'model.head.num_classes': 7}))")
    only_error(check(str(config))[1], 'models .*Give both models the same num_classes')


def test_a_pretrained_backbone_that_does_not_fit(check, tmp_path):
    config = tmp_path / 'pretrained.py'
    config.write_text(f"_base_ = '{config_root()}/{CONVNEST}'\nmodel = dict(backbone=dict(init_cfg=dict("
                      "_delete_=True, type='Pretrained', checkpoint='teacher/epoch_4.pth', prefix='backbone.')))")
    _, found = check(str(config))
    only_error(found, r'weights .*the model gets no weights: .*epoch_4.pth: \d+ of \d+ tensors matched; missing .* the '
                      'prefix of init_cfg')


def test_unreadable_config_and_flags(check, workplace, capsys):
    only_error(check('nothing.py')[1], 'config +config expects an existing file')
    assert call(TOOL, SLAK, '--batches', '0', cwd=workplace) == 2
    assert '--batches expects 1 or more' in capsys.readouterr().err


def test_validation_images_that_are_training_images(check):
    options = ['val_dataloader.dataset.data_prefix=train',
               'val_dataloader.dataset.ann_file=meta/train_5_per_class_seed0.txt']
    only_error(check('recipe.py', *options)[1], 'splits +50 val images were compared with 50 training images by path:'
               ' 50 coincide')


def test_a_test_set_of_its_own(check, workplace, tmp_path):
    lines = (workplace / 'data/digits/meta/val.txt').read_text().splitlines()
    text = ''.join(f'{name} {(int(label) + 1) % 10}\n' for name, label in map(str.split, lines))
    (tmp_path / 'moved.txt').write_text(text)
    only_error(check('recipe.py', f'test_dataloader.dataset.ann_file={tmp_path}/moved.txt')[1],
               'splits +test_dataloader: label 1 is read from the listed folders')
