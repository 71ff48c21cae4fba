"""What standardisations share: estimating over the first steps, freezing, and being saved."""
import torch
from mmengine.dist import all_reduce, broadcast
from mmengine.logging import print_log
from torch import Tensor, nn

from mmkd.losses.checks import at_least_fp32, shape_of
from mmkd.utils import UserError
from mmkd.utils.building.arguments import check_arguments, whole
from mmkd.utils.precision import full_precision

PLAUSIBLE = 0.1, 10.  # mean square of features that the estimate shall give a mean square of 1


class Standardisation(nn.Module):
    r"""An affine map :math:`A(x - \mu)` of a teacher's features, estimated from the first training steps.

    Each of the first ``steps`` training passes adds its vectors to sums in float64, over all processes, so that each of
    them has the same. The last of these passes makes the map, which stays as it is from then on. Until then features
    are left alone, and the term's loss counts nothing; see :class:`~mmkd.distillers.term.Term`. Sums and map are part
    of a checkpoint: a resumed run goes on with them and estimates nothing anew, one with ``load_from`` estimates anew.

    Attributes:
        averages_buffers: False tells a running average of the model to copy the buffers: an average of two rotations is
            none.
        buffers_follow_teacher: True has them start anew where a run begins with the weights of another; see
            :func:`~mmkd.zoo.loading.start_weights`.

    Args:
        teacher_channels: Width of the teacher's tap. Inferred from the tap in a recipe.
        steps: Training passes that the estimate takes.

    Shapes: (N, C), tokens (N, L, C) or maps (N, C, H, W) → the same. Each vector of C channels counts once.

    Raises:
        UserError: An argument is no whole number from 1.
    """

    averages_buffers = False
    buffers_follow_teacher = True
    second_moment_dims = 1  # of what is summed to know the variances: 1 for channels by themselves, 2 for all pairs

    def __init__(self, teacher_channels: int, steps: int = 100) -> None:
        super().__init__()
        check_arguments(self, teacher_channels=(teacher_channels, whole()), steps=(steps, whole()))
        self.channels, self.steps = teacher_channels, steps
        shape = (teacher_channels, ) * self.second_moment_dims
        self.register_buffer('progress', torch.zeros(2, dtype=torch.long))  # passes taken in; whether it is estimated
        self.register_buffer('count', torch.zeros((), dtype=torch.float64))
        self.register_buffer('sums', torch.zeros(teacher_channels, dtype=torch.float64))
        self.register_buffer('products', torch.zeros(shape, dtype=torch.float64))
        self.register_buffer('mean', torch.zeros(teacher_channels))
        self.register_buffer('map', torch.zeros(shape))
        self._seen, self.is_estimated, self._is_trusted = 0, False, True

    def forward(self, features: Tensor) -> Tensor:
        """Standardises what a tap has read; see the class for shapes.

        Raises:
            UserError: The features have another form, do not vary, or do not fit an estimate that was loaded.
        """
        features = at_least_fp32(features.detach())
        self._check(features)
        with torch.no_grad(), full_precision(features.device.type):
            if self.training and not self.is_estimated:
                self._take_in(_vectors(features))
            if not self.is_estimated:
                return features
            result = self._standardise(_vectors(features) - self.mean.to(features.dtype))
            if self.training and not self._is_trusted:
                self._trust(result)
        return _shaped(result, features)

    def hurry(self) -> None:
        """Has the estimate end with the next training pass, for a trial of one batch."""
        self._seen = self.steps - 1

    def _estimate(self, mean: Tensor, products: Tensor) -> Tensor:
        """The map A, from the mean and the mean of the (products of) squares, all in float64 on the CPU."""
        raise NotImplementedError(f'{type(self).__name__} does not say how it estimates')

    def _standardise(self, centred: Tensor) -> Tensor:
        """Applies the map to centred vectors (M, C)."""
        raise NotImplementedError(f'{type(self).__name__} does not say how it standardises')

    def _take_in(self, vectors: Tensor) -> None:
        vectors = vectors.double()
        products = vectors.T @ vectors if self.second_moment_dims == 2 else vectors.square().sum(0)
        new = torch.cat([vectors.new_tensor([len(vectors)]), vectors.sum(0), products.flatten()])
        all_reduce(new)
        self.count += new[0]
        self.sums += new[1:1 + self.channels]
        self.products += new[1 + self.channels:].view_as(self.products)
        self._seen += 1
        self.progress[0] += 1
        if self._seen >= self.steps:
            self._freeze()

    def _freeze(self) -> None:
        count, sums, products = (value.cpu() for value in (self.count, self.sums, self.products))
        mean, products = sums / count, products / count
        variance = (products.diagonal() if products.dim() == 2 else products) - mean.square()
        if not (variance.isfinite().all() and variance.mean() > 1e-12 * products.abs().max()):
            raise UserError(f'{type(self).__name__} expects features that are finite and vary, got {int(count)} '
                            f'vectors with a mean variance of {float(variance.mean()):.3g}. Check the tap and the '
                            'weights of the teacher.')
        self.mean.copy_(mean)
        self.map.copy_(self._estimate(mean, products))
        broadcast(self.mean)  # another machine's linear algebra may round otherwise
        broadcast(self.map)
        self.progress[1] = 1
        self.is_estimated = True
        print_log(f'{type(self).__name__}: estimated from {int(count)} vectors of {self.channels} channels, whose mean '
                  f'standard deviation is {float(variance.mean().sqrt()):.4g}.', logger='current')

    def _check(self, features: Tensor) -> None:
        axis = 2 if features.dim() == 3 else 1
        if features.dim() not in (2, 3, 4) or features.shape[axis] != self.channels:
            raise UserError(f'{type(self).__name__} expects features (N, {self.channels}), tokens '
                            f'(N, L, {self.channels}) or maps (N, {self.channels}, H, W), got {shape_of(features)}. '
                            'Tap one of these.')

    def _trust(self, result: Tensor) -> None:
        """Compares the first batch after loading with the estimate."""
        square = float(result.square().mean())
        if not PLAUSIBLE[0] <= square <= PLAUSIBLE[1]:
            raise UserError(f'{type(self).__name__} expects features like those of which its checkpoint has the '
                            f'estimate, got some with a mean square of {square:.3g} in place of 1. The checkpoint is '
                            'of another teacher, tap or normalisation: start without it.')
        self._is_trusted = True

    def _load_from_state_dict(self, *args: object) -> None:
        super()._load_from_state_dict(*args)
        if not self.progress.is_meta:
            self._seen, estimated = self.progress.tolist()
            self.is_estimated = bool(estimated)
            self._is_trusted = not self.is_estimated


def _vectors(features: Tensor) -> Tensor:
    if features.dim() == 4:
        features = features.permute(0, 2, 3, 1)  # (N, H, W, C)
    return features.reshape(-1, features.shape[-1])


def _shaped(vectors: Tensor, like: Tensor) -> Tensor:
    if like.dim() != 4:
        return vectors.view(like.shape)
    return vectors.view(len(like), *like.shape[2:], -1).permute(0, 3, 1, 2)  # (N, C, H, W)
