"""mmkd.distill: what it trains, writes and returns."""
import json
import logging
import random

import mmkd
import numpy as np
import pytest
import torch
from mmengine.hooks import CheckpointHook
from mmengine.logging import MMLogger
from mmengine.registry import MODELS, DefaultScope
from PIL import Image
from torch.utils.data import Dataset

from mmkd.datasets.pictures.folders import READ
from mmkd.experiments.run_logs import read_scalars
from mmkd.utils import UserError
from mmkd.utils.checkpoints.reading import read_checkpoint
from mmkd.utils.configs.finding import load_config

from .conftest import QUICK, STUDENT, Plain, write_pictures


@pytest.fixture(scope='module')
def made(pictures, teacher_spec, tmp_path_factory):
    """A call, and the state of the process before and after it."""
    out = tmp_path_factory.mktemp('made') / 'out'
    before = random.getstate(), torch.load, CheckpointHook.before_train, torch.get_rng_state()
    named = scopes_and_files()
    result = mmkd.distill(STUDENT, teacher_spec, pictures, 'kd', out=out, **QUICK)
    same = (random.getstate() == before[0], torch.load is before[1], CheckpointHook.before_train is before[2],
            torch.equal(torch.get_rng_state(), before[3]), scopes_and_files() == named)
    return result, out, same


def scopes_and_files() -> tuple[list, list]:
    """MMEngine's default scopes, and the files that its loggers write; other tests may have left some."""
    return list(DefaultScope._instance_dict), [
        handler for logger in MMLogger._instance_dict.values() for handler in logger.handlers
        if isinstance(handler, logging.FileHandler)]


def test_the_result(made, pictures):
    result, out, _ = made
    assert result.classes == ('circle', 'ring', 'square') and not result.student.training
    assert result.student(torch.rand(2, 3, 32, 32)).shape == (2, 3)
    assert {'accuracy/top1', 'teacher/accuracy/top1', 'epoch'} <= set(result.metrics)
    assert all(path.exists() for path in result.paths.values()) and 'accuracy/top1' in result.weights
    published = read_checkpoint(result.paths['student'])['state_dict']
    assert all(torch.equal(value, published[name]) for name, value in result.student.state_dict().items())
    assert result.paths['classes'].read_text().split() == list(result.classes)
    (name, share), = result.predict(pictures / 'ring/0.png')
    assert name in result.classes and 1 / 3 <= share <= 1
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in result.student.modules())


def test_predicting_pictures_in_memory_and_broken_ones(made, pictures, tmp_path):
    """A picture gets the same answer from its file, from PIL and from an array."""
    result, file = made[0], pictures / 'ring/1.png'
    with Image.open(file) as opened:
        image = opened.convert('RGB')
    first, = result.predict(str(file))
    assert result.predict(image) == result.predict(np.asarray(image)) == [first]
    assert result.predict([file, image, np.asarray(image)]) == [first] * 3
    assert result.predict(np.stack([np.asarray(image)] * 2)) == [first] * 2
    (tmp_path / 'broken.png').write_bytes(b'no picture')
    (tmp_path / 'empty.png').write_bytes(b'')
    (tmp_path / 'cut.png').write_bytes(file.read_bytes()[:200])
    for name in ('broken.png', 'empty.png', 'cut.png', 'none.png'):
        what = 'does not exist' if name == 'none.png' else 'cannot be read as a picture'
        with pytest.raises(UserError, match=f'predict expects pictures, got .*{name}, which {what}'):
            result.predict([file, tmp_path / name])
    with pytest.raises(UserError, match='got a damaged one'):
        result.predict(Image.open(tmp_path / 'cut.png'))
    for wrong in (np.zeros((8, 8, 3)), np.zeros((8, 8), np.uint8), torch.zeros(3, 8, 8), [3], 3, None):
        with pytest.raises(UserError, match=r'predict expects paths, PIL images or arrays \(H, W, 3\) of bytes'):
            result.predict(wrong)


def test_the_process_is_left_as_it_was(made):
    assert made[2] == (True, True, True, True, True)


def test_the_weights_are_those_that_were_validated(made, pictures):
    result, out, _ = made
    listed = [line.split() for line in (out / 'lists/val.txt').read_text().splitlines()]
    hits = [result.predict(pictures / path)[0][0] == result.classes[int(label)] for path, label in listed]
    assert 100 * np.mean(hits) == pytest.approx(result.metrics['accuracy/top1'], abs=0.01)


