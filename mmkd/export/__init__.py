"""A trained model as a file that runs without mmkd: ONNX, TorchScript or PyTorch's own archive, and ONNX in int8."""
