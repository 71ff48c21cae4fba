"""Prints what the taps of a recipe or of a model read."""
import argparse
import logging
import sys

import mmkd  # noqa: F401  (before mmdet: supplies mmcv's ops where they are not compiled)
from mmengine.config import Config, ConfigDict
from mmengine.model import BaseModel
from mmengine.registry import init_default_scope

from mmkd.distillers import Distiller
from mmkd.distillers.inputs import as_size
from mmkd.distillers.models import load_model_config
from mmkd.recipes.tapped_shapes import HEADER, matching_modules, tap_shapes, term_rows
from mmkd.recipes.weightless import is_recipe, teacher_role, without_weights
from mmkd.registry import MODELS
from mmkd.utils import UserError, nearest
from mmkd.utils.command_line.cli import ToolParser, one_line_errors
from mmkd.utils.command_line.overrides import ConfigOptions
from mmkd.utils.command_line.tables import text_table
from mmkd.zoo import load_safely_everywhere

EXAMPLES = """\
No weights are read: a checkpoint need not be there. N stands for the number of images.

examples:
  python tools/analysis_tools/show_taps.py RECIPE                      the recipe's terms
  python tools/analysis_tools/show_taps.py RECIPE --all                and every tap with a name, of each model
  python tools/analysis_tools/show_taps.py mmpretrain::swin_transformer/swin-tiny_16xb64_in1k.py
  python tools/analysis_tools/show_taps.py CONFIG --modules 'backbone.stages.2.*'
"""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = ToolParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='a distillation recipe, or the config of a classifier, detector or segmentor: '
                        'a path, mmkd::… or mmpretrain::…, or the name of a model (timm:resnet50, convnest-tiny)')
    parser.add_argument('--all', action='store_true', help='list every tap with a name of its own, of student and '
                        'teachers (always done for a config without a distiller)')
    parser.add_argument('--modules', metavar='PATTERN', help="list the modules whose dotted path matches, such as "
                        "'backbone.stages.2.*'; each is a tap")
    parser.add_argument('--input-size', type=int, nargs='+', metavar='SIZE',
                        help="side, or height and width, of the images (default: the recipe's, or 224)")
    parser.add_argument('--cfg-options', nargs='+', action=ConfigOptions, metavar='KEY=VALUE',
                        help='override config entries: model.terms.fd.student=stage3')
    return parser.parse_args(argv)


def input_size(args: argparse.Namespace, config: Config) -> tuple[int, int]:
    """The size of the images: that of the command line, the recipe's, or 224."""
    sizes = args.input_size
    if not sizes:
        return as_size(config.model.get('input_size', 224))
    if len(sizes) > 2 or min(sizes) < 1:
        raise UserError(f'--input-size expects one or two positive sizes, got {sizes}. Give, for example, 224 224.')
    return sizes[0], sizes[-1]


def single_models(model: BaseModel, size: tuple[int, int]) -> dict[str, tuple[BaseModel, tuple[int, int]]]:
    """The student and the teachers of a distiller, or the one model, each with the size of its images."""
    if not isinstance(model, Distiller):
        return {'model': (model, size)}
    teachers = {teacher_role(name): (teacher.model, teacher.adapter.size or size)
                for name, teacher in model.teachers.items()}
    return {'student': (model.student, size), **teachers}


def print_models(args: argparse.Namespace, model: BaseModel, size: tuple[int, int]) -> None:
    """Prints the taps, and the modules that are asked for, of each single model."""
    models = single_models(model, size)
    chosen = {role: matching_modules(part, args.modules) if args.modules else []
              for role, (part, _) in models.items()}
    if args.modules and not any(chosen.values()):
        paths = [path for part, _ in models.values() for path, _ in part.named_modules() if path]
        raise UserError(f'--modules expects a pattern of module paths, got {args.modules!r}, which none matches. '
                        f'{nearest(args.modules, paths)}')
    for role, (part, own_size) in models.items():
        rows = tap_shapes(part, own_size) if args.all or role == 'model' else {}
        rows |= tap_shapes(part, own_size, chosen[role]) if chosen[role] else {}
        if rows:
            print(f'\n{role}: {type(part).__name__} at {own_size[0]}×{own_size[1]}')
            print(text_table(('tap', 'shape'), rows.items()))


@one_line_errors
def main() -> None:
    """Runs the tool."""
    args = parse_args()
    load_safely_everywhere()
    logging.disable(logging.WARNING)  # MMEngine logs how it initialises each parameter
    config = load_model_config(args.config, args.cfg_options)
    init_default_scope(config.get('default_scope', 'mmpretrain'))
    size = input_size(args, config)
    cfg, _ = without_weights(config)
    if is_recipe(config):
        cfg['input_size'] = size
    model = MODELS.build(ConfigDict(cfg))
    print(f'{args.config} at {size[0]}×{size[1]}, built without reading any weights')
    if isinstance(model, Distiller):
        print('\n' + text_table(HEADER, term_rows(model, config.model.terms)))
    print_models(args, model, size)


if __name__ == '__main__':
    sys.exit(main())
