"""The teacher's pass: compiled, and ended early."""
import pytest
import torch

from .conftest import resnet


@pytest.fixture
def compilations(monkeypatch) -> list:
    """The shapes of what is compiled, by a backend that runs the graph as it is."""
    seen: list = []

    def backend(graph, inputs):
        seen.extend(tuple(x.shape) for x in inputs if isinstance(x, torch.Tensor) and x.dim() == 4)
        return graph.forward

    monkeypatch.setattr(torch, 'compile', lambda function, compile=torch.compile: compile(function, backend=backend))
    torch._dynamo.reset()
    return seen


@pytest.mark.parametrize('tap', ['backbone.layer3.1.bn2', 'backbone.layer3.1.relu', 'backbone.layer3.1.relu@input',
                                 'stage4'])
def test_compiled_for_the_first_batch_and_with_the_same_taps(build, compilations, tap):
    terms = dict(at=dict(loss=dict(type='mmkd.ATLoss'), student=tap, teacher=tap))
    plain = build(student=resnet(), teacher=resnet(), terms=terms)
    distiller = build(student=resnet(), teacher=dict(compile=True, **resnet()), terms=terms)
    assert compilations == []
    distiller.teachers[''].model.load_state_dict(plain.teachers[''].model.state_dict())
    for images in torch.rand(3, 5, 3, 48, 48):
        expected = plain.teachers[''](images)[tap]
        torch.testing.assert_close(distiller.teachers[''](images)[tap], expected)
    assert [shape for shape in compilations if shape[1] == 3 and shape[-1] != 7] == [(5, 3, 48, 48)]  # and the stem


def test_the_pass_ends_early_in_training(build, batch):
    distiller = build(student=resnet(), teacher=resnet(), terms=dict(
        at=dict(loss=dict(type='mmkd.ATLoss'), student='stage2', teacher='stage2')))
    runs = []
    distiller.teachers[''].model.backbone.layer3.register_forward_hook(lambda *_: runs.append('layer3'))
    data = distiller.data_preprocessor(batch, True)  # images of the dry run's size
    for _ in range(2):
        assert distiller(**data, mode='loss')['loss_at'] > 0
    assert runs == []
