"""mmkd.distill: what a user gets wrong is one line, and nothing is written."""
import copy

import mmkd
import pytest
from torch import nn

from mmkd.losses import FDLoss
from mmkd.utils import UserError
from mmkd.utils.files.small import lock_folder

from .conftest import QUICK, STUDENT, Plain, write_classes, write_pictures


def refused(out, match, student=STUDENT, teacher=None, data=None, method='kd', **options):
    """The message of a call that has to fail before it writes anything."""
    with pytest.raises(UserError, match=match) as caught:
        mmkd.distill(student, teacher if teacher is not None else Plain(), data, method, out=out, **QUICK | options)
    assert not out.exists() or not any(out.iterdir())
    assert '\n' not in str(caught.value)
    return str(caught.value)


def test_folders(tmp_path):
    out = tmp_path / 'out'
    refused(out, r'got .*none, which does not exist\. Name another one', data=tmp_path / 'none')
    (tmp_path / 'empty/a').mkdir(parents=True)
    (tmp_path / 'empty/a/notes.txt').write_text('')
    refused(out, r'expects pictures \(.jpg, .* below .*empty, got 1 .txt\.', data=tmp_path / 'empty')
    write_pictures(tmp_path / 'one/cat', 3)
    refused(out, 'two classes or more, got one folder, cat', data=tmp_path / 'one')
    write_classes(tmp_path / 'case', ('Cat', 'cat', 'dog'), 2)
    refused(out, 'got Cat and cat in .*, which differ in case only', data=tmp_path / 'case')
    write_classes(tmp_path / 'mixed', count=2)
    write_pictures(tmp_path / 'mixed', 1)
    refused(out, 'got 1 beside these in .*, such as 0.png', data=tmp_path / 'mixed')
    (write_classes(tmp_path / 'hollow', count=2) / 'none').mkdir()
    refused(out, 'got none .* in .*hollow/none', data=tmp_path / 'hollow')


def test_parts(tmp_path):
    out = tmp_path / 'out'
    write_classes(tmp_path / 'a/train', ('x', 'y'), 2)
    write_classes(tmp_path / 'a/val', ('x', 'y', 'z'), 2)
    refused(out, 'the classes of the training pictures, got also z', data=tmp_path / 'a')
    write_classes(tmp_path / 'b/val', ('x', 'y'), 2)
    refused(out, 'expects a folder train beside val', data=tmp_path / 'b')


