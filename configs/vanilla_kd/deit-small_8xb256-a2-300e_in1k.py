# Paper:   Revisit the Power of Vanilla Knowledge Distillation: from Small Scale to Large Scale; Table 6, DeiT-S without
#          a teacher
# Command: bash tools/dist_train.sh configs/vanilla_kd/deit-small_8xb256-a2-300e_in1k.py 8
# Figure:  79.90 top1
# Differs: the paper names strategy A2, hence LAMB; rates of 3e-4 to 7e-4 are rather usual of AdamW, which is
#          --cfg-options optim_wrapper.optimizer.type=AdamW. Of the student alone the paper gives neither rate nor decay
# Status:  not run here; needs 8 GPUs with 32 GB or more and ImageNet-1K in data/imagenet
_base_ = ['../_base_/models/deit-small.py', './_base_/strategies/a2.py']

model = dict(
    backbone=dict(drop_path_rate=0.05),
    head=dict(loss=dict(
        _delete_=True, type='CrossEntropyLoss', use_sigmoid=True, loss_weight=1e-3)),  # a mean over the 1000 classes
    train_cfg=dict(augments=[dict(type='Mixup', alpha=0.1), dict(type='CutMix', alpha=1.0)]))

optim_wrapper = dict(
    optimizer=dict(lr=5e-4, weight_decay=0.05),
    paramwise_cfg=dict(custom_keys={'.cls_token': dict(decay_mult=0.), '.pos_embed': dict(decay_mult=0.)}))
