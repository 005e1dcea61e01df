"""Compares `fastersam segment` on DICOM with what others make of the same files.

Makes DICOM series of a phantom with pydicom (and highdicom, for the enhanced one), segments each to NIfTI and to a DICOM
segmentation, and checks

* that the scan as it was read has the voxels and the place in space that SimpleITK finds in the series;
* that highdicom reads from the segmentation, voxel by voxel in space, the label map that lies in the NIfTI file;
* that the segmentation refers to the images that it is of, and to nothing else.

    python compare.py --fastersam PROGRAM --model CHECKPOINTS [--nifti SCAN.nii.gz] [--output FOLDER]

Needs pydicom, highdicom, SimpleITK and nibabel; for JPEG 2000 also pylibjpeg-openjpeg. Ends with an exit code other than 0
where anything differs.
"""

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import highdicom as hd
import nibabel as nib
import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEG2000Lossless, RLELossless, generate_uid

# NIfTI's axes run to the right and front, DICOM's to the left and back.
TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
INTERCEPT = -1024
# Voxels and scans that differ by less lie on each other.
SAME_MM = 1e-3


def rotated(affine: np.ndarray, degrees: float) -> np.ndarray:
    """The affine turned about an oblique axis."""
    angle = np.radians(degrees)
    x, y, z = np.array([1.0, 2.0, 3.0]) / np.sqrt(14.0)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    turn = np.eye(4)
    turn[:3, :3] += np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    return turn @ affine


def images(voxels: np.ndarray, affine: np.ndarray, **changes) -> list[Dataset]:
    """Classic CT images of a volume [i, j, k] with an affine to the right, front and top, one for each k."""
    affine = TO_LPS @ affine
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    rows, columns = affine[:3, 0] / spacing[0], affine[:3, 1] / spacing[1]
    study, series, frame_of_reference = generate_uid(), generate_uid(), generate_uid()
    made = []
    for k in range(voxels.shape[2]):
        dataset = Dataset()
        dataset.SOPClassUID = CTImageStorage
        dataset.SOPInstanceUID = generate_uid()
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, series
        dataset.FrameOfReferenceUID = frame_of_reference
        dataset.PatientName, dataset.PatientID = "Phantom^One", "phantom 1"
        dataset.PatientBirthDate, dataset.PatientSex = "", "O"
        dataset.StudyDate, dataset.StudyTime, dataset.StudyID = "20260102", "030405", "1"
        dataset.SeriesDate, dataset.SeriesTime = "20260102", "030405"
        dataset.ContentDate, dataset.ContentTime = "20260102", "030405"
        dataset.AcquisitionDate, dataset.AcquisitionTime = "20260102", "030405"
        dataset.AccessionNumber, dataset.ReferringPhysicianName = "", ""
        dataset.Manufacturer, dataset.PositionReferenceIndicator = "nobody", ""
        dataset.Modality, dataset.SeriesNumber, dataset.SeriesDescription = "CT", 4, "phantom"
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        # Neither numbers nor names follow the place.
        dataset.InstanceNumber = voxels.shape[2] - k
        dataset.ImagePositionPatient = [round(float(v), 9) for v in (affine @ [0, 0, k, 1])[:3]]
        dataset.ImageOrientationPatient = [round(float(v), 12) for v in [*rows, *columns]]
        dataset.PixelSpacing = [float(spacing[1]), float(spacing[0])]
        dataset.SliceThickness = float(spacing[2])
        dataset.KVP, dataset.AcquisitionNumber = "120", "1"
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.Rows, dataset.Columns = voxels.shape[1], voxels.shape[0]
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
        dataset.PixelRepresentation = 0
        dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType = 1, INTERCEPT, "HU"
        dataset.PixelData = (voxels[:, :, k].T - INTERCEPT).astype("<u2").tobytes()
        dataset["PixelData"].VR = "OW"
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.MediaStorageSOPClassUID = CTImageStorage
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        for name, value in changes.items():
            setattr(dataset, name, value)
        made.append(dataset)
    return made


def written(folder: Path, datasets: list[Dataset]) -> Path:
    """Writes files whose names say nothing of their order."""
    folder.mkdir(parents=True)
    names = [f"IM{n:04}" for n in range(len(datasets))]
    random.Random(1).shuffle(names)
    for name, dataset in zip(names, datasets, strict=True):
        dataset.save_as(folder / name, enforce_file_format=True)
    return folder


def compressed(datasets: list[Dataset], syntax: pydicom.uid.UID) -> list[Dataset]:
    for dataset in datasets:
        dataset.compress(syntax, generate_instance_uid=False)
    return datasets


def implicit(datasets: list[Dataset]) -> list[Dataset]:
    for dataset in datasets:
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    return datasets


