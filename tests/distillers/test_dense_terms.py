"""Terms between detectors and between segmentors: what they read, and what does not fit."""
import pytest
import torch
from mmengine.registry import init_default_scope

from mmkd.registry import MODELS
from mmkd.utils import UserError

from ..losses.segmentation import segmented
from .conftest import classifier
from .detection import CONV, LEVELS, SEGMENTORS, STUDENT, TEACHER, recipe, scenes, term


@pytest.fixture(autouse=True)
def _scope():
    init_default_scope('mmdet')


def build(*args, **terms):
    return MODELS.build(recipe(*args, **terms)).train()


def test_a_step_with_every_dense_term():
    """Every parameter gets a gradient, an image without boxes included, and the teacher's pass ends with its neck."""
    distiller = build(
        pkd=term('PKDLoss', LEVELS, connector=CONV), fgd=term('FGDLoss', LEVELS, connector=CONV),
        mgd=term('MGDLoss', LEVELS, connector=CONV, arguments=dict(mask='spatial'), weight=5e-7),
        cwd=term('CWDLoss', 'rpn'), kd=term('BinaryKDLoss', 'logits', arguments=dict(teacher_activation='sigmoid')))
    assert len(distiller.terms['mgd'].loss.generators) == len(LEVELS)
    teacher, runs = distiller.teachers['teacher'].model, []
    for name in ('neck', 'roi_head.bbox_roi_extractor'):
        teacher.get_submodule(name).register_forward_hook(lambda *args, name=name: runs.append(name))
    images, samples = scenes([[3., 3., 40., 40.], [50., 50., 90., 90.]], [])
    losses = distiller(images, samples, mode='loss')
    assert runs == ['neck']
    assert all(losses[f'loss_{name}'].isfinite() and losses[f'loss_{name}'] > 0 for name in distiller.terms)
    distiller.total(losses).backward()
    assert [name for name, p in distiller.named_parameters() if p.requires_grad and p.grad is None] == []
    assert all(p.grad is None for p in teacher.parameters())


def test_the_boxes_of_the_batch_reach_the_loss():
    distiller = build(fgd=term('FGDLoss', 'neck1', connector=CONV, arguments=dict(gamma=0., lambda_=0., beta=0.)))
    images, samples = scenes([], [])
    assert distiller(images, samples, mode='loss')['loss_fgd'] == 0
    assert distiller(images, scenes([[0., 0., 40., 40.]], [])[1], mode='loss')['loss_fgd'] > 0


def test_the_teachers_box_head_looks_at_the_students_regions():
    distiller = build(roi=term('PKDLoss', 'roi_features', connector=CONV),
                      scores=term('KDLoss', 'roi_head.bbox_head.fc_cls'))
    teacher, seen = distiller.teachers['teacher'].model, []
    teacher.roi_head.bbox_roi_extractor.register_forward_pre_hook(lambda module, args: seen.append(args[1]))
    images, samples = scenes([[3., 3., 40., 40.]], [[50., 50., 90., 90.]])
    for _ in range(2):
        students = []
        handle = distiller.student.roi_head.bbox_roi_extractor.register_forward_pre_hook(
            lambda module, args, students=students: students.append(args[1]))
        losses = distiller(images, samples, mode='loss')
        handle.remove()
        assert torch.equal(seen[-1], students[-1]) and losses['loss_roi'] > 0 and losses['loss_scores'] > 0
    assert len(teacher.roi_head.bbox_roi_extractor._forward_pre_hooks) == 1  # only the test's own is left


@pytest.mark.parametrize(('terms', 'message'), [
    (dict(fgd=term('FGDLoss', ['neck1', 'neck2'], ['neck1'], connector=CONV)), '2 and 1'),
    (dict(fgd=term('FGDLoss', 'neck1', 'neck2', connector=CONV)), r'\(2, 96, 24, 24\) .* levels of the same stride'),
    (dict(cwd=term('CWDLoss', 'neck1', 'neck2', connector=CONV)), 'levels of the same stride'),
    (dict(pkd=term('PKDLoss', 'neck1')), r'equal N and C, got \(2, 48, 24, 24\) .*ConvConnector'),
    (dict(pkd=term('PKDLoss', [*LEVELS, 'neck5'])), "no tap 'neck5'"),
    (dict(pkd=term('PKDLoss', 'neck1', 'roi_head.mask_roi_extractor', connector=CONV)), 'regions that student and'),
])
def test_detectors_that_do_not_fit(terms, message):
    with pytest.raises(UserError, match=message):
        build(**terms)


@pytest.mark.parametrize(('student', 'teacher'), [
    (STUDENT, TEACHER), ('fashion/retinanet_convnest-mini_fashion.py', ) * 2])
@pytest.mark.parametrize('loss', ['KDLoss', 'DISTLoss', 'BinaryKDLoss'])
def test_no_softmax_goes_over_the_scores_of_anchors(student, teacher, loss):
    """They are sigmoids, a channel an anchor and class."""
    with pytest.raises(UserError, match=f"{loss} expects one softmax .* of a detector.* teacher_activation='sigmoid'"):
        build(student, teacher, scores=term(loss, 'logits'))
    sigmoids = dict(teacher_activation='sigmoid')
    distiller = build(student, teacher, scores=term('BinaryKDLoss', 'logits', arguments=sigmoids))
    assert distiller(*scenes([[3., 3., 40., 40.]], []), mode='loss')['loss_scores'] > 0


def test_boxes_are_wanted_of_a_classifier():
    with pytest.raises(UserError, match="term 'fgd' does not fit .*FGDLoss expects the boxes .* detectors of mmdet"):
        build(classifier(8), classifier(8), fgd=term('FGDLoss', 'stage2'))


def test_other_classes():
    with pytest.raises(UserError, match='same classes'):
        build(STUDENT, dict(config=STUDENT, options={'model.roi_head.bbox_head.num_classes': 7}),
              scores=term('KDLoss', 'roi_head.bbox_head.fc_cls'))
    with pytest.raises(UserError, match='give both models the same classes'):
        build(SEGMENTORS[0], dict(config=SEGMENTORS[1], options={'model.decode_head.num_classes': 7}),
              cwd=term('CWDLoss', 'logits'))


def test_ignored_pixels_of_a_segmentor():
    init_default_scope('mmseg')
    distiller = build(*SEGMENTORS, cwd=term('CWDLoss', 'logits'), kd=term('KDLoss', 'logits'))
    images, labels = torch.rand(2, 3, 96, 96), torch.zeros(2, 96, 96, dtype=torch.long)
    some = distiller(images, segmented(labels), mode='loss')
    assert some['loss_cwd'] > 0 and some['loss_kd'] > 0
    labels[:] = 255
    none = distiller(images, segmented(labels), mode='loss')
    assert none['loss_cwd'] == 0 and none['loss_kd'] == 0
    (none['loss_cwd'] + none['loss_kd']).backward()
    assert all(p.grad is None or not p.grad.any() for p in distiller.student.parameters())
