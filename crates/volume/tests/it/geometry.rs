//! Where scans lie, as nibabel and ITK decide it: right values are nibabel's for the same bytes.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use fastersam_volume::{Scan, ScanFile};
use flate2::Compression;
use flate2::write::GzEncoder;
use ndarray::Array3;

/// A NIfTI-1 file of 3 x 4 x 5 bytes that count from 0, with spacing 0.8, 0.7, 5; `change` edits the bytes.
fn nifti(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = vec![0_u8; 352];
    put_i32(&mut bytes, 0, 348);
    for (i, n) in [3_i16, 3, 4, 5, 1, 1, 1, 1].into_iter().enumerate() {
        put_i16(&mut bytes, 40 + 2 * i, n);
    }
    put_i16(&mut bytes, 70, 2);
    put_i16(&mut bytes, 72, 8);
    for (i, mm) in [1.0_f32, 0.8, 0.7, 5.0, 1.0, 1.0, 1.0, 1.0].into_iter().enumerate() {
        put_f32(&mut bytes, 76 + 4 * i, mm);
    }
    put_f32(&mut bytes, 108, 352.0);
    bytes[344..348].copy_from_slice(b"n+1\0");
    bytes.extend(0..60);
    change(&mut bytes);
    bytes
}

fn put_i16(bytes: &mut [u8], at: usize, value: i16) {
    bytes[at..at + 2].copy_from_slice(&value.to_le_bytes());
}

fn put_i32(bytes: &mut [u8], at: usize, value: i32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

fn put_f32(bytes: &mut [u8], at: usize, value: f32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

const QFORM_CODE: usize = 252;
const SFORM_CODE: usize = 254;

/// The affine by its rows, with its code.
fn put_sform(bytes: &mut [u8], code: i16, rows: [[f32; 4]; 3]) {
    put_i16(bytes, SFORM_CODE, code);
    for (i, value) in rows.into_iter().flatten().enumerate() {
        put_f32(bytes, 280 + 4 * i, value);
    }
}

/// A quarter turn about the third axis, at 10, 20, 30.
fn put_qform(bytes: &mut [u8]) {
    put_i16(bytes, QFORM_CODE, 1);
    for (i, value) in [0.0, 0.0, 0.5_f32.sqrt(), 10.0, 20.0, 30.0].into_iter().enumerate() {
        put_f32(bytes, 256 + 4 * i, value);
    }
}

const SFORM: [[f32; 4]; 3] = [[-0.8, 0.0, 0.0, 40.0], [0.0, -0.7, 0.0, 30.0], [0.0, 0.0, 5.0, -20.0]];

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    fn open(&self, change: impl FnOnce(&mut Vec<u8>)) -> Result<ScanFile, String> {
        ScanFile::open(&self.write("scan.nii", &nifti(change))).map_err(|error| error.to_string())
    }
}

fn near(found: [[f64; 4]; 3], expected: [[f64; 4]; 3]) {
    for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
        assert!((found - expected).abs() < 1e-5, "{found} for {expected}");
    }
}

const TURNED: [[f64; 4]; 3] = [[0.0, -0.7, 0.0, 10.0], [0.8, 0.0, 0.0, 20.0], [0.0, 0.0, 5.0, 30.0]];

#[test]
fn without_any_orientation_the_first_axis_runs_to_the_left() {
    let file = Folder::new().open(|_| {}).unwrap();
    near(file.grid.affine, [[-0.8, 0.0, 0.0, 0.8], [0.0, 0.7, 0.0, -1.05], [0.0, 0.0, 5.0, -10.0]]);
    assert_eq!(file.grid.orientation().letters(), "LAS");
    assert!(file.notes[0].contains("does not say how it lies"), "{:?}", file.notes);
}

#[test]
fn rows_go_before_a_quaternion_unless_they_are_empty_or_not_finite() {
    let folder = Folder::new();
    let rows = folder.open(|bytes| {
        put_qform(bytes);
        put_sform(bytes, 2, SFORM);
    });
    near(rows.unwrap().grid.affine, SFORM.map(|row| row.map(f64::from)));
    near(folder.open(|bytes| put_qform(bytes)).unwrap().grid.affine, TURNED);
    let mut nan = SFORM;
    nan[0][0] = f32::NAN;
    for rows in [[[0.0; 4]; 3], nan] {
        let file = folder
            .open(|bytes| {
                put_qform(bytes);
                put_sform(bytes, 1, rows);
            })
            .unwrap();
        near(file.grid.affine, TURNED);
        assert!(file.notes[0].contains("the qform is used"), "{:?}", file.notes);
        assert!(folder.open(|bytes| put_sform(bytes, 1, rows)).unwrap_err().contains("no qform"));
    }
    let long = folder.open(|bytes| {
        put_qform(bytes);
        put_f32(bytes, 256, 0.9);
    });
    assert!(long.unwrap_err().contains("no rotation"));
}

