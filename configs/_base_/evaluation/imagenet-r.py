# ImageNet-R (arXiv 2006.16241): 30,000 images of 200 classes, among which the model has to choose.
# Command: python tools/test.py CONFIG CHECKPOINT --data imagenet-r
test_dataloader = dict(dataset=dict(type='mmkd.ImageNetVariant', data_root='data/imagenet-r'))
test_evaluator = dict(type='mmkd.SubsetAccuracy', subset='imagenet-r', topk=(1, 5))
