# EVA, arXiv 2211.07636; BEiT-L/14 at 196x196, ScaleKD's teacher; 304.14 M parameters; mmpretrain
_base_ = 'mmpretrain::_base_/models/eva/eva-l.py'
model = dict(
    backbone=dict(img_size=196),
    data_preprocessor=dict(
        num_classes=1000,
        # CLIP's
        mean=[0.48145466 * 255, 0.4578275 * 255, 0.40821073 * 255],
        std=[0.26862954 * 255, 0.26130258 * 255, 0.27577711 * 255],
        to_rgb=True))