def test_damaged_pictures(tmp_path):
    data = write_classes(tmp_path / 'data')
    whole = (data / 'ring/1.png').read_bytes()
    (data / 'ring/1.png').write_bytes(whole[:len(whole) // 2])
    (data / 'square/2.png').write_bytes(b'')
    message = refused(tmp_path / 'out', 'got 2 damaged', data=data)
    assert 'ring/1.png (' in message and 'square/2.png (the file is empty)' in message
    assert "corrupt='skip', --corrupt skip" in message
    refused(tmp_path / 'out', "corrupt expects refuse or skip, got 'ignore'", data=data, corrupt='ignore')
    path = mmkd.distill(STUDENT, Plain(), data, 'kd', out=tmp_path / 'out', corrupt='skip', train_now=False, **QUICK)
    listed = ''.join((path.parent / f'lists/{part}.txt').read_text() for part in ('train', 'val'))
    assert 'ring/1.png' not in listed and 'square/2.png' not in listed and len(listed.splitlines()) == 16


def test_numbers(tmp_path, pictures):
    out = tmp_path / 'out'
    refused(out, 'epochs expects a whole number from 1, got 0', data=pictures, epochs=0)
    refused(out, 'batch_size expects a whole number from 2, got 1', data=pictures, batch_size=1)
    refused(out, 'lr expects a number above 0, got 0', data=pictures, lr=0)
    refused(out, 'lr expects a number above 0, got nan', data=pictures, lr=float('nan'))
    refused(out, r'seed expects a number below 2\*\*32', data=pictures, seed=2**32)
    refused(out, "cfg_options expects train_cfg.max_epochs to be a number at least 1, got 'x'", data=pictures,
            cfg_options={'train_cfg.max_epochs': 'x'})
    refused(out, r"cfg_options expects a dict of dotted keys .*, got \['a=1'\]", data=pictures, cfg_options=['a=1'])
    refused(out, '--tracker expects any of tensorboard, .* Did you mean tensorboard', data=pictures,
            trackers='tensorbord')
    refused(out, 'val_share expects a share between 0 and 1, got 1', data=pictures, val_share=1)


@pytest.mark.parametrize(('options', 'key'), [
    (dict(batch_size=8), 'train_dataloader.batch_size'), (dict(workers=0), 'train_dataloader.num_workers'),
    (dict(augment=False), 'train_dataloader.dataset.pipeline')])
def test_what_the_config_of_a_data_set_decides(tmp_path, options, key):
    data = tmp_path / 'data.py'
    data.write_text("train_dataloader = dict(batch_size=4, dataset=dict(type='CustomDataset'))\n"
                    "val_dataloader, val_evaluator = train_dataloader, dict(type='Accuracy')")
    given = f'{next(iter(options))}={next(iter(options.values()))}'
    refused(tmp_path / 'out', f'its own loaders and pipelines, got {given} beside it. Override {key} by cfg_options',
            data=data, **dict(batch_size=None, workers=None) | options)


def test_names(tmp_path, pictures):
    out = tmp_path / 'out'
    assert 'Did you mean nkd' in refused(out, "method expects .* got 'nkdd'", data=pictures, method='nkdd')
    refused(out, 'dict of terms', data=pictures, method=dict(kd=3))
    refused(out, r"student expects 'timm:NAME'.*Did you mean convnest-atto", data=pictures, student='convnest-ato')
    refused(out, "teacher expects the name of a timm model, got 'resnet5'", data=pictures, teacher='timm:resnet5')
    refused(out, 'teacher expects a model with weights', data=pictures, teacher='convnest-atto')
    refused(out, 'data expects a folder, the config', data=3)
    refused(out, 'student expects a name such as', data=pictures, student=3)


def test_classes_and_labels(tmp_path, pictures):
    out = tmp_path / 'out'
    message = refused(out, 'compares classes and expects a teacher with the 3 of the student, got one with 5',
                      data=pictures, teacher=Plain(5))
    assert 'at, ' in message and 'fd, ' in message and 'nkd' not in message and 'mmkd train' in message
    refused(out, 'the student expects 3 classes, as the data have, got a Plain with 4', data=pictures, student=Plain(4))
    message = refused(out, 'the method nkd expects labels, got data without classes', data=pictures, labels=False,
                      method='nkd')
    assert ' fd' in message and 'kd,' not in message.replace('reviewkd,', '').replace('rkd,', '')
    refused(out, 'labelled expects data without classes', data=pictures, labelled=pictures)


@pytest.mark.parametrize('part', ['train', 'val'])
def test_damaged_annotations_of_a_config(tmp_path, part):
    (tmp_path / 'cut.json').write_text('{"images": [')
    (tmp_path / 'whole.json').write_text('{"images": []}')
    data, files = tmp_path / 'data.py', dict.fromkeys(('train', 'val'), 'whole.json') | {part: 'cut.json'}
    data.write_text('\n'.join(f"{name}_dataloader = dict(dataset=dict(type='CocoDataset', ann_file={file!r}, "
                              f"data_root={str(tmp_path)!r}))" for name, file in files.items())
                    + "\nval_evaluator = dict(type='CocoMetric')")
    refused(tmp_path / 'out', 'cut.json expects annotations in JSON', data=data, batch_size=None, workers=None)


class Unknown(nn.Module):
    """A network without a stage that a method would know."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.fc = nn.Conv2d(3, 8, 3, 2), nn.Linear(8, 3)

    def forward(self, x):
        return self.fc(self.body(x).mean((2, 3)))


def test_taps_that_cannot_be_found(tmp_path, pictures):
    refused(tmp_path / 'out', r"student with stages for its term 'fd', got one with the taps pre_logits, logits",
            data=pictures, student=Unknown(), method='fd')
    terms = dict(fd=dict(loss=dict(type='mmkd.FDLoss'), student='bodi', teacher='layer2'))
    with pytest.raises(UserError, match="Unknown has no tap 'bodi'. .*So is every dotted path of a module: body, fc"):
        mmkd.distill(Unknown(), Plain(), pictures, terms, out=tmp_path / 'terms', **QUICK)


@pytest.mark.parametrize(('change', 'message'), [
    (dict(student='logitz'), "Plain has no tap 'logitz'"),
    (dict(loss=dict(type='mmkd.KDLos')), "got 'mmkd.KDLos'. Did you mean mmkd.KDLoss"),
    (dict(loss=dict(type='mmkd.KDLoss', temprature=2)), 'temprature'),
    (dict(wieght=2), "got 'wieght'. Did you mean weight"),
    (dict(loss=dict(type='mmkd.FDLoss'), student='layer1', teacher='layer1'), r'\(2, 8, 16, 16\)')])
def test_a_config_is_written_of_what_can_be_built_only(tmp_path, pictures, change, message):
    term = dict(loss=dict(type='mmkd.KDLoss'), student='logits', teacher='logits') | change
    refused(tmp_path / 'out', message, Plain(), Plain(width=4), pictures, dict(kd=term), train_now=False)


@pytest.mark.parametrize('train_now', [True, False])
def test_options_of_the_distiller_have_names_that_it_knows(tmp_path, pictures, train_now):
    refused(tmp_path / 'out', "Distiller expects arguments that it has, got 'taskweight'. Did you mean task_weight",
            data=pictures, cfg_options={'model.taskweight': 1}, train_now=train_now)


def test_writing_a_config_leaves_modules_as_they_are(tmp_path, pictures):
    student, teacher, connector = Plain().eval(), Plain(width=4), nn.Conv2d(8, 4, 1)
    student.fc.requires_grad_(False)

    def state() -> list:
        return [(name, parts.training, parts._forward_hooks, [(p.requires_grad, p.sum().item())
                                                               for p in parts.parameters()])
                for model in (student, teacher, connector) for name, parts in model.named_modules()]

    before = copy.deepcopy(state())
    terms = dict(fd=dict(loss=FDLoss(), connector=connector, student='layer1', teacher='layer1'))
    mmkd.distill(student, teacher, pictures, terms, out=tmp_path / 'out', train_now=False, **QUICK)
    assert state() == before


def test_a_folder_that_is_in_use(tmp_path, pictures):
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out/mine.txt').write_text('mine')
    with pytest.raises(UserError, match=r'holds other files\. Name another one\.'):
        mmkd.distill(STUDENT, Plain(), pictures, 'kd', out=tmp_path / 'out', **QUICK)
    with pytest.raises(UserError, match='out expects a folder, got the file'):
        mmkd.distill(STUDENT, Plain(), pictures, 'kd', out=tmp_path / 'out/mine.txt', **QUICK)
    with pytest.raises(UserError, match=r'holds other files\. Name another one\.'):
        mmkd.distill(STUDENT, Plain(), pictures, 'kd', out=tmp_path / 'out', resume=True, **QUICK)
    assert [path.name for path in (tmp_path / 'out').iterdir()] == ['mine.txt']


def test_a_folder_in_which_another_call_is_at_work(tmp_path, pictures):
    with lock_folder(tmp_path / 'out'), pytest.raises(UserError, match='is in use by another run'):
        mmkd.distill(STUDENT, Plain(), pictures, 'kd', out=tmp_path / 'out', train_now=False, **QUICK)
    assert not (tmp_path / 'out/config.py').exists()


def test_junk_is_no_class(tmp_path):
    data = write_classes(tmp_path / 'data')
    for junk in ('.ipynb_checkpoints', '__MACOSX', '.thumbs'):
        write_pictures(data / junk, 2)
    write_pictures(data / 'ring/.ipynb_checkpoints', 2)
    path = mmkd.distill(STUDENT, Plain(), data, 'kd', out=tmp_path / 'out', train_now=False, **QUICK)
    assert (path.parent / 'lists/classes.txt').read_text().split() == ['circle', 'ring', 'square']
    listed = ''.join((path.parent / f'lists/{part}.txt').read_text() for part in ('train', 'val')).splitlines()
    assert len(listed) == 18 and not any('/.' in line or line.startswith('.') for line in listed)


def test_pictures_that_came_after_the_run_began(tmp_path):
    data = write_classes(tmp_path / 'data')
    call = dict(student=STUDENT, teacher=Plain(), data=data, method='kd', out=tmp_path / 'out', train_now=False) | QUICK
    mmkd.distill(**call)
    assert mmkd.distill(**call, resume=True) == tmp_path / 'out/config.py'
    write_pictures(data / 'ring', 7, 1)
    with pytest.raises(UserError, match='train.txt expects the pictures that the run began with, got others'):
        mmkd.distill(**call, resume=True)


def test_several_processes(tmp_path, pictures, monkeypatch):
    monkeypatch.setenv('WORLD_SIZE', '2')
    refused(tmp_path / 'out', 'expects one process, got several', data=pictures)


class Late(Plain):
    """A network that can be looked at, and fails when it is trained."""

    def forward(self, x):
        if self.training:
            raise UserError('the network fails')
        return super().forward(x)


def test_a_start_that_fails_leaves_the_folder_free(tmp_path, pictures, capsys):
    out, data = tmp_path / 'out', write_classes(tmp_path / 'data', ('a', 'b', 'c'), 4)
    with pytest.raises(UserError, match='the network fails'):
        mmkd.distill(Late(), Plain(), data, 'kd', out=out, **QUICK)
    assert {path.name for path in out.iterdir()} == {'.lock', 'failed'} and list(out.glob('failed/*/*.log'))
    assert f'nothing was trained: a corrected call can take {out} again' in capsys.readouterr().out
    result = mmkd.distill(Plain(), Plain(), pictures, 'kd', out=out, **QUICK | dict(epochs=1))
    assert result.paths['checkpoint'].is_file()


def test_a_config_that_was_there_before_a_failure_stays(tmp_path, pictures):
    path = mmkd.distill(Late(), Plain(), pictures, 'kd', out=tmp_path / 'out', train_now=False, **QUICK)
    text = path.read_text()
    with pytest.raises(UserError, match='the network fails'):
        mmkd.distill(Late(), Plain(), pictures, 'kd', out=tmp_path / 'out', resume=True, **QUICK)
    assert path.read_text() == text and (path.parent / 'lists/train.txt').is_file()
