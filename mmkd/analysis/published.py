"""Parameters and FLOPs as the papers print them."""
from collections.abc import Mapping
from dataclasses import dataclass

from .published_tables import TABLES


@dataclass(frozen=True)
class Published:
    """A row of a paper's table.

    Args:
        params: Millions of parameters, as printed; ``-`` where the table has none.
        flops: Billions of FLOPs for the image in question, as printed; ``-`` where the table has none.
        source: Paper and table.
    """
    params: str
    flops: str
    source: str


# Family of the tables to type of the backbone, and the settings that make it up besides the arch
_FAMILIES = {
    'ConvNeSt': ('ConvNeSt', {}),
    'ConvNeSt isotropic': ('ConvNeSt', dict(structure='isotropic')),
    'ConvNeXt': ('ConvNeXt', {}),
    'ConvNeXt isotropic': ('ConvNeXt', dict(stem_patch_size=16)),
    'ConvNeXt V2': ('ConvNeXt', dict(use_grn=True)),
    'SLaK': ('SLaK', {}),
    'SLaK 31x31': ('SLaK', dict(kernel_sizes=(31, 29, 27, 13))),
    'SLaK 61x61': ('SLaK', dict(kernel_sizes=(61, 59, 57, 13))),
    'CSWin': ('CSWinTransformer', {}),
    'CSWin, wide stripes': ('CSWinTransformer', dict(stripe_widths=(1, 2, 12))),
    'Swin': ('SwinTransformer', {}),
    'ViT/16': ('VisionTransformer', dict(patch_size=16)),
    'ViT/14': ('VisionTransformer', dict(patch_size=14)),
    'EVA-02/14': ('ViTEVA02', dict(patch_size=14)),
    'Mixer/16': ('MlpMixer', dict(patch_size=16)),
    'Mixer/14': ('MlpMixer', dict(patch_size=14)),
    'ResNet': ('ResNet', {}),
}
_DEFAULTS = dict(
    structure='hierarchical', use_grn=False, kernel_sizes=(51, 49, 47, 13), stripe_widths=(1, 2, 7),
    window_size=7, mlp_ratio=4, qkv_bias=True, qk_scale=None, patch_norm=True, strides=(4, 2, 2, 2),
    use_abs_pos_embed=False, num_stages=4, style='pytorch')
# Leave parameters and FLOPs as they are, or nearly so (a scale, a norm), or say the arch
_PLAIN = {
    'type', '_scope_', 'arch', 'depth', 'embed_dims', 'depths', 'init_cfg', 'img_size', 'pretrain_img_size',
    'out_indices', 'drop_rate', 'drop_path_rate', 'attn_drop_rate', 'frozen_stages', 'norm_eval', 'with_cp',
    'norm_cfg', 'branch_norm_cfg', 'act_cfg', 'gap_before_final_norm', 'layer_scale_init_value', 'convert_weights',
    'out_type', 'final_norm', 'num_heads'}
_SWIN_ARCHS = {(96, (2, 2, 6, 2)): 'tiny', (96, (2, 2, 18, 2)): 'small', (128, (2, 2, 18, 2)): 'base',
               (192, (2, 2, 18, 2)): 'large'}


def published_complexity(model: Mapping, shape: tuple[int, int, int] = (3, 224, 224)) -> Published | None:
    """Looks up what the papers print for a model.

    Args:
        model: The model's config.
        shape: Shape of the image, (C, H, W).

    Returns:
        The row; None for other models, archs that no paper names, and other settings than the paper's.
    """
    task, family, arch = _task(model), _family(model), _arch(model)
    for table in TABLES:
        if (table.task, table.family, (3, *table.size)) == (task, family, tuple(shape)):
            for row in table.rows.split(';'):
                name, *figures = row.split()
                if name == arch:
                    return Published(*figures, table.source)
    return None


def _task(model: Mapping) -> str | None:
    """What is built around the backbone."""
    kind, head = _type(model), model.get('roi_head') or {}
    if kind in ('ImageClassifier', 'TimmClassifier'):
        return 'classifier'
    if kind in ('MaskRCNN', 'CascadeRCNN') and head.get('mask_head') and _type(model.get('neck')) == 'FPN':
        return 'Mask R-CNN' if kind == 'MaskRCNN' else 'Cascade Mask R-CNN'
    return 'UperNet' if kind == 'EncoderDecoder' and _type(model.get('decode_head')) == 'UPerHead' else None


def _family(model: Mapping) -> str | None:
    """The family of the backbone, if all its settings are that family's."""
    if _type(model) == 'TimmClassifier':
        return 'timm'
    backbone = model.get('backbone') or {}
    settings = {}
    for key, value in backbone.items():
        value = tuple(value) if isinstance(value, list) else value
        if key not in _PLAIN and not (key in _DEFAULTS and _DEFAULTS[key] == value):
            settings[key] = value
    if _type(backbone) == 'SwinTransformer' and settings.get('patch_size') == 4:
        del settings['patch_size']
    return next((name for name, family in _FAMILIES.items() if family == (_type(backbone), settings)), None)


def _arch(model: Mapping) -> str | None:
    """The size of the backbone, as the tables name it."""
    backbone = model.get('backbone') or {}
    if _type(model) == 'TimmClassifier':
        return str(model.get('model_name'))
    if 'embed_dims' in backbone:  # Swin in mmdet and mmseg
        return _SWIN_ARCHS.get((backbone['embed_dims'], tuple(backbone.get('depths', (2, 2, 6, 2)))))
    arch = backbone.get('arch', backbone.get('depth', 'tiny'))
    if isinstance(arch, Mapping):
        sizes = list(arch.get('depths', ())), list(arch.get('channels', ()))
        return f'{sizes[0][0]}x{sizes[1][0]}' if all(len(size) == 1 for size in sizes) else None
    return str(arch)


def _type(cfg: Mapping | None) -> str:
    return str((cfg or {}).get('type', '')).rpartition('.')[2]
