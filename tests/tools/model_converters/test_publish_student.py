"""Publishing students, and what mmpretrain, mmdet and mmseg make of the file."""
import hashlib
import re
import sys
from pathlib import Path

import pytest
import torch
from mmengine.registry import MODELS, init_default_scope
from mmengine.runner import load_checkpoint

from mmkd.utils.checkpoints.reading import read_checkpoint
from mmkd.utils.configs.finding import load_config

from ..conftest import CONVNEST, EPOCHS, call, spawn

TOOL = 'model_converters/publish_student.py'


def published(run: Path, out: Path, *flags: str) -> Path:
    """Publishes the last checkpoint of a run into an empty folder and returns the one file there."""
    assert call(TOOL, run / f'epoch_{EPOCHS}.pth', out / 'student.pth', *flags, cwd=run) == 0
    [file] = out.iterdir()
    return file


@pytest.fixture(scope='session')
def student(distilled_run, tmp_path_factory) -> Path:
    """The student of a distillation run, published."""
    return published(distilled_run, tmp_path_factory.mktemp('published'))


def trained(run: Path, key: str, prefix: str) -> dict:
    state = read_checkpoint(run / f'epoch_{EPOCHS}.pth')[key]
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def assert_holds(file: Path, expected: dict) -> None:
    checkpoint = torch.load(file, weights_only=True)
    assert set(checkpoint) == {'meta', 'state_dict'}
    assert checkpoint['state_dict'].keys() == expected.keys()
    assert all(torch.equal(value, expected[name]) for name, value in checkpoint['state_dict'].items())


def test_a_distilled_student_gets_plain_names(student, distilled_run):
    assert_holds(student, trained(distilled_run, 'state_dict', 'student.'))
    assert student.stat().st_size < (distilled_run / f'epoch_{EPOCHS}.pth').stat().st_size / 2.5  # no optimizer
    meta = torch.load(student, weights_only=True)['meta']
    assert meta['epoch'] == EPOCHS and len(meta['dataset_meta']['classes']) == 10


def test_the_name_carries_the_hash(student):
    digits = re.fullmatch(r'student-([0-9a-f]{8})\.pth', student.name).group(1)
    assert hashlib.sha256(student.read_bytes()).hexdigest().startswith(digits)


def test_a_plain_checkpoint_can_be_published_too(plain_run, tmp_path, capsys):
    assert_holds(published(plain_run, tmp_path), trained(plain_run, 'state_dict', ''))
    text = capsys.readouterr().out
    file = next(tmp_path.glob('*.pth'))
    assert 'checkpoint of a plain model, such as a teacher' in text and 'the raw weights are taken' in text
    assert f': 49 tensors, 0.8 MiB, sha256 {hashlib.sha256(file.read_bytes()).hexdigest()}' in text


def test_a_timm_students_backbone_for_mmdets_own_tools(tmp_path, capsys):
    timm = pytest.importorskip('timm')
    model = timm.create_model('resnet10t', num_classes=10)
    torch.save(dict(state_dict={f'student.model.{name}': value for name, value in model.state_dict().items()}, meta={}),
               tmp_path / 'epoch_1.pth')
    assert call(TOOL, 'epoch_1.pth', '--timm-backbone', 'resnet10t', cwd=tmp_path) == 0
    weights = torch.load(next(tmp_path.glob('student-*.pth')), weights_only=True)['state_dict']
    assert torch.equal(weights['timm_model.layer1.0.conv1.weight'], model.state_dict()['layer1.0.conv1.weight'])
    assert not [name for name in weights if 'fc' in name] and 'as TIMMBackbone of resnet10t' in capsys.readouterr().out
    assert call(TOOL, 'epoch_1.pth', '--timm-backbone', 'convnext_atto', cwd=tmp_path) == 2


@pytest.mark.parametrize(('flags', 'key', 'prefix'), [
    ([], 'state_dict', 'student.'), (['--raw'], 'ema_state_dict', 'module.student.')])
