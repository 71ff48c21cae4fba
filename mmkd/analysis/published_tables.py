"""What the papers' tables print: millions of parameters and billions of FLOPs, by image size and backbone."""
from typing import NamedTuple


class Table(NamedTuple):
    """The rows of a table that share task, image size and family of backbones.

    Args:
        source: Paper and table, and what is special about the figures.
        task: ``'classifier'``, or what is built around the backbone.
        size: Height and width of the image.
        family: Family of the backbone.
        rows: Lines of arch, parameters and FLOPs; ``-`` for a figure that the table lacks.
    """
    source: str
    task: str
    size: tuple[int, int]
    family: str
    rows: str


_224, _384 = (224, 224), (384, 384)
_COCO, _ADE = (800, 1280), (512, 2048)
_TABLE4, _TABLE5, _TABLE6 = 'ConvNeSt, Table 4', 'ConvNeSt, Table 5', 'ConvNeSt, Table 6'
_ATTENTION = '; with attention'
_SPARSE = 'SLaK, at 40 % sparsity'
_SCALEKD = 'ScaleKD, Table 3'
_CONVNEXT, _CSWIN, _SLAK = (f"the authors' README of {name}" for name in ('ConvNeXt', 'CSWin', 'SLaK'))
_MASK, _CASCADE, _UPERNET = 'Mask R-CNN', 'Cascade Mask R-CNN', 'UperNet'

