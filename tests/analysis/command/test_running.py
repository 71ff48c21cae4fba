"""Processes of the commands, and too little memory."""
import argparse
from types import SimpleNamespace

import pytest
import torch

from mmkd.analysis.command.running import (
    add_launcher_argument,
    check_labels,
    join_processes,
    say_other_classes,
)
from mmkd.utils import UserError


def test_one_process_joins_none():
    parser = argparse.ArgumentParser()
    add_launcher_argument(parser, 'points')
    args = parser.parse_args([])
    args.device = None
    join_processes(args)
    assert args.device is None and not torch.distributed.is_initialized()


@pytest.mark.parametrize(('names', 'said'), [('ab', True), ('', False), ('abcdefghij', False)])
def test_other_classes_are_said(names, said, capsys):
    say_other_classes('resnet', SimpleNamespace(source=SimpleNamespace(classes=tuple(names), name='folder')), 10)
    assert ('Careful: resnet has 10 classes, folder has 2' in capsys.readouterr().out) == said


def test_labels_are_those_of_the_checkpoint(tmp_path):
    for name, classes in (('same', ['cat', 'dog']), ('swapped', ['dog', 'cat'])):
        torch.save(dict(state_dict={}, meta=dict(dataset_meta=dict(classes=classes))), tmp_path / f'{name}.pth')
    images = SimpleNamespace(source=SimpleNamespace(classes=('cat', 'dog'), name='folder'))
    same, swapped, none, random = (SimpleNamespace(label='net', name=f'net.py{file}') for file in (
        f'={tmp_path}/same.pth', f'={tmp_path}/swapped.pth', '', '=random'))
    check_labels([same, none, random], images)
    check_labels([swapped], SimpleNamespace(source=SimpleNamespace(classes=(), name='flat')))
    with pytest.raises(UserError, match="net: folder: 2 of 2 classes have another label .*swapped.pth: 'cat' is 0"):
        check_labels([same, swapped], images)