def test_the_average_or_the_weights_of_the_last_step(ema_run, tmp_path, flags, key, prefix):
    expected = trained(ema_run, key, prefix)
    assert_holds(published(ema_run, tmp_path, *flags), expected)
    other = trained(ema_run, *(('ema_state_dict', 'module.student.') if not flags else ('state_dict', 'student.')))
    assert not torch.equal(expected['head.fc.weight'], other['head.fc.weight'])


def test_loads_into_mmpretrain_strictly(student):
    init_default_scope('mmpretrain')
    model = MODELS.build(load_config(CONVNEST).model)
    load_checkpoint(model, str(student), strict=True)
    weights = torch.load(student, weights_only=True)['state_dict']
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize(('config', 'scope'), [
    ('mask-rcnn_convnest-mini-distilled_digits.py', 'mmdet'), ('upernet_convnest-mini-distilled_digits.py', 'mmseg')])
def test_its_backbone_goes_into_detectors_and_segmentors(student, config, scope):
    pytest.importorskip(f'{scope}.models')
    init_default_scope(scope)
    cfg = load_config(f'quickstart/{config}').model
    assert set(cfg.backbone.init_cfg) == {'type', 'checkpoint', 'prefix'}  # MMEngine's own, nothing of mmkd
    cfg.backbone.init_cfg.checkpoint = str(student)
    model = MODELS.build(cfg)
    model.init_weights()
    weights = torch.load(student, weights_only=True)['state_dict']
    own = model.backbone.state_dict()
    # The classifier normalises its last stage only; the norms of the other outputs start anew.
    fresh = {f'norm{stage}.{part}' for stage in (0, 1) for part in ('weight', 'bias')}
    assert own.keys() - fresh == {name.removeprefix('backbone.') for name in weights if name.startswith('backbone.')}
    assert all(torch.equal(own[name], weights[f'backbone.{name}']) for name in own.keys() - fresh)
    assert all(torch.equal(own[name], torch.full_like(own[name], name.endswith('weight'))) for name in fresh)


def test_a_timm_student_loads_into_timm_mmpretrain_and_mmkd(tmp_path):
    timm = pytest.importorskip('timm')
    init_default_scope('mmpretrain')
    spec = dict(timm='resnet10t', num_classes=10)
    logits = dict(kd=dict(loss=dict(type='mmkd.KDLoss'), student='logits', teacher='logits'))
    recipe = dict(type='mmkd.Distiller', student=spec, terms=logits, input_size=32)
    distiller = MODELS.build(dict(recipe, teacher=spec))
    torch.save(dict(state_dict=distiller.state_dict(), meta={}), tmp_path / f'epoch_{EPOCHS}.pth')
    file = published(tmp_path, tmp_path / 'out')
    weights = torch.load(file, weights_only=True)['state_dict']

    plain = timm.create_model('resnet10t', num_classes=10)
    plain.load_state_dict(weights)  # strict
    wrapped = MODELS.build(dict(type='TimmClassifier', model_name='resnet10t', num_classes=10))
    load_checkpoint(wrapped, str(file), strict=True)
    taught = MODELS.build(dict(recipe, student=dict(spec, checkpoint=str(file)), teacher=spec))
    inputs = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        expected = distiller.student.eval()(inputs)
        assert all(torch.equal(model.eval()(inputs), expected) for model in (plain, wrapped, taught.student))


