"""Parameters and FLOPs as the papers print them."""
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """A row of a paper's table.

    Args:
        params: Millions of parameters, as printed.
        flops: Billions of FLOPs at 224×224, as printed.
        source: Paper and table.
    """
    params: str
    flops: str
    source: str


_CONVNEST = 'ConvNeSt, Table 4'
_SLAK = 'SLaK, at 40 % sparsity'
_CSWIN = 'CSWin, Table 2; with attention'
_ROWS = {
    ('ConvNeSt', 'hierarchical'): dict(
        atto=('3.6', '0.67'), femto=('5.0', '0.90'), pico=('9', '1.5'), nano=('15', '2.7'), tiny=('27', '4.8'),
        small=('50', '9.0'), base=('90', '16.1')),
    ('ConvNeSt', 'isotropic'): dict(
        atto=('3.3', '0.62'), femto=('4.1', '0.77'), pico=('7', '1.2'), nano=('11', '2.0'), tiny=('15', '3.0'),
        small=('23', '4.3'), base=('84', '16.3')),
    ('SLaK', None): dict(tiny=('30', '5.0'), small=('55', '9.8'), base=('95', '17.1')),
    ('CSWinTransformer', None): dict(
        tiny=('23', '4.3'), small=('35', '6.9'), base=('78', '15.0'), large=('173', '31.5')),
}
_SOURCES = dict(ConvNeSt=_CONVNEST, SLaK=_SLAK, CSWinTransformer=_CSWIN)


def published_complexity(backbone: Mapping) -> Published | None:
    """Looks up what the paper of a backbone prints.

    Args:
        backbone: The backbone's config.

    Returns:
        The row; None for other backbones, archs that no paper names, and other settings than the paper's.
    """
    kind = str(backbone.get('type', '')).rpartition('.')[2]
    structure = backbone.get('structure', 'hierarchical') if kind == 'ConvNeSt' else None
    plain = {'type', 'arch', 'structure', 'drop_path_rate', 'out_indices', 'gap_before_final_norm', 'init_cfg',
             'frozen_stages', 'norm_eval', 'with_cp', 'branch_norm_cfg', '_scope_'}
    arch = backbone.get('arch', 'tiny')
    if not isinstance(arch, str) or not set(backbone) <= plain:
        return None
    figures = _ROWS.get((kind, structure), {}).get(arch)
    return Published(*figures, _SOURCES[kind]) if figures else None
