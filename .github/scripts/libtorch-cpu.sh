#!/usr/bin/env bash
# Makes a folder with LibTorch 2.9.0 for the CPU, which the feature `tch` needs, out of PyTorch's Python package.
#   libtorch-cpu.sh DIR      then:  export LIBTORCH=DIR LD_LIBRARY_PATH=DIR/lib   (to build and to run)
# Needs python3 with pip, and gcc; downloads 900 MB. Whoever has LibTorch 2.9.0 sets LIBTORCH to its folder instead.
set -euo pipefail
dir=$(realpath -m "${1:?usage: libtorch-cpu.sh DIR}")
if [ -f "$dir/build-version" ]; then
  echo "$dir is there already"
  exit 0
fi
wheels=$dir/wheels
unpacked=$dir/unpacked
mkdir -p "$wheels" "$unpacked" "$dir/lib"
# The library was linked with CUDA's runtime, which it loads even where only its CPU part is used.
python3 -m pip download --quiet --no-deps --dest "$wheels" \
  torch==2.9.0 nvidia-cuda-runtime-cu12==12.8.90 nvidia-cuda-cupti-cu12==12.8.90
python3 - "$wheels" "$unpacked" <<'PY'
import glob
import sys
import zipfile

wheels, unpacked = sys.argv[1:]
wanted = ("torch/include/", "torch/lib/libtorch_cpu.so", "torch/lib/libc10.so", "torch/lib/libgomp", "nvidia/")
for wheel in glob.glob(f"{wheels}/*.whl"):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(unpacked, [name for name in archive.namelist() if name.startswith(wanted)])
PY
rm -r "$wheels"
ln -sfn "$unpacked/torch/include" "$dir/include"
ln -sf "$unpacked"/torch/lib/*.so* "$unpacked"/nvidia/cuda_runtime/lib/libcudart.so.12 \
  "$unpacked"/nvidia/cuda_cupti/lib/libcupti.so.12 "$dir/lib/"
# What links with libtorch.so finds everything in libtorch_cpu.so.
echo 'int fastersam_libtorch_is_split;' | gcc -shared -fPIC -x c - -o "$dir/lib/libtorch.so" -Wl,-soname,libtorch.so
echo 2.9.0 > "$dir/build-version"
echo "export LIBTORCH=$dir LD_LIBRARY_PATH=$dir/lib"
