# CSWin Transformer, arXiv 2107.00652; CSWin-S, 34.6 M parameters; mmkd.CSWinTransformer
_base_ = './cswin-tiny.py'
model = dict(backbone=dict(arch='small', drop_path_rate=0.4))
