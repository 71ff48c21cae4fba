# CRD (Tian et al., 2020) between the quick start's models, with the usual weight of 0.8.
# num_samples is the length of the annotation file: the repeated dataset gives each of the 50 images its own index.
# Command: python tools/train.py configs/quickstart/methods/crd.py
# status: reproduced (two CPU cores; a row of docs/compare_methods.md)
_base_ = '../convnest-mini_slak-mini-nkd_digits-5shot.py'
model = dict(
    terms=dict(
        _delete_=True,
        crd=dict(
            loss=dict(type='mmkd.CRDLoss', num_samples=50, negatives=32),
            student='pre_logits',
            teacher='pre_logits',
            weight=0.8)))
