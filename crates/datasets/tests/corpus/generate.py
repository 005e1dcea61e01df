"""Makes the files of this folder: broken and hostile ones, each with the reason that a reader must give, and odd ones
(`good_*`) that must be read.

pip install numpy h5py; python generate.py (writes beside itself; the files are committed)
"""
import io
import os
import struct
import zipfile
import zlib

import h5py
import numpy as np

os.chdir(os.path.dirname(os.path.abspath(__file__)))
expected = []


def save(name, data, reason):
    with open(name, "wb") as file:
        file.write(data)
    expected.append((name, reason))


def save_good(name, data):
    with open(name, "wb") as file:
        file.write(data)


def npy(array):
    out = io.BytesIO()
    np.save(out, array, allow_pickle=True)
    return out.getvalue()


def header(text, version=1):
    text = text.encode()
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(text)) + text


def npz(members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED, 9)
    return out.getvalue()


image, label = np.full((4, 5), 0.5, np.float32), np.ones((4, 5), np.uint8)
good = [("image.npy", npy(image)), ("label.npy", npy(label))]


def with_image(data):
    return npz([("image.npy", data), good[1]])


def with_label(array):
    return npz([good[0], ("label.npy", npy(array))])


whole = npz(good)
save("truncated.npz", whole[: len(whole) // 2], "npz")
save("no_zip.npz", b"<html>Not found</html>", "npz")
save("empty.npz", b"", "npz")
save("no_label.npz", npz(good[:1]), "no readable array `label`")
save("path_trick.npz", npz([("../image.npy", good[0][1]), ("/label.npy", good[1][1])]), "no readable array `image`")
save("objects.npz", with_image(npy(np.array([[{"a": 1}]], object))), "Python objects")
save("records.npz", with_image(npy(np.zeros((4, 5), [("a", "<f4")]))), "records")
save("complex.npz", with_image(npy(image.astype(complex))), "type `<c16`")
save("text.npz", with_image(npy(np.array([["a"]]))), "type `<U1`")
save("not_npy.npz", with_image(b"hello, this is no array"), "NUMPY")
save("cut_member.npz", with_image(npy(image)[:-3]), "its shape [4, 5] needs")
descr = "{'descr': '<f4', 'fortran_order': False, 'shape': %s, }"
save("terabytes.npz", with_image(header(descr % "(1099511627776, 4)")), "claims the shape")
save("overflow.npz", with_image(header(descr % "(4294967296, 4294967296)")), "claims the shape")
save("negative.npz", with_image(header(descr % "(-4, 5)")), "the size `-4`")
save("no_elements.npz", with_image(npy(np.zeros((0, 5), np.float32))), "claims the shape")
save("deep_header.npz", with_image(header("{'descr': " + "(" * 4000)), "records")
save("long_header.npz", with_image(b"\x93NUMPY\x02\x00\xff\xff\xff\xff{"), "claims a header")
save("four_axes.npz", with_image(npy(np.zeros((1, 1, 4, 5), np.float32))), "two or three axes")
save("one_axis.npz", with_image(npy(np.zeros(5, np.float32))), "two or three axes")
save("other_shape.npz", with_image(npy(np.zeros((4, 6), np.float32))), "`label` (1, 4, 5)")
save("nan.npz", with_image(npy(np.full((4, 5), np.nan, np.float32))), "finite number")
save("infinite.npz", with_image(npy(np.full((4, 5), np.inf))), "finite number")
save("unknown_label.npz", with_label(label * 9), "label value 9")
save("negative_label.npz", with_label(-label.astype(np.int16)), "label value -1")
save("half_label.npz", with_label(label * 0.5), "label value 0.5")
save("nan_label.npz", with_label(label * np.nan), "label value NaN")
# 64 MiB of zeros behind a shape of 20 numbers.
save("bomb.npz", with_image(header(descr % "(4, 5)") + b"\0" * (1 << 26)), "its shape [4, 5] needs")
# The member claims 80 bytes of values and unpacks to 16 MiB.
data = header(descr % "(4, 5)")
bomb = bytearray(with_image(data + b"\0" * (1 << 24)))
real, claimed = struct.pack("<I", len(data) + (1 << 24)), struct.pack("<I", len(data) + 80)
save("lying_bomb.npz", bytes(bomb).replace(real, claimed), "")
encrypted = bytearray(whole)
for signature, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
    at = encrypted.find(signature)
    encrypted[at + place] |= 1
save("encrypted.npz", bytes(encrypted), "image")


def h5(name, fill, reason):
    with h5py.File(name, "w", libver="earliest") as file:
        fill(file)
    expected.append((name, reason))


volume, classes = np.full((2, 4, 5), 0.5, np.float32), np.ones((2, 4, 5), np.uint8)


def sets(file, **more):
    file["image"], file["label"] = volume, classes
    for key, value in more.items():
        del file[key]
        file[key] = value


h5("good.h5", sets, None)
with open("good.h5", "rb") as file:
    whole = file.read()
os.remove("good.h5")
expected.pop()
save("truncated.h5", whole[: len(whole) // 2], "")
save("half_header.h5", whole[:60], "HDF5")
save("no_h5.h5", b"<html>Not found</html>", "HDF5")
save("empty.h5", b"", "HDF5")
h5("no_image.h5", lambda f: f.create_dataset("label", data=classes), "no data set `image`")
h5("group.h5", lambda f: (f.create_group("image"), f.create_dataset("label", data=classes)), "no data set `image`")
h5("four_axes.h5", lambda f: sets(f, image=np.zeros((1, 2, 4, 5))), "two or three axes")
h5("scalar.h5", lambda f: sets(f, image=1.0), "two or three axes")
h5("other_shape.h5", lambda f: sets(f, image=np.zeros((2, 4, 6))), "`label` (2, 4, 5)")
h5("text.h5", lambda f: sets(f, image=np.array([[b"a"]])), "can't be read")
h5("records.h5", lambda f: sets(f, image=np.zeros((2, 4, 5), [("a", "<f4"), ("b", "<i2")])), "can't be read")
h5("nan.h5", lambda f: sets(f, image=volume * np.nan), "finite number")
h5("unknown_label.h5", lambda f: sets(f, label=classes * 77), "label value 77")


def lines(file):
    del_type = h5py.vlen_dtype(np.float32)
    file["label"] = classes
    file.create_dataset("image", (2, 4, 5), dtype=del_type)


h5("ragged.h5", lines, "can't be read")


def cycle(file):
    group = file.create_group("image")
    group["image"] = file["/"]
    group["loop"] = group
    file["label"] = classes


h5("cyclic_groups.h5", cycle, "no data set `image`")


def soft(file):
    file["image"], file["label"] = h5py.SoftLink("/label"), h5py.SoftLink("/image")


h5("cyclic_links.h5", soft, "")
h5("external_link.h5", lambda f: sets(f, image=h5py.ExternalLink("/etc/passwd", "/image")), "")


def external(file):
    file["label"] = classes
    file.create_dataset("image", (2, 4, 5), "u1", external=[("/etc/passwd", 0, 40)])


h5("external_data.h5", external, "")


def huge(file):
    file["label"] = classes
    file.create_dataset("image", (1 << 14, 1 << 14, 1 << 14), "f4", chunks=(1, 512, 512))


h5("terabytes.h5", huge, "claims the shape")


def unwritten(file):
    file["label"] = classes
    file.create_dataset("image", (256, 1024, 1024), "f4", chunks=(1, 512, 512))


h5("unwritten.h5", unwritten, "claims the shape")


def chunk(file):
    file["label"] = classes
    # One chunk of 4 GiB around twenty numbers.
    file.create_dataset("image", (2, 4, 5), "f4", chunks=(2, 4, 5), compression="gzip")[:] = volume


h5("chunk.h5", chunk, None)
with open("chunk.h5", "rb") as file:
    whole = file.read()
os.remove("chunk.h5")
expected.pop()
sizes = struct.pack("<4I", 2, 4, 5, 4)
assert whole.count(sizes) == 1
save("huge_chunk.h5", whole.replace(sizes, struct.pack("<4I", 2048, 2048, 256, 4)), "")


def patched(name, fill, patch, reason):
    """A file that h5py wrote, with bytes changed by hand."""
    with h5py.File(name, "w", libver="earliest") as file:
        fill(file)
    with open(name, "rb") as file:
        data = bytearray(file.read())
    patch(data)
    save(name, bytes(data), reason)


def own_child(data, tree, n_keys, key_size):
    """The node of a B-tree becomes a branch whose children are the node itself."""
    data[tree + 5] = 1
    for child in range(n_keys):
        at = tree + 24 + key_size * (child + 1) + 8 * child
        data[at : at + 8] = struct.pack("<Q", tree)


def chunked(file):
    file["label"] = classes
    file.create_dataset("image", (2, 4, 5), "f4", chunks=(1, 4, 5), compression="gzip")[:] = volume


def attributes(file):
    sets(file)
    # So many that the object's header goes on in a block of its own.
    for number in range(20):
        file["image"].attrs[f"a{number}"] = np.arange(40)


def own_continuation(data):
    # Messages of kind 16 with 16 bytes: where the header goes on, and for how long.
    at = next(i for i in range(0, len(data), 8) if data[i : i + 4] == b"\x10\0\x10\0")
    data[at + 8 : at + 24] = struct.pack("<QQ", at, 24)


patched("cyclic_group_tree.h5", sets, lambda data: own_child(data, data.index(b"TREE"), 1, 8), "no data set `image`")
patched("cyclic_chunk_tree.h5", chunked, lambda data: own_child(data, data.index(b"TREE\1"), 2, 32), "can't be read")
patched("cyclic_header.h5", attributes, own_continuation, "no data set `image`")


def bomb(file):
    chunked(file)
    # 64 MiB of zeros behind a chunk of twenty numbers.
    file["image"].id.write_direct_chunk((0, 0, 0), zlib.compress(bytes(1 << 26), 9))


h5("bomb.h5", bomb, "can't be read")
h5("half_label.h5", lambda f: sets(f, label=classes * 0.5), "label value 0.5")
h5("one_axis.h5", lambda f: sets(f, image=np.zeros(5, np.float32)), "two or three axes")
h5("no_elements.h5", lambda f: sets(f, image=np.zeros((0, 4, 5), np.float32), label=classes[:0]), "claims the shape")


# Values that no image may hold, behind a NIfTI header; the crate `volume` has the files with broken headers.
data = bytearray(352)
struct.pack_into("<i", data, 0, 348)
struct.pack_into("<8h", data, 40, 3, 4, 5, 2, 1, 1, 1, 1)
struct.pack_into("<2h", data, 70, 16, 32)
struct.pack_into("<8f", data, 76, 1, 1, 1, 1, 0, 0, 0, 0)
struct.pack_into("<f", data, 108, 352)
data[344:348] = b"n+1\0"
save("nan_voxels.nii", bytes(data) + struct.pack("<40f", *[float("nan")] * 40), "lie on each other")

# Files that are odd, but good: the same slices of 0.5 and 1 in other types, byte orders and layouts.
odd = {}
for name, image_type, label_type in (
    ("big_endian", ">f4", ">i2"), ("doubles", "<f8", "<i8"), ("big_doubles", ">f8", ">u4"), ("bool_label", "<f4", "?"),
):
    odd[name] = (image.astype(image_type), label.astype(label_type))
for name, (image_, label_) in odd.items():
    save_good(f"good_{name}.npz", npz([("label.npy", npy(label_)), ("image.npy", npy(image_)), ("extra.npy", npy(label))]))
save_good("good_fortran.npz", npz([("image.npy", npy(np.asfortranarray(image))), ("label.npy", npy(np.asfortranarray(label)))]))
text = "{'shape': (4, 5), 'fortran_order': False, 'descr': '<f4'}"
save_good("good_version_2.npz", npz([("image.npy", header(text, 2) + image.tobytes()), good[1]]))
for name, image_type, label_type in (
    ("big_endian", ">f4", ">i2"), ("doubles", "<f8", "<i8"), ("small", "<f4", "i1"), ("deflated", "<f4", "u1"),
    ("half_floats", "<f2", "u1"), ("big_endian_half_floats", ">f2", "u1"), ("bool_label", "<f4", "?"),
):
    with h5py.File(f"good_{name}.h5", "w", libver="latest" if name == "small" else "earliest") as file:
        options = {"chunks": (1, 3, 2), "compression": "gzip", "shuffle": True} if name == "deflated" else {}
        file.create_dataset("image", data=volume.astype(image_type), **options)
        file.create_dataset("label", data=classes.astype(label_type), **options)
        file["scribble"] = "extra keys are ignored"

save("unknown_key.toml", b'name = "x"\nimage = "{case}.nii"\nlabel = "{case}.nii"\nintensity = "unit"\nlabels = []\ncolor = 1\n', "unknown field")
save("deep.toml", b"name = " + b"[" * 5000, "")
save("bytes.toml", bytes(range(128, 256)), "")
save("no_case.toml", b'name = "x"\nimage = "a.nii"\nlabel = "{case}.nii"\nintensity = "unit"\nlabels = [{code = 1, name = "a"}]\n', "{case}")

with open("expected.tsv", "w") as file:
    file.writelines(f"{name}\t{reason}\n" for name, reason in sorted(expected))
