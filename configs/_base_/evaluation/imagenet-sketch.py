# ImageNet-Sketch (arXiv 1905.13549): 50,889 drawings of the 1,000 classes.
# Command: python tools/test.py CONFIG CHECKPOINT --data imagenet-sketch
test_dataloader = dict(dataset=dict(type='mmkd.ImageNetVariant', data_root='data/imagenet-sketch'))
test_evaluator = dict(type='Accuracy', topk=(1, 5))
