"""Processes of the commands, and too little memory."""
import argparse
from types import SimpleNamespace

import pytest
import torch

from mmkd.analysis.command.running import add_launcher_argument, join_processes, say_other_classes


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