def test_the_same_checkpoint_gives_the_same_file(student, distilled_run, tmp_path):
    """In another process, at another time, under another name."""
    result = spawn(TOOL, distilled_run / f'epoch_{EPOCHS}.pth', tmp_path / 'other.pth', cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    [file] = tmp_path.iterdir()
    assert file.read_bytes() == student.read_bytes() and file.stem[-8:] == student.stem[-8:]


@pytest.mark.parametrize(('validated', 'flags', 'key', 'prefix'), [
    ('raw', [], 'ema_state_dict', 'module.student.'), ('raw', ['--ema'], 'state_dict', 'student.'),
    ('both', [], 'state_dict', 'student.'), ('both', ['--raw'], 'ema_state_dict', 'module.student.')])
def test_what_was_validated_is_published_and_said(ema_run, tmp_path, capsys, validated, flags, key, prefix):
    checkpoint = read_checkpoint(ema_run / f'epoch_{EPOCHS}.pth')
    checkpoint['meta']['validated_weights'] = validated
    torch.save(checkpoint, tmp_path / f'epoch_{EPOCHS}.pth')
    assert_holds(published(tmp_path, tmp_path / 'out', *flags), trained(ema_run, key, prefix))
    said = 'the raw weights are taken' if key == 'ema_state_dict' else 'the averaged (EMA) weights are taken'
    assert said in capsys.readouterr().out


def test_weights_are_chosen_by_the_name_as_by_the_flags(tmp_path, capsys):
    state = dict(raw={'student.w': torch.ones(3)}, ema={'student.w': torch.zeros(3)})
    torch.save(dict(state_dict=state['raw'], state_dict_ema=state['ema']), tmp_path / 'both.pth')
    torch.save(dict(state_dict=state['raw']), tmp_path / 'one.pth')
    for source, kind in (('both.pth#raw', 'raw'), ('both.pth#ema', 'ema'), ('one.pth#raw', 'raw')):
        out = tmp_path / source.replace('#', '-')
        assert call(TOOL, source, f'{out}/a.pth', cwd=tmp_path) == 0
        [file] = out.iterdir()
        assert_holds(file, {'w': state[kind]['student.w']})
    assert call(TOOL, 'one.pth#ema', cwd=tmp_path) == 2 and 'has only the raw weights' in capsys.readouterr().err


def test_a_folder_gets_the_file_under_the_name_of_its_checkpoint(tmp_path):
    torch.save(dict(state_dict={'student.w': torch.ones(3)}), tmp_path / 'epoch_3.pth')
    (tmp_path / 'there').mkdir()
    for folder in ('there', 'new/'):
        assert call(TOOL, 'epoch_3.pth', folder, cwd=tmp_path) == 0
        [file] = (tmp_path / folder).iterdir()
        assert re.fullmatch(r'epoch_3-[0-9a-f]{8}\.pth', file.name)
    assert {path.name for path in tmp_path.iterdir()} == {'epoch_3.pth', 'there', 'new'}


@pytest.mark.parametrize('value', [float('nan'), float('inf')])
def test_weights_that_are_not_finite_are_not_published(distilled_run, tmp_path, capsys, value):
    checkpoint = read_checkpoint(distilled_run / f'epoch_{EPOCHS}.pth')
    checkpoint['state_dict']['student.head.fc.bias'][3] = value
    torch.save(checkpoint, tmp_path / 'diverged.pth')
    assert call(TOOL, 'diverged.pth', 'out/student.pth', cwd=tmp_path) == 2
    assert re.fullmatch('error: diverged.pth expects finite weights, got .*head.fc.bias.*\n', capsys.readouterr().err)
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize(('flags', 'message'), [
    (['--raw'], '--raw expects a checkpoint with EMA'), ([], 'cannot write .*taken/student-')])
def test_mistakes_leave_nothing_behind(distilled_run, tmp_path, capsys, flags, message):
    (tmp_path / 'taken').write_text('a file where a folder is wanted')
    source = distilled_run / f'epoch_{EPOCHS}.pth'
    assert call(TOOL, source, tmp_path / 'taken/student.pth', *flags, cwd=tmp_path) == 2
    assert re.fullmatch(f'error: .*{message}.*\n', capsys.readouterr().err)
    assert [path.name for path in tmp_path.iterdir()] == ['taken']


@pytest.mark.skipif(sys.platform == 'win32', reason='needs a limit on the size of files')
def test_a_full_disk_leaves_nothing_behind(distilled_run, tmp_path, capsys):
    import resource
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1]))
    try:
        status = call(TOOL, distilled_run / f'epoch_{EPOCHS}.pth', tmp_path / 'out/student.pth', cwd=tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert status == 2
    assert re.fullmatch('error: cannot write .*\n', capsys.readouterr().err)
    assert list((tmp_path / 'out').iterdir()) == []
