# CSWin Transformer, arXiv 2107.00652; CSWin-B, 77.4 M parameters; mmkd.CSWinTransformer
_base_ = './cswin-tiny.py'
model = dict(
    backbone=dict(arch='base', drop_path_rate=0.5),
    head=dict(in_channels=768))
