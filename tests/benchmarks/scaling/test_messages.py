"""The messages of a step are those that two processes send."""
from collections import Counter

import pytest
import torch
import torch.distributed
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from torch import nn
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook
from torch.utils.checkpoint import checkpoint
from torch.utils.data import Dataset

from mmkd.benchmarks.scaling.messages import CRD, GRADIENTS, MIB, NORMS, bucket_sizes, messages_of, try_step
from mmkd.distillers import Distiller
from mmkd.utils.processes.distributed import prepare_cpu_processes
from tests import sync_norms
from tests.processes import run_ranks

FLOAT, HALF, BATCH = torch.float32, torch.float16, 4


class Images(Dataset):
    """Thirty-two images with labels and numbers."""

    def __len__(self) -> int:
        return 32

    def __getitem__(self, index: int) -> dict:
        from mmpretrain.structures import DataSample
        image = torch.full((3, 64, 64), index, dtype=torch.uint8)
        return dict(inputs=image, data_samples=DataSample(metainfo=dict(sample_idx=index)).set_gt_label(index % 4))


def resnet() -> dict:
    return dict(type='mmpretrain.ImageClassifier',
                backbone=dict(type='mmpretrain.ResNet', depth=18, stem_channels=16, base_channels=16),
                neck=dict(type='GlobalAveragePooling'),
                head=dict(type='mmpretrain.LinearClsHead', num_classes=4, in_channels=128),
                data_preprocessor=dict(type='mmpretrain.ClsDataPreprocessor', mean=[120.] * 3, std=[60.] * 3))


def distiller() -> Distiller:
    torch.manual_seed(0)
    init_default_scope('mmpretrain')
    terms = dict(kd=dict(loss=dict(type='mmkd.KDLoss'), student='logits', teacher='logits'),
                 crd=dict(loss=dict(type='mmkd.CRDLoss', num_samples=32, negatives=16, embedding=24),
                          student='pre_logits', teacher='pre_logits'),
                 fd=dict(loss=dict(type='mmkd.FDLoss'), connector=dict(type='mmkd.ConvConnector'), student='stage3',
                         teacher='stage3'))
    return Distiller(student=resnet(), teacher=resnet(), terms=terms, input_size=64)


def batch(size: int) -> dict:
    items = [Images()[index] for index in range(size)]
    return {key: [item[key] for item in items] for key in ('inputs', 'data_samples')}


class Sent:
    """Counts what torch.distributed is asked for, by kind and bytes, and DDP's buckets by a communication hook."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.messages: list[tuple[str, int]] = []
        self.buckets: list[int] = []
        for name, kind, place in (('all_reduce', 'all-reduce', 0), ('all_gather', 'all-gather', 1),
                                  ('all_gather_into_tensor', 'all-gather', 1), ('broadcast', 'broadcast', 0)):
            patch.setattr(torch.distributed, name, self.counting(getattr(torch.distributed, name), kind, place))

    def counting(self, function, kind, place):
        def call(*args, **kwargs):
            tensor = args[place] if len(args) > place else kwargs['tensor']
            self.messages.append((kind, tensor.numel() * tensor.element_size()))
            return function(*args, **kwargs)
        return call

    def ddp(self, group, bucket):
        self.buckets.append(bucket.buffer().numel() * bucket.buffer().element_size())
        return allreduce_hook(group, bucket)

    def taken(self):
        found = Counter(self.messages), self.buckets
        self.messages, self.buckets = [], []
        return found


class Steps(Hook):
    """Keeps what each step sent."""

    priority = 'LOWEST'

    def __init__(self, sent: Sent) -> None:
        self.sent, self.steps = sent, []

    def before_train(self, runner: Runner) -> None:
        runner.model.register_comm_hook(None, self.sent.ddp)

    def before_train_iter(self, *args: object, **kwargs: object) -> None:
        self.sent.taken()

    def after_train_iter(self, *args: object, **kwargs: object) -> None:
        self.steps.append(self.sent.taken())


def train(work_dir, steps: Steps, **options: object) -> None:
    config = Config(dict(launcher='pytorch', sync_bn=options.get('sync_bn')))
    prepare_cpu_processes(config)
    config.model_wrapper_cfg.update(options.get('wrapper', {}))
    runner = Runner(
        model=distiller(), work_dir=str(work_dir), train_cfg=dict(by_epoch=True, max_epochs=1), launcher='pytorch',
        train_dataloader=dict(batch_size=BATCH, num_workers=0, dataset=Images(), collate_fn=dict(type='pseudo_collate'),
                              sampler=dict(type='DefaultSampler', shuffle=True)),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=1e-4), accumulative_counts=options.get('accumulated', 1)),
        custom_hooks=[steps, dict(type='mmkd.FiniteTrainingHook')], default_hooks=dict(
            checkpoint=None, logger=dict(type='LoggerHook', interval=1)), cfg=config, log_level='ERROR',
        experiment_name=f'run{len(options)}', randomness=dict(seed=0))
    runner.train()


def predicted(**options: object) -> list:
    model = distiller()
    config = Config(dict(sync_bn=options.get('sync_bn'), model_wrapper_cfg=options.get('wrapper')))
    return messages_of(model, config, try_step(model.train(), batch(2)), BATCH)


def compare(rank, work_dir):
    """Every step after the first sends what was predicted, to the byte."""
    sync_norms.install()
    for options in (dict(sync_bn='torch'), dict(wrapper=dict(bucket_cap_mb=.5), accumulated=2, sync_bn=None)):
        with pytest.MonkeyPatch.context() as patch:
            steps = Steps(Sent(patch))
            train(work_dir / str(len(options)), steps, **options)
        messages = predicted(**options)
        gradients = [message.size for message in messages if message.part == GRADIENTS]
        all_sent = Counter((message.kind, message.size) for message in messages)
        assert len(steps.steps) == 4 and len(gradients) >= (4 if 'wrapper' in options else 2)
        for number, (sent, buckets) in enumerate(steps.steps[1:], 1):
            if options.get('accumulated') and number % 2 == 0:  # gradients wait for the next step
                assert buckets == [] and sent == all_sent - Counter(('all-reduce', size) for size in gradients)
                continue
            if number > 1 or not options.get('accumulated'):  # DDP learns the order in the first step that sends
                assert buckets == gradients and sent == all_sent, (buckets, gradients, sent - all_sent, all_sent - sent)


    large_gradients()


def large_gradients():
    """DDP's own limits of 1 and 25 MiB."""
    with pytest.MonkeyPatch.context() as patch:
        layers, sent = nn.Sequential(*(nn.Linear(1024, 1024) for _ in range(9))), Sent(patch)
        model = nn.parallel.DistributedDataParallel(layers)
        model.register_comm_hook(None, sent.ddp)
        for _ in range(2):
            sent.taken()
            model(torch.ones(1, 1024)).sum().backward()
    sizes = [(FLOAT, 4 * size) for _ in range(9) for size in (1024, 1024**2)]  # bias and weight arrive from the end
    assert sent.buckets == bucket_sizes(sizes) and len(sent.buckets) == 3 and max(sent.buckets) > 25 * MIB


