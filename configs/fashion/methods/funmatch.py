# FunMatch (Beyer et al., 2022, arXiv 2106.05237) between the models of Fashion-MNIST: no hard labels, KD at T=1, both
# models on the same mixed-up crop with flips, and twice the epochs of the others.
# Differs from the paper: crops keep at least 60 % of the area and 3/4 to 4/3 of the aspect, as the photographs are
# cut out already; one mixing ratio a batch; AdamW as the others, and 8,600 iterations.
# Command: python tools/train.py configs/fashion/methods/funmatch.py
# status: not run here (one CPU core, after the teacher's run); with 1 % of the labels see docs/fashion.md
_base_ = '../convnest-mini_slak-mini-kd_fashion.py'
model = dict(
    task_weight=0.0,
    terms=dict(
        _delete_=True,
        funmatch=dict(loss=dict(type='mmkd.KDLoss', temperature=1.0), student='logits', teacher='logits', weight=1.0)))

# Beta(1, 1): the ratio is uniform in 0 to 1
data_preprocessor = dict(batch_augments=dict(augments=dict(type='Mixup', alpha=1.0)))
train_pipeline = [
    dict(type='mmkd.GreyToRGB'),
    dict(type='RandomResizedCrop', scale=28, crop_ratio_range=(0.6, 1.0), aspect_ratio_range=(3. / 4., 4. / 3.)),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='PackInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
train_cfg = dict(max_epochs=20)