#[test]
fn an_affine_that_spans_no_volume_is_an_error() {
    let folder = Folder::new();
    let mut flat = SFORM;
    flat[2] = [0.0; 4];
    let mut equal = SFORM;
    equal.iter_mut().for_each(|row| row[1] = row[0]);
    for rows in [flat, equal] {
        let message = folder.open(|bytes| {
            put_qform(bytes);
            put_sform(bytes, 1, rows);
        });
        let message = message.unwrap_err();
        assert!(message.contains("scan.nii") && message.contains("singular"), "{message}");
    }
}

#[test]
fn lengths_follow_the_affine_and_its_unit() {
    let folder = Folder::new();
    let consistent = folder.open(|bytes| put_sform(bytes, 2, SFORM)).unwrap();
    assert!(consistent.notes.is_empty(), "{:?}", consistent.notes);
    assert!((consistent.grid.voxel_mm3() - 2.8).abs() < 1e-6);
    let ones = folder.open(|bytes| {
        put_sform(bytes, 2, SFORM);
        (80..92).step_by(4).for_each(|at| put_f32(bytes, at, 1.0));
    });
    let ones = ones.unwrap();
    assert_eq!(ones.grid.spacing_mm, consistent.grid.spacing_mm);
    assert!(
        ones.notes[0].contains("1 x 1 x 1 mm") && ones.notes[0].contains("0.8 x 0.7 x 5 mm"),
        "{:?}",
        ones.notes
    );
    for (code, factor) in [(1, 0.001), (3, 1000.0)] {
        let file = folder.open(|bytes| {
            put_sform(bytes, 2, SFORM.map(|row| row.map(|v| v * factor)));
            (80..92).step_by(4).zip([0.8, 0.7, 5.0]).for_each(|(at, mm)| put_f32(bytes, at, mm * factor));
            bytes[123] = code;
        });
        let file = file.unwrap();
        assert!((file.grid.voxel_mm3() - 2.8).abs() < 1e-4 && file.notes.is_empty(), "{:?}", file.notes);
    }
    let unknown = folder.open(|bytes| {
        put_sform(bytes, 2, SFORM);
        bytes[123] = 5;
    });
    assert!(unknown.unwrap().notes[0].contains("code 5"));
}

#[test]
fn the_thickness_of_a_single_slice_counts() {
    let folder = Folder::new();
    let slice = |bytes: &mut Vec<u8>| {
        put_i16(bytes, 40, 2);
        put_i16(bytes, 46, 1);
        bytes.truncate(352 + 12);
    };
    let thick = folder.open(slice).unwrap();
    assert_eq!(thick.grid.shape, [3, 4, 1]);
    assert!((thick.grid.voxel_mm3() - 2.8).abs() < 1e-6);
    let thin = folder
        .open(|bytes| {
            slice(bytes);
            put_f32(bytes, 88, 0.0);
        })
        .unwrap();
    assert!((thin.grid.voxel_mm3() - 0.56).abs() < 1e-6);
    assert!(thin.notes.iter().any(|note| note.contains("without a thickness")), "{:?}", thin.notes);
    // The label map of it lies on it.
    let map = folder.0.path().join("map.nii");
    thin.grid.write_classes(&map, &Array3::ones((3, 4, 1))).unwrap();
    assert_eq!(thin.grid.difference(&ScanFile::open(&map).unwrap().grid), None);
}

#[test]
fn label_maps_lie_on_their_scan_whatever_its_header_says() {
    let folder = Folder::new();
    let changes: [fn(&mut Vec<u8>); 4] = [
        |_| {},
        |bytes| put_qform(bytes),
        |bytes| put_sform(bytes, 1, SFORM),
        |bytes| {
            put_sform(bytes, 1, SFORM.map(|row| row.map(|v| v * 1000.0)));
            bytes[123] = 3;
        },
    ];
    for change in changes {
        let scan = Scan::read(&folder.write("scan.nii", &nifti(change))).unwrap();
        let classes = scan.voxels.mapv(|v| v as u8 % 3);
        for name in ["map.nii", "map.nii.gz"] {
            let path = folder.0.path().join(name);
            scan.grid.write_classes(&path, &classes).unwrap();
            let map = Scan::read(&path).unwrap();
            assert_eq!(map.grid.affine, scan.grid.affine);
            assert_eq!(map.voxels, classes.mapv(f32::from));
            // Both say how they lie by the same codes.
            assert_eq!(map.notes.len(), scan.notes.len());
        }
    }
}

