"""ONNX graphs: building, quantization and latency."""
