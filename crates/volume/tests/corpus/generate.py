"""Makes the files of this folder: broken and hostile scans, each with the reason that the reader must give.

python generate.py (writes beside itself; the files are committed)
"""
import gzip
import os
import struct

os.chdir(os.path.dirname(os.path.abspath(__file__)))
expected = []


def save(name, data, reason):
    with open(name, "wb") as file:
        file.write(data)
    expected.append((name, reason))


def nifti(dim=(3, 4, 5, 2, 1, 1, 1, 1), code=2, bits=8, pixdim=(1, 1, 1, 1, 0, 0, 0, 0), magic=b"n+1\0", order="<",
          srow=None, n_values=40, offset=352):
    data = bytearray(offset)
    struct.pack_into(order + "i", data, 0, 348)
    struct.pack_into(order + "8h", data, 40, *dim)
    struct.pack_into(order + "2h", data, 70, code, bits)
    struct.pack_into(order + "8f", data, 76, *pixdim)
    struct.pack_into(order + "f", data, 108, offset)
    if srow:
        struct.pack_into(order + "h", data, 254, 1)
        struct.pack_into(order + "12f", data, 280, *srow)
    data[344:348] = magic
    return bytes(data) + b"\1" * (n_values * bits // 8)


save("negative_size.nii", nifti(dim=(3, -4, 5, 2, 1, 1, 1, 1)), "")
save("terabytes.nii", nifti(dim=(3, 32767, 32767, 32767, 1, 1, 1, 1)), "voxels")
save("four_axes.nii", nifti(dim=(4, 4, 5, 2, 3, 1, 1, 1), n_values=120), "3-D scan")
save("rgb.nii", nifti(code=128, bits=24), "no gray values")
save("zero_spacing.nii", nifti(pixdim=(1, 1, 0, 1, 0, 0, 0, 0)), "spacing along axis 1")
save("nan_spacing.nii", nifti(pixdim=(1, 1, float("nan"), 1, 0, 0, 0, 0)), "spacing along axis 1")
save("infinite_affine.nii", nifti(srow=[float("inf")] * 12), "not finite")
save("nan_affine.nii", nifti(srow=[float("nan")] * 12), "not finite")
save("zero_affine.nii", nifti(srow=[0.0] * 12), "affine")
save("truncated.nii", nifti(n_values=39), "truncated")
save("wrong_magic.nii", nifti(magic=b"n+9\0"), "")
save("two_files.nii", nifti(magic=b"ni1\0"), "one half of a pair")
save("nifti_2.nii", struct.pack("<i", 540) + b"n+2\0\r\n\x1a\n" + bytes(600), "0 axes")
save("zeros.nii", bytes(400), "")
whole = gzip.compress(nifti(), mtime=0)
save("truncated.nii.gz", whole[:-9], "")
save("bad_checksum.nii.gz", whole[:-8] + bytes(4) + whole[-4:], "unpacked")
# 64 MiB of zeros in four members after a header that claims 256 MiB.
zeros = gzip.compress(b"\0" * (1 << 24), 9, mtime=0)
start = nifti(dim=(3, 16384, 16384, 1, 1, 1, 1, 1), n_values=0)
save("bomb.nii.gz", gzip.compress(start, mtime=0) + zeros * 4, "truncated")

with open("expected.tsv", "w") as file:
    file.writelines(f"{name}\t{reason}\n" for name, reason in sorted(expected))
