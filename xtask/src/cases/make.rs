//! Inputs that need no other program: the program's own phantom, with other bytes in its header or around it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::outcome::link;
use crate::nifti::{Nifti, gzip, write};
use crate::product::Product;

/// Where things stand in a header of NIfTI-1.
const DIM: usize = 40;
const PIXDIM: usize = 76;
const UNITS: usize = 123;
const QFORM_CODE: usize = 252;
const SFORM_CODE: usize = 254;
const SROW: usize = 280;

/// The scan that all inputs are made from, and its label map with the codes of the BTCV challenge.
struct Base {
    scan: Nifti,
    label: Nifti,
}

/// Writes all inputs, in folders that are called as the table has them.
pub fn all(product: &Product, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let phantoms = folder.join("base/phantoms");
    if !phantoms.exists() {
        let output = phantoms.to_string_lossy();
        let arguments =
            ["data", "phantom", "--form", "synapse-nifti", "-o", &output, "--cases", "1", "--size", "128"];
        product.must(folder, &[&arguments[..], &["--seed", "77"]].concat())?;
    }
    let base = Base {
        scan: Nifti::read(&phantoms.join("img/img0001.nii.gz"))?,
        label: Nifti::read(&phantoms.join("label/label0001.nii.gz"))?,
    };
    base.scan.write(&folder.join("base/scan.nii.gz"))?;
    geometry(&base, folder)?;
    packing(&base, folder)?;
    other_formats(&base, folder)?;
    places(&base, folder)?;
    label_geometry(&base, folder)?;
    layouts(&base, folder)?;
    names(&base, folder)?;
    models(&base, folder)
}

impl Nifti {
    fn changed(&self, change: impl Fn(&mut Self)) -> Self {
        let mut changed = self.clone();
        change(&mut changed);
        changed
    }

    fn set_affine(&mut self, change: impl Fn(usize, usize, f32) -> f32) {
        for row in 0..3 {
            for col in 0..4 {
                let at = SROW + 16 * row + 4 * col;
                self.set_f32(at, change(row, col, self.f32_at(at)));
            }
        }
    }

    fn has_only_rows(&mut self) {
        self.set_i16(QFORM_CODE, 0);
    }

    fn spacing(&self, axis: usize) -> f32 {
        self.f32_at(PIXDIM + 4 + 4 * axis)
    }

    /// The mask of one code.
    fn mask(&self, code: i32) -> Result<Self> {
        let voxels: Vec<u8> = self.codes()?.iter().map(|&other| u8::from(other == code)).collect();
        Ok(self.with_bytes(&voxels))
    }
}

fn geometry(base: &Base, folder: &Path) -> Result<()> {
    let scan = &base.scan;
    let none = scan.changed(|scan| {
        scan.set_i16(QFORM_CODE, 0);
        scan.set_i16(SFORM_CODE, 0);
    });
    none.write(&folder.join("01_no_forms/none.nii.gz"))?;
    // The first axis runs to the left, around the middle, as nibabel takes it.
    let sizes = [0, 1, 2].map(|axis| f32::from(scan.i16_at(DIM + 2 + 2 * axis)));
    let explicit = scan.changed(|scan| {
        scan.has_only_rows();
        let spacing = [0, 1, 2].map(|axis| scan.spacing(axis));
        let sign = |row: usize| if row == 0 { -1.0 } else { 1.0 };
        scan.set_affine(|row, col, _| match col {
            3 => -sign(row) * spacing[row] * (sizes[row] - 1.0) / 2.0,
            _ if col == row => sign(row) * spacing[row],
            _ => 0.0,
        });
    });
    explicit.write(&folder.join("01_no_forms/explicit.nii.gz"))?;

    // The phantoms' own qform says where they lie.
    let quaternion = |name: &str, change: &dyn Fn(usize, usize, f32) -> f32| {
        scan.changed(|scan| scan.set_affine(change)).write(&folder.join("02_zero_sform").join(name))
    };
    if scan.i16_at(QFORM_CODE) > 0 {
        quaternion("zero_sform.nii.gz", &|_, _, _| 0.0)?;
        quaternion("nan_sform_good_qform.nii.gz", &|row, _, value| if row == 0 { f32::NAN } else { value })?;
    }
    quaternion("flat_sform.nii.gz", &|row, _, value| if row == 2 { 0.0 } else { value })?;
    let first = [0, 1, 2].map(|row| scan.f32_at(SROW + 16 * row));
    quaternion("singular_sform.nii.gz", &|row, col, value| if col == 1 { first[row] } else { value })?;

    let ones = scan.changed(|scan| {
        scan.has_only_rows();
        (0..3).for_each(|axis| scan.set_f32(PIXDIM + 4 + 4 * axis, 1.0));
    });
    ones.write(&folder.join("03_pixdim_differs/pixdim_ones.nii.gz"))?;
    for (name, code, factor) in [("micrometres", 3, 1000.0), ("metres", 1, 0.001)] {
        let other = scan.changed(|scan| {
            scan.has_only_rows();
            scan.bytes[UNITS] = code;
            scan.set_affine(|_, _, value| value * factor);
            (0..3).for_each(|axis| scan.set_f32(PIXDIM + 4 + 4 * axis, scan.spacing(axis) * factor));
        });
        other.write(&folder.join(format!("07_units/{name}.nii.gz")))?;
    }
    Ok(())
}

