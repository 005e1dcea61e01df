"""The other side of `cargo xtask bench --peer`: SAM's own image encoder as users run it, timed on request.

Started by the bench as a child process. Speaks JSON, one object a line: requests on standard input, answers
on standard output.

    {"load": "encoder", "program": "pytorch", "id": ID, "input": 224, "batch": 1}   -> {"id": ID, "parameters": N}
    {"load": "training", "program": "pytorch", "id": ID, "input": 224, "batch": 8}  -> {"id": ID, "parameters": N}
    {"run": ID, "passes": 3}                                  -> {"seconds": [s, s, s]}
    {"peak": ID}                                              -> {"mib": M or null}

It first says, in two lines, what it runs on, and which programs its packages allow:

    pytorch           eager
    torch_compile     `torch.compile`
    onnxruntime       ONNX Runtime, f32                               (onnx, onnxruntime)
    onnxruntime_int8  the same, quantised by `quantize_dynamic`        (onnx, onnxruntime)
    openvino          OpenVINO, f32                                   (openvino)
    openvino_bf16     the same with the hint bf16                     (openvino)
    openvino_int8     the same, quantised by NNCF on random inputs    (openvino, nncf)

With `--device cuda` it computes on an NVIDIA GPU, in PyTorch alone; a pass ends when the GPU is done.

`encoder` is ViT-B, the official `segment_anything` code with random weights; at sizes other than 1024 its
tables have the size that the input needs. `training` is one step of AdamW on a ViT-S/14 encoder with the
official neck and a bottleneck adapter parallel to each MLP: the backbone is frozen but for its LayerNorms.
Needs torch and segment-anything (and torchvision, which segment-anything imports); for the others, as named above:

    pip install torch torchvision segment-anything onnx onnxruntime openvino nncf
"""

import argparse
import importlib.metadata
import json
import os
import sys
import tempfile
import time
from functools import lru_cache, partial

import torch
from segment_anything.modeling.image_encoder import Block, ImageEncoderViT
from torch import nn
from torch.nn import functional as F


@lru_cache
def sam_vit_b(size: int) -> ImageEncoderViT:
    """As `build_sam_vit_b` builds it; one model serves all batch sizes."""
    return ImageEncoderViT(
        img_size=size,
        patch_size=16,
        embed_dim=768,
        depth=12,
        num_heads=12,
        mlp_ratio=4,
        out_chans=256,
        qkv_bias=True,
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
        use_rel_pos=True,
        rel_pos_zero_init=False,
        window_size=14,
        global_attn_indexes=(2, 5, 8, 11),
    )


