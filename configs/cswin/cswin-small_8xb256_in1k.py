# Paper:   CSWin Transformer: A General Vision Transformer Backbone with Cross-Shaped Windows; Table 2, CSWin-S,
#          arXiv 2107.00652. The recipe is that of its appendix; Sec. 4.1 gives another (batch 1024, drop path 0.3)
# Command: bash tools/dist_train.sh configs/cswin/cswin-small_8xb256_in1k.py 8     (8 GPUs x 256 images = 2048)
# Figure:  83.6 top1 (35 M parameters, 6.9 G FLOPs)
# Status:  not run here; needs 8 GPUs with 80 GB (or backbone.with_cp and 40 GB) and ImageNet-1K in data/imagenet
_base_ = './cswin-tiny_8xb256_in1k.py'

model = dict(backbone=dict(arch='small', drop_path_rate=0.4))