#[test]
fn grids_that_differ_are_told_apart_in_words() {
    let folder = Folder::new();
    let grid = |rows: [[f32; 4]; 3]| folder.open(|bytes| put_sform(bytes, 1, rows)).unwrap().grid;
    let own = grid(SFORM);
    let with = |change: fn(&mut [[f32; 4]; 3])| {
        let mut rows = SFORM;
        change(&mut rows);
        own.difference(&grid(rows))
    };
    assert_eq!(with(|_| {}), None);
    // As headers are rounded.
    assert_eq!(with(|rows| rows[0][3] += 0.01), None);
    assert_eq!(with(|rows| rows[1][1] += 1e-5), None);
    // Stored in another order, in the same places.
    let turned = folder.open(|bytes| {
        let [a, b, c] = SFORM;
        put_sform(
            bytes,
            1,
            [[0.0, a[0], 0.0, a[3]], [b[1], 0.0, 0.0, b[3]], [0.0, 0.0, -c[2], c[3] + 4.0 * c[2]]],
        );
        put_i16(bytes, 42, 4);
        put_i16(bytes, 44, 3);
        put_f32(bytes, 80, 0.7);
        put_f32(bytes, 84, 0.8);
    });
    assert_eq!(own.difference(&turned.unwrap().grid), None);
    assert!(with(|rows| rows[2][3] += 40.0).unwrap().contains("corners lie up to 40.0 mm apart"));
    assert!(with(|rows| rows[0][0] = 0.8).unwrap().contains("LPS and to RPS"));
    assert!(with(|rows| rows[2][2] = 4.0).unwrap().contains("5 x 0.7 x 0.8 mm and 4 x 0.7 x 0.8 mm"));
    let other = folder.open(|bytes| {
        put_sform(bytes, 1, SFORM);
        put_i16(bytes, 42, 4);
        put_i16(bytes, 44, 3);
    });
    assert!(own.difference(&other.unwrap().grid).unwrap().contains("[3, 4, 5] and [4, 3, 5]"));
}

