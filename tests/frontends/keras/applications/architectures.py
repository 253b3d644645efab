"""Which networks of keras.applications, and how large their images are."""

from __future__ import annotations

SIZES = {
    "MobileNet": 64, "MobileNetV2": 64, "MobileNetV3Small": 64, "VGG16": 64, "ResNet50": 64, "DenseNet121": 64,
    "EfficientNetB0": 64, "EfficientNetV2B0": 64, "ConvNeXtTiny": 64, "Xception": 96, "InceptionV3": 96,
    "ResNet50V2": 64, "MobileNetV3Large": 64, "NASNetMobile": 64, "VGG19": 64, "EfficientNetB1": 64,
    "EfficientNetV2B1": 64, "DenseNet169": 64, "ResNet101": 64, "ResNet101V2": 64, "EfficientNetB2": 64,
    "EfficientNetV2B2": 64, "EfficientNetB3": 64, "EfficientNetV2B3": 64, "ConvNeXtSmall": 64, "EfficientNetV2S": 64,
    "DenseNet201": 64, "EfficientNetB4": 64, "ResNet152": 64, "ResNet152V2": 64, "InceptionResNetV2": 96,
}  # fmt: skip
"""Side lengths of the images, in pixels; each family's smallest come first."""

TIMED = ("MobileNetV2", "ResNet50", "DenseNet121", "EfficientNetB0", "VGG16")
"""Networks that are converted several times, all converters in turns."""

TURNS = 3
"""How often those of `TIMED` are."""

INTEGERS = ("MobileNet", "MobileNetV2", "MobileNetV3Small", "ResNet50", "EfficientNetB0", "VGG16")
"""Networks of which TensorFlow's converter makes one of integers, too."""
