# ImageNet-ReaL: the validation images of ImageNet-1K with the labels of arXiv 2006.07159.
# Command: python tools/test.py CONFIG CHECKPOINT --data imagenet-real
test_dataloader = dict(dataset=dict(type='ImageNet', data_root='data/imagenet', split='val'))
test_evaluator = [dict(type='Accuracy', topk=(1, 5)), dict(type='mmkd.ReaLAccuracy')]
