# ImageNet-V2, matched frequency (arXiv 1902.10811): 10,000 images.
# Command: python tools/test.py CONFIG CHECKPOINT --data imagenet-v2
test_dataloader = dict(dataset=dict(type='mmkd.ImageNetVariant', data_root='data/imagenet-v2'))
test_evaluator = dict(type='Accuracy', topk=(1, 5))
