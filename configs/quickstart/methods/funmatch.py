# FunMatch (Beyer et al., 2022, arXiv 2106.05237) between the quick start's models: no hard labels, KD at T=1, both
# models on the same mixed-up inception crop, and five times the quick start's epochs.
# Differs from the paper: crops keep at least 35 % of the area and 3/4 to 4/3 of the aspect, and there are no flips,
# since a small piece or a mirror image of a digit is another character; one mixing ratio a batch; AdamW of the quick
# start instead of Adam or Shampoo; 1,000 iterations, where the paper goes to 9,600 ImageNet epochs.
# Command: python tools/train.py configs/quickstart/methods/funmatch.py
# status: reproduced (two CPU cores; a row of docs/compare_methods.md)
_base_ = '../convnest-mini_slak-mini-nkd_digits-5shot.py'
model = dict(
    task_weight=0.0,
    terms=dict(
        _delete_=True,
        funmatch=dict(loss=dict(type='mmkd.KDLoss', temperature=1.0), student='logits', teacher='logits', weight=1.0)))

# Beta(1, 1): the ratio is uniform in 0 to 1
data_preprocessor = dict(batch_augments=dict(augments=dict(type='Mixup', alpha=1.0)))
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='RandomResizedCrop', scale=32, crop_ratio_range=(0.35, 1.0), aspect_ratio_range=(3. / 4., 4. / 3.)),
    dict(type='PackInputs'),
]
train_dataloader = dict(dataset=dict(dataset=dict(pipeline=train_pipeline)))
train_cfg = dict(max_epochs=50, val_interval=10)
