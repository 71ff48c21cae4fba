# ImageNet-C (arXiv 1903.12261): 15 corruptions of 5 severities of the validation images. They are 224x224 already, so
# that they are not resized; a model of another input size needs a pipeline of its own.
# Command: python tools/test.py CONFIG CHECKPOINT --data imagenet-c
test_dataloader = dict(dataset=dict(
    type='mmkd.ImageNetC', data_root='data/imagenet-c', pipeline=[
        dict(type='LoadImageFromFile'),
        dict(type='CenterCrop', crop_size=224),
        dict(type='PackInputs')]))
test_evaluator = dict(type='mmkd.MeanCorruptionError')