fn packing(base: &Base, folder: &Path) -> Result<()> {
    let place = folder.join("13_compression");
    let raw = &base.scan.bytes;
    let packed = gzip(&["-nc1"], raw)?;
    let (half, pack) = (raw.len() / 2, |bytes: &[u8]| gzip(&["-nc1"], bytes));
    for (name, bytes) in [
        ("trailing_zeros.nii.gz", [&packed[..], &[0; 512]].concat()),
        ("trailing_bytes.nii.gz", [&packed[..], &b"\r\ngarbage".repeat(40)].concat()),
        ("two_members.nii.gz", [pack(&raw[..half])?, pack(&raw[half..])?].concat()),
        ("member_in_header.nii.gz", [pack(&raw[..100])?, pack(&raw[100..])?].concat()),
        ("plain_called_gz.nii.gz", raw.clone()),
        ("packed_called_nii.nii", packed.clone()),
        ("trailing_in_plain.nii", [&raw[..], &[0; 1000]].concat()),
        ("packed.nii.GZ", packed.clone()),
        ("twice_packed.nii.gz", pack(&packed)?),
        ("web_page.nii.gz", b"<!DOCTYPE html><html><body>Please log in</body></html>".to_vec()),
        ("lfs_pointer.nii.gz", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n".to_vec()),
    ] {
        write(&place.join(name), &bytes)?;
    }
    for (name, value) in [("zeros", 0_i16), ("constant", 40)] {
        let offset = base.scan.offset();
        let constant = base.scan.changed(|scan| {
            scan.bytes[offset..].chunks_exact_mut(2).for_each(|two| two.copy_from_slice(&value.to_le_bytes()));
        });
        constant.write(&folder.join(format!("16_constant/{name}.nii.gz")))?;
    }
    Ok(())
}

fn other_formats(base: &Base, folder: &Path) -> Result<()> {
    let place = folder.join("18_other_formats");
    let header = base.scan.changed(|scan| scan.bytes[344..348].copy_from_slice(b"ni1\0")).bytes[..352].to_vec();
    for (name, bytes) in [
        ("pair.hdr", header),
        (
            "scan.nrrd",
            [&b"NRRD0004\ntype: short\ndimension: 3\nsizes: 4 4 4\nencoding: raw\n\n"[..], &[0; 128]].concat(),
        ),
        ("scan.mha", [&b"ObjectType = Image\nNDims = 3\nElementDataFile = LOCAL\n"[..], &[0; 64]].concat()),
        ("dicom/IM0000.dcm", [&[0; 128][..], b"DICM", &[0; 200]].concat()),
        ("empty.nii.gz", Vec::new()),
        ("np.npy", [&b"\x93NUMPY\x01\x00"[..], &[0; 400]].concat()),
    ] {
        write(&place.join(name), &bytes)?;
    }
    Ok(())
}

fn places(base: &Base, folder: &Path) -> Result<()> {
    let place = folder.join("20_output_is_input");
    for name in ["same.nii.gz", "spelled.nii.gz", "linked.nii.gz"] {
        base.scan.write(&place.join(name))?;
    }
    if place.join("alias.nii.gz").symlink_metadata().is_err() {
        link(Path::new("linked.nii.gz"), &place.join("alias.nii.gz"))?;
    }
    let place = folder.join("21_two_with_one_name");
    for name in ["scan.nii", "scan.nii.gz", "drawn.nii.gz"] {
        base.scan.write(&place.join(name))?;
    }
    base.label.write(&place.join("drawn_segmentation.nii.gz"))?;
    for name in ["a.nii.gz", "b.nii.gz"] {
        base.scan.write(&folder.join("22_many_scans").join(name))?;
    }
    base.scan.write(&folder.join("44_permissions/scan.nii.gz"))
}

const DESCRIPTION: &str = "name = \"own\"\nimage = \"images/{case}.nii.gz\"\nlabel = \"labels/{case}.nii.gz\"\n\
                           intensity = { window = { low = -125.0, high = 275.0 } }\n";

fn label_geometry(base: &Base, folder: &Path) -> Result<()> {
    let liver = base.label.mask(6)?;
    let shape = |label: &Nifti, change: &dyn Fn(usize, usize, f32) -> f32| {
        label.changed(|label| {
            label.has_only_rows();
            label.set_affine(change);
        })
    };
    let spacing = [0, 1, 2].map(|axis| liver.spacing(axis));
    for (name, label) in [
        ("right", liver.clone()),
        ("identity", shape(&liver, &|row, col, _| if row == col { spacing[row] } else { 0.0 })),
        ("other_origin", shape(&liver, &|_, col, value| if col == 3 { value + 30.0 } else { value })),
        ("rounding", shape(&liver, &|_, col, value| if col == 3 { value } else { value + 2e-6 })),
    ] {
        let place = folder.join("24_label_geometry").join(name);
        base.scan.write(&place.join("images/a.nii.gz"))?;
        label.write(&place.join("labels/a.nii.gz"))?;
        let text =
            format!("{DESCRIPTION}labels = [{{ code = 1, name = \"liver\" }}]\n[splits]\ntrain = [\"a\"]\n");
        write(&place.join("dataset-description.toml"), text.as_bytes())?;
    }
    let place = folder.join("45_intensity_of_the_checkpoint/data");
    base.scan.write(&place.join("images/a.nii.gz"))?;
    base.label.write(&place.join("labels/a.nii.gz"))?;
    let organs = [
        (8, "aorta"),
        (4, "gallbladder"),
        (3, "left kidney"),
        (2, "right kidney"),
        (6, "liver"),
        (11, "pancreas"),
        (1, "spleen"),
        (7, "stomach"),
    ];
    let labels = organs.map(|(code, name)| format!("{{ code = {code}, name = \"{name}\" }}")).join(", ");
    let text = format!("{DESCRIPTION}labels = [{labels}]\n[splits]\ntrain = [\"a\"]\n");
    write(&place.join("dataset-description.toml"), text.as_bytes())
}

/// Pairs of the scan and of its liver's mask.
fn pairs(base: &Base, folder: &Path, paths: &[(String, String)]) -> Result<()> {
    let liver = base.label.mask(6)?;
    for (image, label) in paths {
        base.scan.write(&folder.join(image))?;
        liver.write(&folder.join(label))?;
    }
    Ok(())
}

fn layouts(base: &Base, folder: &Path) -> Result<()> {
    let place = folder.join("23_apple_double/Task09_Spleen");
    let numbers = ["002", "003", "006", "008", "009"];
    let task = numbers.map(|n| (format!("imagesTr/spleen_{n}.nii.gz"), format!("labelsTr/spleen_{n}.nii.gz")));
    pairs(base, &place, &task)?;
    for (image, label) in task {
        for path in [image, label] {
            write(&place.join(path.replace('/', "/._")), b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X")?;
        }
    }
    for n in ["001", "007"] {
        base.scan.write(&place.join(format!("imagesTs/spleen_{n}.nii.gz")))?;
    }
    write(&place.join("dataset.json"), br#"{"labels": {"0": "background", "1": "spleen"}}"#)?;
    for subject in ["s0011", "s0058", "s0223"] {
        let place = folder.join("27_one_file_an_organ").join(subject);
        base.scan.write(&place.join("ct.nii.gz"))?;
        for (code, organ) in [(1, "spleen"), (2, "kidney_right"), (3, "kidney_left"), (6, "liver")] {
            base.label.mask(code)?.write(&place.join(format!("segmentations/{organ}.nii.gz")))?;
        }
    }
    let place = folder.join("28_nnunet_layout");
    let of = |n: usize, image: &dyn Fn(usize) -> String, label: &dyn Fn(usize) -> String| {
        (0..n).map(|n| (image(n), label(n))).collect::<Vec<_>>()
    };
    let layouts: [(&str, Vec<(String, String)>); 5] = [
        (
            "one_channel",
            of(4, &|n| format!("imagesTr/liver_{n}_0000.nii.gz"), &|n| format!("labelsTr/liver_{n}.nii.gz")),
        ),
        (
            "two_channels",
            of(4, &|n| format!("imagesTr/B_{n:03}_0000.nii.gz"), &|n| format!("labelsTr/B_{n:03}.nii.gz")),
        ),
        ("suffix", of(3, &|n| format!("case{n}.nii.gz"), &|n| format!("case{n}_seg.nii.gz"))),
        ("folders", of(3, &|n| format!("p{n}/image.nii.gz"), &|n| format!("p{n}/mask.nii.gz"))),
        ("mixed_endings", of(3, &|n| format!("images/m{n}.nii.gz"), &|n| format!("labels/m{n}.nii"))),
    ];
    for (name, paths) in layouts {
        pairs(base, &place.join(name), &paths)?;
    }
    base.scan.write(&place.join("one_channel/imagesTs/liver_9_0000.nii.gz"))?;
    (0..4).try_for_each(|n| base.scan.write(&place.join(format!("two_channels/imagesTr/B_{n:03}_0001.nii.gz"))))
}

fn names(base: &Base, folder: &Path) -> Result<()> {
    for (name, image, label) in [
        ("29_case_names/spaces", "images/Patient #.nii.gz", "labels/Patient #.nii.gz"),
        ("29_case_names/dots", "images/1.2.84#.nii.gz", "labels/1.2.84#.nii.gz"),
        ("29_case_names/brackets", "images/p(#)+.nii.gz", "labels/p(#)+.nii.gz"),
        ("29_case_names/capitals", "images/P#.NII.GZ", "labels/P#.NII.GZ"),
        ("29_case_names/umlauts", "images/Mu\u{308}ller#.nii.gz", "labels/M\u{fc}ller#.nii.gz"),
        (
            "30_words_in_folders/inside",
            "segmentation_2024/imagesTr/c#.nii.gz",
            "segmentation_2024/labelsTr/c#.nii.gz",
        ),
        (
            "30_words_in_folders/segthor",
            "SegTHOR/train/Patient_0#/Patient_0#.nii.gz",
            "SegTHOR/train/Patient_0#/GT.nii.gz",
        ),
        ("30_words_in_folders/unlabeled", "labeled/images/c#.nii.gz", "labeled/gt/c#.nii.gz"),
        ("30_words_in_folders/seg_in_case", "images/segmed_#.nii.gz", "labels/segmed_#.nii.gz"),
    ] {
        let paths = ["0", "1", "2"].map(|n| (image.replace('#', n), label.replace('#', n)));
        pairs(base, &folder.join(name), &paths)?;
    }
    Ok(())
}

fn models(base: &Base, folder: &Path) -> Result<()> {
    let place = folder.join("39_wrong_model");
    base.scan.write(&place.join("scan.nii.gz"))?;
    write(&place.join("sam.pth"), b"PK\x03\x04")?;
    fs::create_dir_all(place.join("empty")).with_context(|| place.display().to_string())
}
