"""What is assumed, and what a command line says of it."""
import pytest

from mmkd.benchmarks.scaling.setting import Setting
from mmkd.utils import UserError


def test_units():
    network = Setting.of(dict(inside_gb=900, between_gb=50, latency_us=5, gpus_per_node=4)).network
    assert (network.inside, network.between, network.latency, network.gpus_per_node) == (9e11, 5e10, 5e-6, 4)


@pytest.mark.parametrize(('options', 'words'), [
    (dict(bandwidth=1), "got 'bandwidth'.*Valid: .*between_gb"),
    (dict(between_gb=0), 'between_gb to be a finite number above 0'),
    (dict(latency_us='fast'), "latency_us to be a finite number .* got 'fast'"),
    (dict(backward_share=1), 'backward_share to be'),
    (dict(gpus_per_node=1.5), 'gpus_per_node to be a whole number'),
    (dict(teacher_ms=-1), 'teacher_ms to be'),
    (dict(student_ms=0), 'student_ms to be'),
    (dict(cores_per_gpu=True), 'cores_per_gpu to be'),
])
def test_wrong_values(options, words):
    with pytest.raises(UserError, match=words):
        Setting.of(options)