TABLES = (
    Table(_TABLE4, 'classifier', _224, 'ConvNeSt', """
        atto 3.6 0.67;  femto 5.0 0.90;  pico 9 1.5;  nano 15 2.7;  tiny 27 4.8;  small 50 9.0;  base 90 16.1"""),
    Table(_TABLE4, 'classifier', _384, 'ConvNeSt', 'base 90 47.4'),
    Table(_TABLE4, 'classifier', _224, 'ConvNeSt isotropic', """
        atto 3.3 0.62;  femto 4.1 0.77;  pico 7 1.2;  nano 11 2.0;  tiny 15 3.0;  small 23 4.3;  base 84 16.3"""),
    Table(_TABLE4, 'classifier', _224, 'ConvNeXt', """
        atto 3.7 0.55;  femto 5.2 0.78;  pico 9 1.4;  nano 16 2.5;  tiny 29 4.5;  small 50 8.7;  base 89 15.4"""),
    Table(_TABLE4, 'classifier', _384, 'ConvNeXt', 'base 89 45.0'),
    Table(_CONVNEXT, 'classifier', _224, 'ConvNeXt', 'large 198 34.4;  xlarge 350 60.9'),
    Table(_CONVNEXT, 'classifier', _384, 'ConvNeXt', """
        tiny 29 13.1;  small 50 25.5;  large 198 101.0;  xlarge 350 179.0"""),
    Table(_TABLE4, 'classifier', _224, 'ConvNeXt isotropic', """
        12x176 3.4 0.63;  12x192 4.0 0.75;  12x256 7 1.3;  12x320 11 2.0;  12x384 15 2.9;  18x384 22 4.3;
        18x768 87 16.9"""),
    Table('Huang et al., Table 6', 'classifier', _224, 'ConvNeXt V2', 'tiny 29 4.5'),
    Table(_SPARSE, 'classifier', _224, 'SLaK', 'tiny 30 5.0;  small 55 9.8;  base 95 17.1'),
    Table(_SLAK, 'classifier', _224, 'SLaK 31x31', 'tiny 30 4.8'),
    Table(_SLAK, 'classifier', _224, 'SLaK 61x61', 'tiny 31 5.2'),
    Table(f'CSWin, Table 2{_ATTENTION}', 'classifier', _224, 'CSWin', """
        tiny 23 4.3;  small 35 6.9;  base 78 15.0;  large 173 31.5"""),
    Table(f'CSWin, Table 2{_ATTENTION}', 'classifier', _384, 'CSWin, wide stripes', 'base 78 47.0'),
    Table(f'{_TABLE4}{_ATTENTION}', 'classifier', _224, 'Swin', 'tiny 28 4.5;  small 50 8.7;  base 89 15.4'),
    Table(_SCALEKD, 'classifier', _224, 'Swin', 'large 196.53 34.04'),
    Table(f'{_TABLE4}{_ATTENTION}', 'classifier', _224, 'ViT/16', """
        deit-tiny 6 1.3;  deit-small 22 4.6;  deit-base 86 17.6"""),
    Table(f'{_SCALEKD}{_ATTENTION}', 'classifier', _224, 'ViT/14', 'deit-base 86.57 23.09'),
    Table(f'ScaleKD, Table 14{_ATTENTION}', 'classifier', (336, 336), 'EVA-02/14', 's 22.13 15.51'),
    Table(_SCALEKD, 'classifier', _224, 'Mixer/16', 's 18.53 3.78;  b 59.88 12.61'),
    Table(_SCALEKD, 'classifier', _224, 'Mixer/14', 'b 59.88 16.45'),
    Table(_SCALEKD, 'classifier', _224, 'ResNet', '50 25.56 4.12'),
    Table(_SCALEKD, 'classifier', _224, 'timm', 'mobilenetv1_100 4.23 0.58'),

    Table(_TABLE5, _MASK, _COCO, 'ConvNeSt', 'atto - 183;  femto - 188;  pico - 200;  nano - 224;  tiny - 268'),
    Table(_TABLE5, _MASK, _COCO, 'ConvNeXt', 'atto - 181;  femto - 186;  pico - 198;  nano - 221;  tiny - 262'),
    Table(f'{_TABLE5}{_ATTENTION}', _MASK, _COCO, 'Swin', 'tiny - 267'),
    Table(f'{_CSWIN}{_ATTENTION}', _MASK, _COCO, 'CSWin', 'tiny 42 279;  small 54 342;  base 97 526'),
    Table(_TABLE5, _CASCADE, _COCO, 'ConvNeSt', 'atto - 661;  femto - 666;  pico - 679;  nano - 703;  tiny - 746'),
    Table(_TABLE5, _CASCADE, _COCO, 'ConvNeXt', 'atto - 659;  femto - 664;  pico - 677;  nano - 699;  tiny - 741'),
    Table(_CONVNEXT, _CASCADE, _COCO, 'ConvNeXt', """
        small 108 827;  base 146 964;  large 255 1354;  xlarge 407 1898"""),
    Table(f'{_TABLE5}{_ATTENTION}', _CASCADE, _COCO, 'Swin', 'tiny - 745'),
    Table(f'{_CSWIN}{_ATTENTION}', _CASCADE, _COCO, 'CSWin', 'tiny 80 757;  small 92 820;  base 135 1004'),

    Table(_TABLE6, _UPERNET, _ADE, 'ConvNeSt', 'atto 31 852;  femto 33 858;  pico 36 871;  nano 43 896;  tiny 56 941'),
    Table(_TABLE6, _UPERNET, _ADE, 'ConvNeXt', """
        atto 32 852;  femto 34 857;  pico 39 871;  nano 46 895;  tiny 60 939;  small 82 1027"""),
    Table(_CONVNEXT, _UPERNET, _ADE, 'ConvNeXt', 'base 122 1170'),
    Table(f'{_TABLE6}{_ATTENTION}', _UPERNET, _ADE, 'Swin', 'tiny 60 945;  small 81 1038'),
    Table(f'{_CSWIN}{_ATTENTION}', _UPERNET, _ADE, 'CSWin', 'tiny 60 959;  small 65 1027;  base 109 1222'),
    Table(f'{_SLAK}, at 40 % sparsity', _UPERNET, _ADE, 'SLaK', 'tiny 65 936;  small 91 1028;  base 135 1172'),
)