def enhanced(datasets: list[Dataset]) -> list[Dataset]:
    """One multi-frame image, of all frames in a wrong order."""
    converted = hd.legacy.LegacyConvertedEnhancedCTImage(
        legacy_datasets=datasets, series_instance_uid=generate_uid(), series_number=5,
        sop_instance_uid=generate_uid(), instance_number=1,
    )
    return [converted]


def segment(options: argparse.Namespace, scan: Path, output: Path, *more: str) -> dict:
    command = [options.fastersam, "segment", scan, "-m", options.model, "-o", output, "--json", *more]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr}")
    return json.loads(done.stdout)


def corners(shape) -> np.ndarray:
    """The corners of a volume as columns [i, j, k, 1]."""
    places = np.array([[i, j, k, 1] for i in (0, shape[0] - 1) for j in (0, shape[1] - 1) for k in (0, shape[2] - 1)])
    return places.T.astype(float)


def compare_scan(found: Path, series_files: list[str]) -> dict:
    """The scan that was read, against SimpleITK's reading of the series."""
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(series_files)
    expected = reader.Execute()
    ours = nib.load(found)
    values = np.asarray(ours.dataobj)
    theirs = sitk.GetArrayFromImage(expected).transpose(2, 1, 0)
    # SimpleITK's last axis may run the other way; place decides.
    to_theirs = np.eye(4)
    for axis in range(3):
        to_theirs[:3, axis] = np.subtract(
            expected.TransformIndexToPhysicalPoint([int(a == axis) for a in range(3)]),
            expected.TransformIndexToPhysicalPoint([0, 0, 0]),
        )
    to_theirs[:3, 3] = expected.TransformIndexToPhysicalPoint([0, 0, 0])
    index = np.linalg.inv(to_theirs) @ TO_LPS @ ours.affine
    return {
        "shape": list(values.shape),
        "off_mm": off_grid(index, values.shape, np.linalg.norm(to_theirs[:3, :3], axis=0)),
        "hu": float(np.abs(values - resampled(theirs, index, values.shape)).max()),
    }


def off_grid(index: np.ndarray, shape, spacing: np.ndarray) -> float:
    """How far the corners of a volume lie from voxels of another one at most, in millimetres."""
    places = (index @ corners(shape))[:3]
    return float(np.abs((places - places.round()) * spacing[:, None]).max())


def resampled(volume: np.ndarray, index: np.ndarray, shape) -> np.ndarray:
    """The values of a volume at the voxels of another one, whose indices `index` brings to its own; 0 outside."""
    places = np.indices(shape).reshape(3, -1)
    places = (index[:3, :3] @ places + index[:3, 3:]).round().astype(int)
    inside = ((places >= 0) & (places < np.array(volume.shape)[:, None])).all(axis=0)
    values = np.zeros(places.shape[1], volume.dtype)
    values[inside] = volume[tuple(places[:, inside])]
    return values.reshape(shape)