def test_an_ended_run_is_not_trained_again_and_others_are_refused(made, pictures, teacher_spec):
    result, out, _ = made
    stamp = result.paths['checkpoint'].stat().st_mtime_ns
    (out / 'student-fp16.pth').write_bytes(b'mine')
    again = mmkd.distill(STUDENT, teacher_spec, pictures, 'kd', out=out, resume=True, **QUICK)
    assert result.paths['checkpoint'].stat().st_mtime_ns == stamp and again.metrics == result.metrics
    assert {path.name for path in out.glob('student-*')} == {'student-fp16.pth', result.paths['student'].name}
    (out / 'student-fp16.pth').unlink()
    assert all(torch.equal(a, b) for a, b in zip(again.student.parameters(), result.student.parameters(), strict=True))
    with pytest.raises(UserError, match=r'which holds another run\. Name another one, or go on'):
        mmkd.distill(STUDENT, teacher_spec, pictures, 'kd', out=out, **QUICK)
    with pytest.raises(UserError, match='expects the arguments of the run that stands there'):
        mmkd.distill(STUDENT, teacher_spec, pictures, 'nkd', out=out, resume=True, **QUICK)


def test_an_interrupted_run_goes_on_to_the_same_bits(pictures, teacher_spec, made, tmp_path, monkeypatch):
    validated, inner = [], CheckpointHook.after_val_epoch

    def stop(self, runner, metrics):
        inner(self, runner, metrics)
        validated.append(runner.epoch)
        if len(validated) == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(CheckpointHook, 'after_val_epoch', stop)
    with pytest.raises(KeyboardInterrupt):
        mmkd.distill(STUDENT, teacher_spec, pictures, 'kd', out=tmp_path / 'out', **QUICK)
    mmkd.distill(STUDENT, teacher_spec, pictures, 'kd', out=tmp_path / 'out', resume=True, **QUICK)
    states = [read_checkpoint(out / 'run/epoch_2.pth')['state_dict'] for out in (tmp_path / 'out', made[1])]
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


