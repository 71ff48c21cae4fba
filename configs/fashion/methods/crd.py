# CRD (Tian et al., 2020) between the models of Fashion-MNIST, with the usual weight of 0.8.
# num_samples is the number of training images. 1,024 negatives in place of 16,384, which would take longer than the
# models on a CPU.
# Command: python tools/train.py configs/fashion/methods/crd.py
# status: not run here (one CPU core, after the teacher's run); with 1 % of the labels see docs/fashion.md
_base_ = '../convnest-mini_slak-mini-kd_fashion.py'
model = dict(
    terms=dict(
        _delete_=True,
        crd=dict(
            loss=dict(type='mmkd.CRDLoss', num_samples=55000, negatives=1024),
            student='pre_logits',
            teacher='pre_logits',
            weight=0.8)))