def compare_segmentation(seg_path: Path, nifti_path: Path, sources: list[Dataset], classic: list[Dataset]) -> dict:
    """The segmentation as highdicom reads it, against the label map."""
    seg = hd.seg.segread(seg_path)
    label_map = nib.load(nifti_path)
    codes = np.asarray(label_map.dataobj).astype(int)
    names = json.loads(nifti_path.with_name(nifti_path.name.replace(".nii.gz", "_labels.json")).read_text())
    # Segment n is class n, its name that of the class.
    code_of = {name: int(code) for code, name in names.items()}
    table = np.zeros(seg.number_of_segments + 1, int)
    for number in seg.segment_numbers:
        table[number] = code_of[seg.get_segment_description(number).segment_label]
    volume = seg.get_volume(combine_segments=True)
    segments = table[volume.array.astype(int)]
    index = np.linalg.inv(volume.affine) @ TO_LPS @ label_map.affine
    found = resampled(segments, index, codes.shape)
    # And by the images that the frames were made from, without any geometry.
    if len(sources) > 1:
        in_order = [dataset.SOPInstanceUID for dataset in classic]
        pixels = seg.get_pixels_by_source_instance(
            in_order, combine_segments=True, assert_missing_frames_are_empty=True)
    else:
        # highdicom sorted the frames; they are looked up by their place.
        places = [list(map(float, group.PlanePositionSequence[0].ImagePositionPatient))
                  for group in sources[0].PerFrameFunctionalGroupsSequence]
        in_order = [1 + int(np.argmin([np.linalg.norm(np.subtract(place, dataset.ImagePositionPatient))
                                       for place in places])) for dataset in classic]
        pixels = seg.get_pixels_by_source_frame(
            sources[0].SOPInstanceUID, in_order, combine_segments=True, assert_missing_frames_are_empty=True)
    by_source = table[pixels.transpose(2, 1, 0).astype(int)]
    # The label map's slices run along the normal of the images; those of the series perhaps against it.
    orientation = np.array(classic[0].ImageOrientationPatient, float)
    normal = np.cross(orientation[:3], orientation[3:])
    upwards = np.dot(np.subtract(classic[-1].ImagePositionPatient, classic[0].ImagePositionPatient), normal) > 0
    referenced = {
        instance.ReferencedSOPInstanceUID
        for series in seg.ReferencedSeriesSequence
        for instance in series.ReferencedInstanceSequence
    }
    assert seg.FrameOfReferenceUID == sources[0].FrameOfReferenceUID
    assert seg.StudyInstanceUID == sources[0].StudyInstanceUID
    assert seg.ReferencedSeriesSequence[0].SeriesInstanceUID == sources[0].SeriesInstanceUID
    assert referenced == {dataset.SOPInstanceUID for dataset in sources}
    assert all("RecommendedDisplayCIELabValue" in segment for segment in seg.SegmentSequence)
    return {
        "voxels": int((codes > 0).sum()),
        "classes": len(np.unique(codes[codes > 0])),
        "seg_off_mm": off_grid(index, codes.shape, np.array(volume.spacing)),
        "differ": int((found != codes).sum()),
        "differ_by_source": int((by_source[..., :: 1 if upwards else -1] != codes).sum()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fastersam", required=True, help="the built program")
    parser.add_argument("--model", required=True, help="a checkpoint that was trained on abdomen phantoms")
    parser.add_argument("--nifti", type=Path, help="the scan; a phantom is made where none is given")
    parser.add_argument("--output", type=Path, help="a new folder, which stays")
    options = parser.parse_args()
    place = options.output or Path(tempfile.mkdtemp())
    place.mkdir(exist_ok=True)
    nifti = options.nifti
    if nifti is None:
        phantoms = place / "phantoms"
        subprocess.run([options.fastersam, "data", "phantom", "--form", "synapse-nifti", "--cases", "1", "--size", "96",
                        "-o", phantoms], check=True, capture_output=True)
        nifti = next(phantoms.glob("img/*.nii.gz"))
    scan = nib.load(nifti)
    voxels, affine = np.asarray(scan.dataobj).astype(int), scan.affine
    straight = segment(options, nifti, place / "straight.nii.gz")
    kinds = {
        "explicit": lambda: images(voxels, affine),
        "implicit": lambda: implicit(images(voxels, affine)),
        "from the top": lambda: images(voxels[..., ::-1], affine @ flip_last(voxels.shape[2])),
        "oblique": lambda: images(voxels, rotated(affine, 20.0)),
        "RLE": lambda: compressed(images(voxels, affine), RLELossless),
        "JPEG 2000": lambda: compressed(images(voxels, affine), JPEG2000Lossless),
        "enhanced": lambda: images(voxels, affine),
        "zip": lambda: images(voxels, affine),
    }
    rows, failed = [], False
    for kind, make in kinds.items():
        try:
            classic = make()
        except RuntimeError as error:
            print(f"{kind}: left out, {error}", file=sys.stderr)
            continue
        folder = place / kind.replace(" ", "-")
        series = written(folder / "series", classic)
        files = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(series))
        sources, given = classic, series
        if kind == "enhanced":
            sources = enhanced(classic)
            given = written(folder / "enhanced", sources)
        if kind == "zip":
            given = Path(shutil.make_archive(str(folder / "series"), "zip", series))
        label_map, seg = folder / "map.nii.gz", folder / "map.dcm"
        result = segment(options, given, label_map, "--html")
        segment(options, given, seg, "--format", "dicom-seg")
        row = {
            "kind": kind,
            **compare_scan(folder / "map_scan.nii.gz", files),
            **compare_segmentation(seg, label_map, sources, classic),
            # The same model on the same voxels: volumes in space are the same, whatever the file.
            "ml": abs(sum(result["volume_ml"].values()) - sum(straight["volume_ml"].values())),
        }
        is_same = row["hu"] == 0 and row["differ"] == row["differ_by_source"] == 0 and row["voxels"] > 0
        is_in_place = row["off_mm"] < SAME_MM and row["seg_off_mm"] < SAME_MM
        # Slices in another order or direction make no other map; a turned grid has rounded spacings.
        failed |= not (is_same and is_in_place and row["ml"] < 1e-3 * sum(straight["volume_ml"].values()))
        rows.append(row)
    columns = list(rows[0])
    print(" | ".join(columns))
    for row in rows:
        print(" | ".join(f"{row[name]:.2g}" if isinstance(row[name], float) else str(row[name]) for name in columns))
    if options.output is None:
        shutil.rmtree(place)
    sys.exit("something differs" if failed else 0)


def flip_last(n: int) -> np.ndarray:
    """Index from the other end of the last axis."""
    flip = np.eye(4)
    flip[2, 2], flip[2, 3] = -1, n - 1
    return flip


if __name__ == "__main__":
    main()
