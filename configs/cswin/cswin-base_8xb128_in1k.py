# Paper:   CSWin Transformer: A General Vision Transformer Backbone with Cross-Shaped Windows; Table 2, CSWin-B,
#          arXiv 2107.00652. Batch and learning rate are those of Sec. 4.1 and of the authors' command for this model
# Command: bash tools/dist_train.sh configs/cswin/cswin-base_8xb128_in1k.py 8     (8 GPUs x 128 images = 1024)
# Figure:  84.2 top1 (78 M parameters, 15.0 G FLOPs)
# Status:  not run here; needs 8 GPUs with 80 GB (or backbone.with_cp and 40 GB) and ImageNet-1K in data/imagenet
_base_ = './cswin-tiny_8xb256_in1k.py'

model = dict(
    backbone=dict(arch='base', drop_path_rate=0.5),
    head=dict(in_channels=768))

train_dataloader = dict(batch_size=128)
optim_wrapper = dict(optimizer=dict(lr=1e-3, weight_decay=0.1))
custom_hooks = [dict(type='mmkd.EMAHook', momentum=8e-5, priority='ABOVE_NORMAL')]
auto_scale_lr = dict(base_batch_size=1024)