@pytest.mark.processes
def test_two_processes_send_what_was_predicted(tmp_path):
    run_ranks(compare, tmp_path, tmp_path / 'runs')


def test_a_bucket_is_full_with_the_gradient_that_reaches_its_limit():
    sizes = [(FLOAT, size * MIB) for size in (.5, .5, 10, 20, 24, 1, 3)]
    assert bucket_sizes(sizes) == [1 * MIB, 30 * MIB, 25 * MIB, 3 * MIB]
    assert bucket_sizes(sizes, 12) == [31 * MIB, 24 * MIB, 4 * MIB]
    assert bucket_sizes([]) == [] and sum(bucket_sizes(sizes)) == 59 * MIB


def test_types_have_buckets_of_their_own():
    assert bucket_sizes([(FLOAT, MIB), (HALF, 5), (FLOAT, 3), (HALF, 5)]) == [MIB, 10, 3]


def test_parts_by_their_closed_forms():
    model = distiller().train()
    trial = try_step(model, batch(2))
    messages = messages_of(model, Config(dict(sync_bn='torch')), trial, BATCH)
    parts = {part: [message.size for message in messages if message.part == part] for part in (GRADIENTS, NORMS, CRD)}
    assert sum(parts[GRADIENTS]) == 4 * sum(p.numel() for p in model.parameters() if p.requires_grad)
    norms = [module.num_features for module in model.student.modules() if hasattr(module, 'running_mean')]
    assert len(norms) == 20 and sum(parts[NORMS]) == sum(4 * (4 * width + 1) for width in norms)
    assert parts[CRD] == [8, BATCH * 2 * 24 * 4, BATCH * 8]
    assert [message for message in messages if message.part != NORMS] == messages_of(model, Config({}), trial, BATCH)


class Norms(BaseModel):
    """A norm that runs twice, one that is computed again for the backward pass, one that is frozen, one without use."""

    def __init__(self) -> None:
        super().__init__()
        self.twice, self.again, self.frozen, self.unused = (nn.BatchNorm2d(3) for _ in range(4))

    def forward(self, inputs, data_samples=None, mode='loss'):
        inputs = torch.stack(inputs).float()
        self.frozen.eval()
        with torch.no_grad():
            self.unused(inputs)
        output = checkpoint(self.again, self.twice(self.twice(self.frozen(inputs))), use_reentrant=False)
        return dict(loss=output.relu_().sum())


def test_norms_send_as_often_as_they_run():
    model = Norms().train()
    trial = try_step(model, batch(2))
    assert trial.forwards == Counter({model.twice: 2, model.again: 2, model.unused: 1})
    assert trial.backwards == Counter({model.twice: 2, model.again: 1})
    assert all(parameter.grad is None for parameter in model.parameters())
    assert len(trial.gradients) == 6 and trial.gradients[-1] is not model.again.weight
    model(**batch(2))['loss'].backward()  # nothing is counted any more
    assert len(trial.gradients) == 6 and trial.forwards[model.twice] == 2
