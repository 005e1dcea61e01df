//! The first draft of a description, from folders with faults.

use std::fs;
use std::path::Path;

use fastersam_datasets::custom::{self, Draft};
use fastersam_datasets::phantom::Phantom;
use fastersam_datasets::{DataSet, OpenOptions, check};
use fastersam_volume::{Intensity, Orientation, write_image_volume, write_label_volume};

const LIES: Orientation = Orientation { axes: [2, 1, 0], positive: [true, false, false] };

/// A small scan and its label map, at these paths below a folder.
fn write(folder: &Path, image: &str, label: &str, index: usize) {
    let scan = Phantom::Heart.acquire(9, index, 16);
    for path in [image, label] {
        fs::create_dir_all(folder.join(path).parent().unwrap()).unwrap();
    }
    write_image_volume(&folder.join(image), &scan.raw, scan.spacing_mm, LIES).unwrap();
    write_label_volume(&folder.join(label), &scan.label, scan.spacing_mm, LIES).unwrap();
}

fn describe(folder: &Path, sequence: Option<&str>) -> Result<Draft, String> {
    custom::describe(folder, sequence, &|_, _| {}).map_err(|error| error.to_string())
}

/// A data set with the description that was drafted.
fn open(folder: &Path, draft: &Draft) -> DataSet {
    fs::write(folder.join(custom::FILE_NAME), draft.to_toml().unwrap()).unwrap();
    DataSet::open(folder, &OpenOptions::default()).unwrap()
}

#[test]
fn files_that_cannot_be_used_leave_their_case_out_and_say_why() {
    let folder = tempfile::tempdir().unwrap();
    let at = |path: &str| folder.path().join(path);
    for (index, name) in ["a", "b", "c", "d", "e", "f"].into_iter().enumerate() {
        write(folder.path(), &format!("images/{name}.nii.gz"), &format!("labels/{name}.nii.gz"), index);
    }
    // Cut off, no label map, of another tool, packed and unpacked.
    let bytes = fs::read(at("labels/b.nii.gz")).unwrap();
    fs::write(at("labels/b.nii.gz"), &bytes[..bytes.len() / 2]).unwrap();
    let halves = ndarray::Array3::from_elem((2, 4, 4), -3_i16);
    write_image_volume(&at("labels/c.nii.gz"), &halves, [1.0; 3], LIES).unwrap();
    fs::write(at("images/d.nii.gz"), "<!DOCTYPE html>").unwrap();
    write(folder.path(), "images/e.nii", "labels/e.nii.gz", 4);
    fs::write(at("images/g.nrrd"), "NRRD0004").unwrap();
    fs::write(at("images/h.mhd"), "NDims = 3").unwrap();

    let mut calls = std::sync::atomic::AtomicUsize::new(0);
    let count = |done: usize, all: usize| {
        assert!((1..=all).contains(&done));
        calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    };
    let draft = custom::describe(folder.path(), None, &count).unwrap();
    assert_eq!(*calls.get_mut(), 6);
    let set = open(folder.path(), &draft);
    let cases: Vec<&str> = (0..set.len()).map(|case| set.id(case)).collect();
    assert_eq!(cases, ["a", "f"]);
    assert_eq!(set.load("all").unwrap().len(), 2);
    assert_eq!((draft.n_used, draft.n_files), (4, 13));
    let reason = |path: &str| {
        let found = draft.left_out.iter().find(|(file, _)| file == path);
        found.map(|(_, reason)| reason.clone()).unwrap_or_else(|| panic!("{path} in {:?}", draft.left_out))
    };
    for (path, words) in [
        ("labels/b.nii.gz", "truncated"),
        ("images/b.nii.gz", "its case needs labels/b.nii.gz"),
        ("labels/c.nii.gz", "it holds -3, which is no label"),
        ("images/d.nii.gz", "web page"),
        ("labels/d.nii.gz", "its case needs images/d.nii.gz"),
        ("images/*.nrrd", "1 NRRD file, which is not read; convert to .nii.gz"),
        ("images/*.mhd", "1 MetaImage file, which is not read"),
    ] {
        assert!(reason(path).contains(words), "{path}: {}", reason(path));
    }
    let twice = [reason("images/e.nii"), reason("images/e.nii.gz")].concat();
    assert!(twice.contains("nothing says which one is meant"), "{twice}");

    // Where none can be read, a reason is said.
    let other = tempfile::tempdir().unwrap();
    write(other.path(), "images/a.nii.gz", "labels/a.nii.gz", 0);
    fs::write(other.path().join("labels/a.nii.gz"), "").unwrap();
    let message = describe(other.path(), None).unwrap_err();
    assert!(message.contains("none of its cases can be read") && message.contains("labels/a.nii.gz"), "{message}");
    fs::remove_dir_all(other.path().join("images")).unwrap();
    fs::write(other.path().join("labels/x.mha"), "").unwrap();
    let message = describe(other.path(), None).unwrap_err();
    assert!(message.contains("labels/*.mha: 1 MetaImage file"), "{message}");
}

