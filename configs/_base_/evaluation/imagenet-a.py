# ImageNet-A (arXiv 1907.07174): 7,500 images of 200 classes, among which the model has to choose.
# Command: python tools/test.py CONFIG CHECKPOINT --data imagenet-a
test_dataloader = dict(dataset=dict(type='mmkd.ImageNetVariant', data_root='data/imagenet-a'))
test_evaluator = dict(type='mmkd.SubsetAccuracy', subset='imagenet-a', topk=(1, 5))
