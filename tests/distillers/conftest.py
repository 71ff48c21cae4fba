"""Small student and teacher shared by the distiller's tests."""
import copy

import pytest
import torch


def classifier(channels: int, depth: int = 1, classes: int = 10, **backbone) -> dict:
    """A mmpretrain ConvNeXt classifier of a few thousand parameters."""
    return dict(
        type='mmpretrain.ImageClassifier',
        backbone=dict(
            type='mmpretrain.ConvNeXt',
            arch=dict(depths=[depth, depth, 1, 1], channels=[channels, *[2 * channels] * 3]),
            **backbone),
        head=dict(type='mmpretrain.LinearClsHead', num_classes=classes, in_channels=2 * channels,
                  loss=dict(type='mmpretrain.CrossEntropyLoss')),
        data_preprocessor=dict(type='mmpretrain.ClsDataPreprocessor', mean=[120.] * 3, std=[60.] * 3,
                               to_rgb=True, num_classes=classes))


@pytest.fixture
def recipe() -> dict:
    """A recipe with an NKD term and an FD term with connector."""
    return dict(
        type='mmkd.Distiller',
        student=classifier(8),
        teacher=classifier(16, 2, drop_path_rate=0.5),
        input_size=32,
        terms=dict(
            nkd=dict(loss=dict(type='mmkd.NKDLoss'), student='logits', teacher='logits'),
            fd=dict(loss=dict(type='mmkd.FDLoss'), student='stage2', teacher='stage2',
                    connector=dict(type='mmkd.ConvConnector'), weight=0.5)))


@pytest.fixture
def build(recipe):
    """Builds the recipe, with top-level entries replaced."""
    from mmkd.registry import MODELS

    def _build(**changes):
        return MODELS.build({**copy.deepcopy(recipe), **changes})

    return _build


@pytest.fixture
def batch() -> dict:
    """Four uint8 images with labels, as the data loader gives them."""
    from mmpretrain.structures import DataSample
    torch.manual_seed(0)
    return dict(
        inputs=[torch.randint(0, 256, (3, 32, 32), dtype=torch.uint8) for _ in range(4)],
        data_samples=[DataSample().set_gt_label(i) for i in range(4)])


def resnet(classes: int = 10, width: int = 8, **backbone) -> dict:
    """A small mmpretrain ResNet classifier, whose blocks run their ReLU twice and add in place."""
    return dict(
        type='mmpretrain.ImageClassifier',
        backbone=dict(type='mmpretrain.ResNet', depth=18, stem_channels=width, base_channels=width, **backbone),
        neck=dict(type='mmpretrain.GlobalAveragePooling'),
        head=dict(type='mmpretrain.LinearClsHead', num_classes=classes, in_channels=8 * width,
                  loss=dict(type='mmpretrain.CrossEntropyLoss')),
        data_preprocessor=dict(type='mmpretrain.ClsDataPreprocessor', mean=[120.] * 3, std=[60.] * 3, to_rgb=True))


@pytest.fixture
def twins(build):
    """Builds a student and a teacher with the same weights, compared by attention transfer at one tap."""
    def _twins(tap: str, model: dict | None = None, **changes):
        torch.manual_seed(0)
        model = model or resnet()
        distiller = build(**dict(dict(student=model, teacher=model, terms=dict(
            at=dict(loss=dict(type='mmkd.ATLoss'), student=tap, teacher=tap))), **changes))
        distiller.teachers['teacher'].model.load_state_dict(distiller.student.state_dict())
        return distiller

    return _twins