#[test]
fn splits_of_folders_and_few_scans_are_drafted() {
    let folder = tempfile::tempdir().unwrap();
    for (index, (part, name)) in [("Tr", "a"), ("Tr", "b"), ("Va", "c"), ("Ts", "d")].into_iter().enumerate() {
        let [image, label] = ["images", "labels"].map(|kind| format!("{kind}{part}/{name}.nii.gz"));
        write(folder.path(), &image, &label, index);
    }
    let draft = describe(folder.path(), None).unwrap();
    let set = open(folder.path(), &draft);
    let ids = |split: &str| set.split(split).unwrap().into_iter().map(|case| set.id(case)).collect::<Vec<_>>();
    assert_eq!([ids("train"), ids("valid"), ids("test")], [vec!["a", "b"], vec!["c"], vec!["d"]]);
    let slices: usize = set.load("train").unwrap().iter().map(|case| case.image.dim().0).sum();
    assert_eq!(draft.n_training_slices, slices);

    let two = tempfile::tempdir().unwrap();
    write(two.path(), "p1/scan.nii.gz", "p1/scan_seg.nii.gz", 0);
    write(two.path(), "p2/scan.nii.gz", "p2/scan_seg.nii.gz", 1);
    let draft = describe(two.path(), None).unwrap();
    assert_eq!(
        (&draft.description.splits["train"], &draft.description.splits["valid"]),
        (&vec!["p1".into()], &vec!["p2".into()])
    );
}

#[test]
fn one_of_several_sequences_is_used_and_another_can_be_chosen() {
    let folder = tempfile::tempdir().unwrap();
    for (index, name) in ["p1", "p2"].into_iter().enumerate() {
        for sequence in ["flair", "t1ce"] {
            write(
                folder.path(),
                &format!("{name}/{name}_{sequence}.nii.gz"),
                &format!("{name}/{name}_seg.nii.gz"),
                index,
            );
        }
    }
    for (asked, image) in [(None, "{case}/{case}_flair.nii.gz"), (Some("T1CE"), "{case}/{case}_t1ce.nii.gz")] {
        let draft = describe(folder.path(), asked).unwrap();
        assert_eq!(draft.description.image, image);
        let note = draft.notes.join("\n");
        assert!(note.contains("(flair, t1ce)") && note.contains("--sequence"), "{note}");
    }
    let message = describe(folder.path(), Some("t2")).unwrap_err();
    assert!(message.contains("\"t2\"; there are: flair, t1ce"), "{message}");
}

#[test]
fn several_images_say_what_the_intensities_are() {
    let folder = tempfile::tempdir().unwrap();
    let labels = ndarray::Array3::from_elem((2, 8, 8), 1_u8);
    fs::create_dir_all(folder.path().join("images")).unwrap();
    fs::create_dir_all(folder.path().join("labels")).unwrap();
    let scan = |name: &str, lowest: i16| {
        let voxels = ndarray::Array3::from_shape_fn((2, 8, 8), |(z, y, x)| {
            lowest.max((64 * z + 8 * y + x) as i16 * 10 - 1024)
        });
        write_image_volume(&folder.path().join(format!("images/{name}.nii.gz")), &voxels, [1.0; 3], LIES).unwrap();
        write_label_volume(&folder.path().join(format!("labels/{name}.nii.gz")), &labels, [1.0; 3], LIES).unwrap();
    };
    ["a", "b", "c"].into_iter().for_each(|name| scan(name, -1024));
    assert!(matches!(describe(folder.path(), None).unwrap().description.intensity, Intensity::Window { .. }));
    scan("c", 0);
    let draft = describe(folder.path(), None).unwrap();
    assert!(matches!(draft.description.intensity, Intensity::Percentiles { .. }));
    assert!(draft.notes.iter().any(|note| note.contains("2 of 3 images")), "{:?}", draft.notes);
}

#[test]
fn a_check_tells_of_orientations_and_of_empty_label_maps() {
    let folder = tempfile::tempdir().unwrap();
    for (index, name) in ["a", "b", "c"].into_iter().enumerate() {
        write(folder.path(), &format!("images/{name}.nii.gz"), &format!("labels/{name}.nii.gz"), index);
    }
    let set = open(folder.path(), &describe(folder.path(), None).unwrap());
    let report = check::check(&set, &[], false);
    assert!(report.problems.is_empty() && report.warnings.is_empty(), "{report}");
    assert!(report.to_string().contains("valid: 1 case, "), "{report}");

    // One scan lies otherwise, and one label map is empty: a user should know, but both are of use.
    let scan = Phantom::Heart.acquire(9, 1, 16);
    let turned = Orientation { axes: [2, 1, 0], positive: [true, true, true] };
    write_image_volume(&folder.path().join("images/b.nii.gz"), &scan.raw, scan.spacing_mm, turned).unwrap();
    let empty = scan.label.mapv(|_| 0_u8);
    write_label_volume(&folder.path().join("labels/b.nii.gz"), &empty, scan.spacing_mm, turned).unwrap();
    let report = check::check(&set, &[], false);
    assert!(report.problems.is_empty(), "{report}");
    let warnings = report.warnings.join("\n");
    assert!(warnings.contains("different orientations (2 ") && warnings.contains("1 "), "{warnings}");
    assert!(warnings.contains("b: its label map holds background only"), "{warnings}");
}
