# The "stronger recipe" of Table 1a: AdamW, 300 epochs. Its details are in an appendix that we do not have; here the
# optimizer is that of DeiT (arXiv 2012.12877) at batch 2048, and everything else that of strategy A2.
_base_ = './a2.py'

optim_wrapper = dict(optimizer=dict(type='AdamW', lr=5e-4 * 2048 / 512, weight_decay=0.05))