def test_a_run_goes_on_by_another_name_of_its_folder(pictures, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    call = dict(student=STUDENT, teacher=Plain(), data=pictures, method='kd', **QUICK | dict(epochs=1))
    path = mmkd.distill(out='out', train_now=False, **call)
    text = path.read_text() + '# a note of the user\n'
    path.write_text(text)
    mmkd.distill(out=tmp_path / 'out', resume=True, **call)
    again = mmkd.distill(out='../' + tmp_path.name + '/out', resume=True, **call)
    assert again.metrics['epoch'] == 1 and path.read_text() == text
    with pytest.raises(UserError, match=r"got others: 'terms=dict.* in place of .*mmkd.KDLoss"):
        mmkd.distill(out=tmp_path / 'out', resume=True, **call | dict(method='nkd'))


def test_a_last_validation_that_was_cut_off_is_made_up_for(pictures, teacher_spec, made, tmp_path, monkeypatch):
    """The best checkpoint is that of an uninterrupted run, though all epochs had been trained."""
    inner = CheckpointHook.after_val_epoch

    def stop(self, runner, metrics):
        if runner.epoch == 2:
            raise KeyboardInterrupt
        inner(self, runner, metrics)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(CheckpointHook, 'after_val_epoch', stop)
        mmkd.distill(STUDENT, teacher_spec, pictures, 'kd', out=tmp_path / 'out', **QUICK)
    assert (tmp_path / 'out/run/epoch_2.pth').is_file()
    assert json.loads((tmp_path / 'out/run/last_validation.json').read_text())['epoch'] == 1
    mmkd.distill(STUDENT, teacher_spec, pictures, 'kd', out=tmp_path / 'out', resume=True, **QUICK)
    assert json.loads((tmp_path / 'out/run/last_validation.json').read_text())['epoch'] == 2
    names = [sorted(path.name for path in (out / 'run').glob('best_*.pth')) for out in (tmp_path / 'out', made[1])]
    assert names[0] == names[1]


def test_trackers(pictures, teacher_spec, tmp_path):
    pytest.importorskip('tensorboard')
    mmkd.distill(STUDENT, teacher_spec, pictures, 'kd', out=tmp_path / 'out', trackers='tensorboard',
                 **QUICK | dict(epochs=1))
    assert list((tmp_path / 'out/run/tensorboard').glob('events.*'))
    assert 'Tensorboard' not in (tmp_path / 'out/config.py').read_text()


class Items(Dataset):
    """Random pictures with labels, as tensors of bytes."""

    classes = ('a', 'b', 'c')

    def __init__(self, count: int) -> None:
        draw = torch.Generator().manual_seed(count)
        self.images = torch.randint(0, 256, (count, 3, 36, 36), dtype=torch.uint8, generator=draw)

    def __len__(self):
        return len(self.images)

    def __getitem__(self, number):
        return self.images[number], number % 3


def test_modules_and_data_sets(tmp_path):
    student, teacher = Plain(), Plain(width=16)
    before = {name: value.clone() for name, value in student.state_dict().items()}
    frozen = {name: value.clone() for name, value in teacher.state_dict().items()}
    result = mmkd.distill(student, teacher, (Items(18), Items(9)), 'kd', out=tmp_path / 'out', **QUICK)
    assert result.student is student and not torch.equal(student.fc.weight, before['fc.weight'])
    assert all(torch.equal(value, frozen[name]) for name, value in teacher.state_dict().items())
    assert teacher.training and all(parameter.requires_grad for parameter in teacher.parameters())
    assert not any(module._forward_hooks for net in (student, teacher) for module in net.modules())
    published = read_checkpoint(result.paths['student'])['state_dict']
    assert published.keys() == student.state_dict().keys() and result.metrics['accuracy/top1'] >= 0
    text = result.paths['config'].read_text()
    assert 'cannot be trained by itself' in text and 'the data set that mmkd.distill was given to train' in text


def test_a_config_with_modules_says_so_when_it_is_trained_by_itself(tmp_path):
    path = mmkd.distill(Plain(), Plain(), (Items(18), Items(9)), 'kd', out=tmp_path / 'out', train_now=False, **QUICK)
    assert path == tmp_path / 'out/config.py' and not (tmp_path / 'out/run').exists()
    with pytest.raises(UserError, match='for a config that mmkd.distill wrote, call it again'):
        MODELS.build(load_config(path).model)


def test_pictures_without_classes(tmp_path, teacher_spec, pictures, capsys):
    write_pictures(tmp_path / 'heap', 12)
    result = mmkd.distill(STUDENT, teacher_spec, tmp_path / 'heap', out=tmp_path / 'a', **QUICK)
    assert result.classes == () and 'terms/total' in result.weights
    assert 'keeps a classifier of 10 classes, which is not trained' in ''.join(capsys.readouterr())
    _, val = read_scalars(tmp_path / 'a/run')
    totals = {epoch: figures['terms/total'] for epoch, figures in val.items()}
    assert result.metrics['terms/total'] == totals[result.metrics['epoch']] == min(totals.values())
    assert "save_best='terms/total', rule='less'" in result.paths['config'].read_text()
    with pytest.raises(UserError, match='predict expects a student with classes'):
        result.predict(tmp_path / 'heap/0.png')
    checked = mmkd.distill(STUDENT, teacher_spec, pictures, 'at', labels=False, labelled=pictures,
                           out=tmp_path / 'b', **QUICK)
    assert 0 <= checked.metrics['knn/top1'] <= 100 and (tmp_path / 'b/labelled/val.txt').is_file()
    assert ' ' not in (tmp_path / 'b/lists/train.txt').read_text().splitlines()[0]


def test_two_calls_of_a_process_do_not_mix(tmp_path, teacher_spec, pictures):
    results = [mmkd.distill(STUDENT, teacher_spec, pictures, 'kd', out=tmp_path / str(number),
                            **QUICK | dict(epochs=1, seed=number)) for number in range(2)]
    logs = [list((tmp_path / str(number)).glob('run/*/vis_data/scalars.json')) for number in range(2)]
    assert [len(each) for each in logs] == [1, 1] and results[0].paths['log'] != results[1].paths['log']
    assert [text.read_text().count('accuracy/top1') for each in logs for text in each] == [2, 2]


def test_webp_is_read(tmp_path, teacher_spec):
    for name, seed in (('a', 0), ('b', 1), ('c', 2)):
        write_pictures(tmp_path / 'webp' / name, 4, seed, suffix='.webp')
    assert '.webp' in READ
    result = mmkd.distill(STUDENT, teacher_spec, tmp_path / 'webp', out=tmp_path / 'out', **QUICK | dict(epochs=1))
    assert result.metrics['epoch'] == 1


def test_a_teacher_without_a_classifier(tmp_path, pictures, teacher_spec):
    """Its features are no classes, whatever their number is."""
    features = dict(timm='resnet10t', pretrained=False, num_classes=0)
    result = mmkd.distill(STUDENT, features, pictures, 'fd', out=tmp_path / 'out', **QUICK | dict(epochs=1))
    assert 'teacher/accuracy/top1' not in result.metrics and 'accuracy/top1' in result.metrics
    with pytest.raises(UserError, match='the 3 of the student, got one with none'):
        mmkd.distill(STUDENT, features, pictures, 'kd', out=tmp_path / 'other', **QUICK)


def test_a_teacher_of_hugging_face(tmp_path, pictures):
    transformers = pytest.importorskip('transformers')
    if not transformers.utils.is_torch_available():
        pytest.skip('this transformers needs a newer PyTorch')
    config = transformers.ViTConfig(hidden_size=16, num_hidden_layers=4, num_attention_heads=2, intermediate_size=32,
                                    image_size=32, patch_size=8)
    transformers.ViTModel(config).save_pretrained(tmp_path / 'vit')
    result = mmkd.distill(STUDENT, f'hf:{tmp_path}/vit', pictures, 'fd', out=tmp_path / 'out', **QUICK | dict(epochs=1))
    assert result.metrics['epoch'] == 1 and "teacher=dict(hf='" in result.paths['config'].read_text()


def test_batch_augmentations_of_the_students_own_recipe_are_left_out(tmp_path, pictures, capfd):
    """The config says all that is mixed; without classes mixup would be an error of mmpretrain's."""
    write_pictures(tmp_path / 'heap', 12)
    mmkd.distill('convnest-atto', Plain(10), tmp_path / 'heap', 'fd', labels=False, labelled=pictures,
                 pretrained=False, out=tmp_path / 'a', **QUICK | dict(epochs=1))
    assert 'batch augmentations are enabled' not in ''.join(capfd.readouterr())
    assert "'model.train_cfg': None" in (tmp_path / 'a/config.py').read_text()
    path = mmkd.distill('convnest-atto', Plain(3), pictures, 'funmatch', pretrained=False, out=tmp_path / 'b',
                        train_now=False, **QUICK)
    config = load_config(path)
    assert config.data_preprocessor.batch_augments  # the method's own stay
    distiller = MODELS.build(load_config(tmp_path / 'a/config.py').model | dict(
        teacher=dict(module=Plain(10)), data_preprocessor=load_config(tmp_path / 'a/config.py').data_preprocessor))
    assert distiller.data_preprocessor.batch_augments is None


def test_an_ended_run_of_a_timm_model_gives_its_student_back(tmp_path, pictures, capsys):
    options = dict(out=tmp_path / 'out', pretrained=False, **QUICK | dict(epochs=1))
    first = mmkd.distill('timm:resnet10t', Plain(), pictures, 'kd', **options)
    again = mmkd.distill('timm:resnet10t', Plain(), pictures, 'kd', resume=True, **options)
    image = torch.rand(1, 3, 32, 32)
    assert torch.equal(again.student(image), first.student(image))
    assert again.student.state_dict().keys() == first.student.state_dict().keys() and again.metrics == first.metrics
    assert 'has ended: nothing was trained' in ''.join(capsys.readouterr())


@pytest.mark.parametrize('known', [True, False])
def test_a_teacher_of_other_classes_has_no_figure_beside_a_plain_module(tmp_path, pictures, known):
    """Its classes are not those of the labels, whether or not the module says how many it has."""
    teacher = dict(timm='resnet10t', pretrained=False, num_classes=7) if known else Plain(7)
    result = mmkd.distill(Plain(3), teacher, pictures, 'fd', out=tmp_path / 'out', **QUICK | dict(epochs=1))
    assert 'teacher/accuracy/top1' not in result.metrics and 'accuracy/top1' in result.metrics
    assert 'it has 7 classes, and the student 3' in result.paths['log'].read_text()


def test_a_student_of_random_weights_is_said_to_be_one(tmp_path, pictures, capsys, teacher_spec):
    students = (STUDENT, True), ('timm:resnet10t', False), (Plain(), False), (teacher_spec, False)
    for number, (student, said) in enumerate(students):
        mmkd.distill(student, Plain(), pictures, 'kd', out=tmp_path / str(number), train_now=False, **QUICK)
        assert ('the student starts from random weights' in ''.join(capsys.readouterr())) == said