/// The same scan as NIfTI-2, in both byte orders.
#[test]
fn the_second_version_is_read_like_the_first() {
    let folder = Folder::new();
    let expected = Scan::read(&folder.write("one.nii", &nifti(|bytes| put_sform(bytes, 2, SFORM)))).unwrap();
    for is_big in [false, true] {
        let mut bytes = vec![0_u8; 544];
        let mut put = |at: usize, mut value: Vec<u8>| {
            if is_big {
                value.reverse();
            }
            bytes[at..at + value.len()].copy_from_slice(&value);
        };
        put(0, 540_i32.to_le_bytes().into());
        put(12, 2_i16.to_le_bytes().into());
        for (i, n) in [3_i64, 3, 4, 5, 1, 1, 1, 1].into_iter().enumerate() {
            put(16 + 8 * i, n.to_le_bytes().into());
        }
        for (i, mm) in [1.0_f64, 0.8, 0.7, 5.0].into_iter().enumerate() {
            put(104 + 8 * i, mm.to_le_bytes().into());
        }
        put(168, 544_i64.to_le_bytes().into());
        put(348, 2_i32.to_le_bytes().into());
        for (i, value) in SFORM.into_iter().flatten().enumerate() {
            put(400 + 8 * i, f64::from(value).to_le_bytes().into());
        }
        put(500, 2_i32.to_le_bytes().into());
        bytes[4..12].copy_from_slice(b"n+2\0\r\n\x1a\n");
        bytes.extend(0..60);
        let scan = Scan::read(&folder.write("two.nii", &bytes)).unwrap();
        assert_eq!((&scan.voxels, scan.grid.affine), (&expected.voxels, expected.grid.affine));
        let path = folder.0.path().join("map.nii.gz");
        scan.grid.write_classes(&path, &scan.voxels.mapv(|v| v as u8)).unwrap();
        assert_eq!(Scan::read(&path).unwrap().grid.affine, expected.grid.affine);
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn packed_files_are_known_by_what_is_in_them() {
    let folder = Folder::new();
    let raw = nifti(|bytes| put_sform(bytes, 1, SFORM));
    let packed = gzip(&raw);
    let expected = Scan::read(&folder.write("scan.nii", &raw)).unwrap().voxels;
    let members = [gzip(&raw[..100]), gzip(&raw[100..])].concat();
    for (name, bytes) in [
        ("zeros.nii.gz", [&packed[..], &[0; 512]].concat()),
        ("other.nii.gz", [&packed[..], &b"\r\ngarbage".repeat(40)].concat()),
        ("members.nii.gz", members),
        ("plain.nii.gz", raw.clone()),
        ("packed.nii", packed.clone()),
        ("capitals.NII.GZ", packed.clone()),
        ("more.nii", [&raw[..], &[7; 1000]].concat()),
    ] {
        assert_eq!(Scan::read(&folder.write(name, &bytes)).unwrap().voxels, expected, "{name}");
    }
    let page = b"<!DOCTYPE html><html><body>Please log in</body></html>";
    for (name, bytes, words) in [
        ("twice.nii.gz", gzip(&packed), "packed twice"),
        ("zip.nii.gz", b"PK\x03\x04".repeat(200), "zip archive"),
        ("zlib.nii.gz", b"\x78\x9c".repeat(200), "zlib"),
        ("page.nii.gz", page.to_vec(), "web page"),
        ("pointer.nii.gz", b"version https://git-lfs.github.com/spec/v1\noid".to_vec(), "git lfs pull"),
        ("scan.nrrd", b"NRRD0004\n".repeat(100), "NRRD"),
        ("scan.mha", b"ObjectType = Image\n".repeat(40), "MetaImage"),
        ("scan.mgz", gzip(&[&[0, 0, 0, 1][..], &[0; 600]].concat()), "mri_convert"),
        ("scan.dcm", [&[0; 128][..], b"DICM", &[0; 600]].concat(), "DICOM"),
        ("scan.img", vec![0; 1000], "Analyze"),
        ("empty.nii", Vec::new(), "is empty"),
    ] {
        let message = Scan::read(&folder.write(name, &bytes)).unwrap_err().to_string();
        assert!(message.contains(name) && message.contains(words), "{message}");
    }
}

#[test]
fn a_flipped_bit_in_a_packed_scan_is_an_error_or_changes_nothing() {
    let folder = Folder::new();
    let packed = gzip(&nifti(|bytes| put_sform(bytes, 1, SFORM)));
    let expected = Scan::read(&folder.write("scan.nii.gz", &packed)).unwrap();
    let mut accepted = 0;
    for bit in 0..8 * packed.len() {
        let mut bytes = packed.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(scan) = Scan::read(&folder.write("scan.nii.gz", &bytes)) {
            assert_eq!(
                (scan.voxels, scan.grid.affine),
                (expected.voxels.clone(), expected.grid.affine),
                "bit {bit}"
            );
            accepted += 1;
        }
    }
    // Time stamp, system and the like in the 10 bytes of gzip's header, and what fills up the last byte of its data.
    assert!(accepted <= 10 * 8, "{accepted} flips accepted");
}

#[test]
fn more_than_the_header_needs_ends_with_an_error_in_little_memory() {
    let folder = Folder::new();
    let raw = nifti(|bytes| bytes.resize(300 << 20, 0));
    let bomb = gzip(&raw);
    assert!(bomb.len() < 400 << 10);
    let path = folder.write("bomb.nii.gz", &bomb);
    assert!(Scan::read(&path).unwrap_err().to_string().contains("behind the 412 that its header needs"));
    assert!(survey(&path).contains("behind the 412"));
}

fn survey(path: &Path) -> String {
    ScanFile::open(path).unwrap().survey().map(|survey| format!("{survey:?}")).unwrap_err().to_string()
}

#[test]
fn planes_are_those_of_the_whole_scan() {
    let folder = Folder::new();
    let raw = nifti(|bytes| put_sform(bytes, 1, SFORM));
    let path = folder.write("scan.nii.gz", &gzip(&raw));
    let scan = Scan::read(&path).unwrap();
    let mut file = ScanFile::open(&path).unwrap();
    for _ in 0..2 {
        let mut planes = file.planes().unwrap();
        for k in 0..5 {
            let plane = planes.next_plane().unwrap().unwrap();
            assert_eq!(plane, scan.voxels.index_axis(ndarray::Axis(2), k).reversed_axes());
        }
        assert!(planes.next_plane().unwrap().is_none() && planes.next_plane().unwrap().is_none());
        // From here on from memory.
        assert_eq!(file.survey().unwrap().range(), Some([0.0, 59.0]));
    }
}
