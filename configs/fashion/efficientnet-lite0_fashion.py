# Another teacher on Fashion-MNIST: an EfficientNet-Lite0 that has learned ImageNet, on images of 64×64.
# Put its weights in place: docs/fashion.md
# Command: python tools/train.py configs/fashion/efficientnet-lite0_fashion.py
# status: not run here as it stands (one CPU core; with OpenCV's bilinear resize, seed 0: top-1 93.0 on the test set)
_base_ = ['_base_/datasets/fashion_cls.py', '_base_/schedule_cls.py', '_base_/runtime.py']
model = dict(
    type='mmpretrain.TimmClassifier',
    model_name='tf_efficientnet_lite0',
    pretrained=True,
    pretrained_cfg_overlay=dict(file='checkpoints/tf_efficientnet_lite0.pth'),
    num_classes=10,
    loss=dict(type='CrossEntropyLoss'))
data_preprocessor = dict(mean=[127.] * 3, std=[128.] * 3)

# as a distiller resizes the student's images for its teacher
resize = dict(type='Resize', scale=64, interpolation='bicubic', backend='pillow')
train_pipeline = [
    dict(type='mmkd.GreyToRGB'),
    dict(type='RandomCrop', crop_size=28, padding=2),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    resize,
    dict(type='PackInputs'),
]
test_pipeline = [
    dict(type='mmkd.GreyToRGB'),
    resize,
    dict(type='PackInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

optim_wrapper = dict(optimizer=dict(lr=1e-3))
train_cfg = dict(max_epochs=5)
custom_hooks = [dict(type='mmkd.EpochSeedHook'), dict(type='mmkd.ChannelsLastHook')]
