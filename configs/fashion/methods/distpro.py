# DistPro (Deng et al., 2022, arXiv 2204.05547) between the models of Fashion-MNIST: nine pathways, three student stages
# to three teacher stages, whose weights are searched while the student trains.
# Differs from the paper: one run both searches and trains, on all training labels; nothing is held out, the search's
# batches are the same images in another order, cropped anew.
# In two runs, as in the paper: this one searches and writes distpro.json to its work directory; then, in a copy,
#   custom_hooks = [dict(type='mmkd.EpochSeedHook'),
#                   dict(type='mmkd.DistProProcessHook', process='work_dirs/distpro/distpro.json')]
# Command: python tools/train.py configs/fashion/methods/distpro.py
# status: not run here (one CPU core, after the teacher's run); with 1 % of the labels see docs/fashion.md
_base_ = '../convnest-mini_slak-mini-kd_fashion.py'
stages = ['stage1', 'stage2', 'stage3']
model = dict(
    terms=dict(
        _delete_=True,
        distpro=dict(loss=dict(type='mmkd.DistProLoss'), student=stages, teacher=stages, weight=1.0)))
custom_hooks = [dict(type='mmkd.EpochSeedHook'), dict(type='mmkd.DistProSearchHook')]