class AdapterBlock(Block):
    """A block with layer scale, PyTorch's own fused attention, and an adapter parallel to the MLP."""

    def __init__(self, dim: int, num_heads: int, reduction: int):
        super().__init__(dim, num_heads, norm_layer=partial(nn.LayerNorm, eps=1e-6))
        self.layer_scale1 = nn.Parameter(torch.ones(dim))
        self.layer_scale2 = nn.Parameter(torch.ones(dim))
        self.down = nn.Linear(dim, dim // reduction)
        self.up = nn.Linear(dim // reduction, dim)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, h, w, d = x.shape
        heads = self.attn.num_heads
        qkv = self.attn.qkv(self.norm1(x)).reshape(b, h * w, 3, heads, d // heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        attended = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, h, w, d)
        x = x + self.layer_scale1 * self.attn.proj(attended)
        normal = self.norm2(x)
        adapted = self.up(F.gelu(self.down(normal)))
        return x + self.layer_scale2 * self.mlp(normal) + adapted


class AdapterViTS(ImageEncoderViT):
    """ViT-S/14 with adapters and a final LayerNorm, then SAM's neck."""

    def __init__(self, size: int, reduction: int = 4):
        super().__init__(
            img_size=size, patch_size=14, embed_dim=384, depth=12, num_heads=6, use_rel_pos=False, window_size=0
        )
        self.blocks = nn.ModuleList(AdapterBlock(384, 6, reduction) for _ in range(12))
        self.norm = nn.LayerNorm(384, eps=1e-6)
        for name, parameter in self.named_parameters():
            trained = name.startswith(("neck.", "norm.")) or ".norm" in name or ".down." in name or ".up." in name
            parameter.requires_grad_(trained)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.patch_embed(x) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        return self.neck(self.norm(x).permute(0, 3, 1, 2))


class EncoderSubject:
    """A pass of `step`, and the model that it computes."""

    def __init__(self, program: str, size: int, batch: int, device: str, threads: int):
        self.model = sam_vit_b(size).eval().requires_grad_(False).to(device)
        images = torch.randn(batch, 3, size, size).to(device)
        run = RUNNERS[program](self.model, images, threads)

        def step() -> None:
            with torch.inference_mode():
                run()

        self.step = step


def eager(model, images, _threads):
    return lambda: model(images)


def compiled(model, images, _threads):
    # A batch size and input is compiled for itself: compiling for any takes minutes.
    model = torch.compile(model, dynamic=False)
    return lambda: model(images)


def onnx_file(model, images, folder: str) -> str:
    path = os.path.join(folder, "encoder.onnx")
    torch.onnx.export(model, (images,), path, input_names=["images"], opset_version=17, dynamo=False)
    return path


def onnx_runtime(model, images, threads, quantised=False):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    with tempfile.TemporaryDirectory() as folder:
        path = onnx_file(model, images, folder)
        if quantised:
            from onnxruntime.quantization import quantize_dynamic

            narrow = os.path.join(folder, "int8.onnx")
            quantize_dynamic(path, narrow)
            path = narrow
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    inputs = {"images": images.numpy()}
    return lambda: session.run(None, inputs)


def open_vino(model, images, threads, precision="f32", quantised=False):
    import openvino

    with tempfile.TemporaryDirectory() as folder:
        graph = openvino.Core().read_model(onnx_file(model, images, folder))
        if quantised:
            import nncf

            samples = nncf.Dataset([torch.randn_like(images).numpy() for _ in range(4)])
            graph = nncf.quantize(graph, samples, model_type=nncf.ModelType.TRANSFORMER, subset_size=4)
        settings = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": precision}
        network = openvino.Core().compile_model(graph, "CPU", settings)
    inputs = images.numpy()
    return lambda: network(inputs)


RUNNERS = {
    "pytorch": eager,
    "torch_compile": compiled,
    "onnxruntime": onnx_runtime,
    "onnxruntime_int8": partial(onnx_runtime, quantised=True),
    "openvino": open_vino,
    "openvino_bf16": partial(open_vino, precision="bf16"),
    "openvino_int8": partial(open_vino, quantised=True),
}
PACKAGES = {"onnxruntime": ["onnx", "onnxruntime"], "openvino": ["onnx", "openvino"]}


def versions(names) -> dict:
    """Of those of the packages that there are."""
    found = {}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            pass
    return found


def programs(device: str, packages: dict) -> list:
    if device != "cpu":
        return ["pytorch"]

    def needed(program: str) -> list:
        return PACKAGES.get(program.split("_")[0], []) + (["nncf"] if program == "openvino_int8" else [])

    return [program for program in RUNNERS if all(package in packages for package in needed(program))]


class TrainingSubject:
    def __init__(self, _program: str, size: int, batch: int, device: str, _threads: int):
        self.model = AdapterViTS(size).train().to(device)
        trained = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.AdamW(trained, lr=1e-4, weight_decay=0.01, fused=True)
        self.images = torch.randn(batch, 3, size, size).to(device)

    def step(self) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        self.model(self.images).square().mean().backward()
        self.optimizer.step()


SUBJECTS = {"encoder": EncoderSubject, "training": TrainingSubject}


def peak_mib():
    """Peak resident memory since it was last reset, as Linux counts it."""
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        return None


def reset_peak() -> None:
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        pass


def timed(step) -> float:
    started = time.perf_counter()
    step()
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    threads = arguments.threads
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    # Whatever a library prints goes to standard error; the answers keep standard output to themselves.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    def answer(**fields) -> None:
        answers.write(json.dumps(fields) + "\n")

    packages = versions(["onnx", "onnxruntime", "openvino", "nncf"])
    answer(
        python=sys.version.split()[0],
        torch=torch.__version__,
        segment_anything=importlib.metadata.version("segment-anything"),
        threads=torch.get_num_threads(),
        packages=packages,
    )
    answer(programs=programs(arguments.device, packages))
    subjects = {}
    for line in sys.stdin:
        request = json.loads(line)
        if "load" in request:
            build = SUBJECTS[request["load"]]
            subject = build(request["program"], request["input"], request["batch"], arguments.device, threads)
            subjects[request["id"]] = subject
            parameters = sum(parameter.numel() for parameter in subject.model.parameters())
            answer(id=request["id"], parameters=parameters)
        elif "run" in request:
            step = subjects[request["run"]].step
            answer(seconds=[timed(step) for _ in range(request["passes"])])
        elif "peak" in request:
            step = subjects[request["peak"]].step
            step()
            reset_peak()
            step()
            answer(mib=peak_mib())


if __name__ == "__main__":
    main()
