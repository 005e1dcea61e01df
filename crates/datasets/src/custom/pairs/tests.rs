//! Layouts that people have.

use super::*;

/// Pairs as `case (patient): image + label`, and the files that are left out.
fn check(paths: &[&str], expected: &[&str], left_out: &[&str]) {
    let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
    let found = pair(&paths, None);
    let pairs: Vec<String> = found
        .pairs
        .iter()
        .map(|pair| {
            let labels = match &pair.labels {
                Labels::Map(path) => path.clone(),
                Labels::Files(files) => files.keys().cloned().collect::<Vec<_>>().join(","),
            };
            let patient = if pair.patient == pair.case { String::new() } else { format!(" ({})", pair.patient) };
            format!("{}{patient}: {} + {labels}", pair.case, pair.image)
        })
        .collect();
    assert_eq!(pairs, expected);
    let mut names: Vec<&str> = found.left_out.iter().map(|(path, _)| path.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, left_out);
}

#[test]
fn the_layouts_of_challenges_and_tools_are_known() {
    check(
        &[
            "imagesTr/liver_0_0000.nii.gz",
            "imagesTr/liver_1_0000.nii.gz",
            "imagesTs/liver_9_0000.nii.gz",
            "labelsTr/liver_0.nii.gz",
            "labelsTr/liver_1.nii.gz",
        ],
        &[
            "liver_0: imagesTr/liver_0_0000.nii.gz + labelsTr/liver_0.nii.gz",
            "liver_1: imagesTr/liver_1_0000.nii.gz + labelsTr/liver_1.nii.gz",
        ],
        &["imagesTs/liver_9_0000.nii.gz"],
    );
    check(
        &["imagesTr/B_000_0000.nii.gz", "imagesTr/B_000_0001.nii.gz", "labelsTr/B_000.nii.gz"],
        &["B_000: imagesTr/B_000_0000.nii.gz + labelsTr/B_000.nii.gz"],
        &["imagesTr/B_000_0001.nii.gz"],
    );
    check(
        &[
            "case_00000/imaging.nii.gz",
            "case_00000/segmentation.nii.gz",
            "case_00001/imaging.nii.gz",
            "case_00001/segmentation.nii.gz",
        ],
        &[
            "case_00000: case_00000/imaging.nii.gz + case_00000/segmentation.nii.gz",
            "case_00001: case_00001/imaging.nii.gz + case_00001/segmentation.nii.gz",
        ],
        &[],
    );
    check(
        &["volume-0.nii", "volume-10.nii", "segmentation-0.nii", "segmentation-10.nii"],
        &["0: volume-0.nii + segmentation-0.nii", "10: volume-10.nii + segmentation-10.nii"],
        &[],
    );
    check(
        &[
            "B1/B1_t1.nii.gz",
            "B1/B1_t1ce.nii.gz",
            "B1/B1_flair.nii.gz",
            "B1/B1_seg.nii.gz",
            "B2/B2_t1.nii.gz",
            "B2/B2_flair.nii.gz",
            "B2/B2_seg.nii.gz",
        ],
        &["B1: B1/B1_flair.nii.gz + B1/B1_seg.nii.gz", "B2: B2/B2_flair.nii.gz + B2/B2_seg.nii.gz"],
        &["B1/B1_t1.nii.gz", "B1/B1_t1ce.nii.gz", "B2/B2_t1.nii.gz"],
    );
    check(
        &[
            "s1/ct.nii.gz",
            "s1/segmentations/liver.nii.gz",
            "s1/segmentations/spleen.nii.gz",
            "s2/ct.nii.gz",
            "s2/segmentations/liver.nii.gz",
        ],
        &["s1: s1/ct.nii.gz + liver,spleen", "s2: s2/ct.nii.gz + liver"],
        &[],
    );
    check(
        &[
            "patient001/patient001_frame01.nii.gz",
            "patient001/patient001_frame01_gt.nii.gz",
            "patient001/patient001_frame12.nii.gz",
            "patient001/patient001_frame12_gt.nii.gz",
            "patient001/patient001_4d.nii.gz",
            "patient002/patient002_frame01.nii.gz",
            "patient002/patient002_frame01_gt.nii.gz",
        ],
        &[
            "patient001_frame01 (patient001): patient001/patient001_frame01.nii.gz + patient001/patient001_frame01_gt.nii.gz",
            "patient001_frame12 (patient001): patient001/patient001_frame12.nii.gz + patient001/patient001_frame12_gt.nii.gz",
            "patient002_frame01 (patient002): patient002/patient002_frame01.nii.gz + patient002/patient002_frame01_gt.nii.gz",
        ],
        &["patient001/patient001_4d.nii.gz"],
    );
    check(
        &["img/img0001.nii.gz", "img/img0010.nii.gz", "label/label0001.nii.gz", "label/label0010.nii.gz"],
        &[
            "0001: img/img0001.nii.gz + label/label0001.nii.gz",
            "0010: img/img0010.nii.gz + label/label0010.nii.gz",
        ],
        &[],
    );
    check(
        &["imagesTr/a1.nii.gz", "imagesVa/a2.nii.gz", "labelsTr/a1.nii.gz", "labelsVa/a2.nii.gz"],
        &["a1: imagesTr/a1.nii.gz + labelsTr/a1.nii.gz", "a2: imagesVa/a2.nii.gz + labelsVa/a2.nii.gz"],
        &[],
    );
    check(
        &["images/FLARE_0001_0000.nii.gz", "labels/FLARE_0001.nii.gz"],
        &["FLARE_0001: images/FLARE_0001_0000.nii.gz + labels/FLARE_0001.nii.gz"],
        &[],
    );
}

#[test]
fn names_are_as_people_have_them() {
    check(
        &[
            "images/Patient 0.nii.gz",
            "images/p(1)+.nii.gz",
            "images/Mu\u{308}ller.nii.gz",
            "images/P2.NII.GZ",
            "labels/Patient 0.nii.gz",
            "labels/p(1)+.nii.gz",
            "labels/M\u{fc}ller.nii.gz",
            "labels/P2.nii.gz",
        ],
        &[
            "M\u{fc}ller: images/Mu\u{308}ller.nii.gz + labels/M\u{fc}ller.nii.gz",
            "P2: images/P2.NII.GZ + labels/P2.nii.gz",
            "Patient_0: images/Patient 0.nii.gz + labels/Patient 0.nii.gz",
            "p_1__: images/p(1)+.nii.gz + labels/p(1)+.nii.gz",
        ],
        &[],
    );
    check(
        &["case0.nii.gz", "case0_seg.nii.gz", "case1.nii.gz", "case1-label.nii.gz"],
        &["case0: case0.nii.gz + case0_seg.nii.gz", "case1: case1.nii.gz + case1-label.nii.gz"],
        &[],
    );
    check(
        &[
            "images/1.nii.gz",
            "images/10.nii.gz",
            "images/u3.nii.gz",
            "labels/1.nii.gz",
            "labels/10.nii",
            "labels/u4.nii.gz",
        ],
        &["1: images/1.nii.gz + labels/1.nii.gz", "10: images/10.nii.gz + labels/10.nii"],
        &["images/u3.nii.gz", "labels/u4.nii.gz"],
    );
}

#[test]
fn words_in_folders_above_and_in_names_of_cases_mislead_nobody() {
    check(
        &["segmentation_2024/imagesTr/c0.nii.gz", "segmentation_2024/labelsTr/c0.nii.gz"],
        &["c0: segmentation_2024/imagesTr/c0.nii.gz + segmentation_2024/labelsTr/c0.nii.gz"],
        &[],
    );
    check(
        &[
            "SegTHOR/train/Patient_00/Patient_00.nii.gz",
            "SegTHOR/train/Patient_00/GT.nii.gz",
            "SegTHOR/train/Patient_01/Patient_01.nii.gz",
            "SegTHOR/train/Patient_01/GT.nii.gz",
        ],
        &[
            "Patient_00: SegTHOR/train/Patient_00/Patient_00.nii.gz + SegTHOR/train/Patient_00/GT.nii.gz",
            "Patient_01: SegTHOR/train/Patient_01/Patient_01.nii.gz + SegTHOR/train/Patient_01/GT.nii.gz",
        ],
        &[],
    );
    check(
        &["images/segmed_0.nii.gz", "images/segmed_1.nii.gz", "labels/segmed_0.nii.gz", "labels/segmed_1.nii.gz"],
        &[
            "segmed_0: images/segmed_0.nii.gz + labels/segmed_0.nii.gz",
            "segmed_1: images/segmed_1.nii.gz + labels/segmed_1.nii.gz",
        ],
        &[],
    );
    check(
        &["labeled/images/c0.nii.gz", "labeled/gt/c0.nii.gz"],
        &["c0: labeled/images/c0.nii.gz + labeled/gt/c0.nii.gz"],
        &[],
    );
}

#[test]
fn what_folders_and_names_say_apart_is_weighed() {
    // Outputs of another tool, or names of a clinic: both folders have the same names.
    check(
        &["images/x_seg.nii.gz", "images/y_seg.nii.gz", "labels/x_seg.nii.gz", "labels/y_seg.nii.gz"],
        &["x: images/x_seg.nii.gz + labels/x_seg.nii.gz", "y: images/y_seg.nii.gz + labels/y_seg.nii.gz"],
        &[],
    );
    check(
        &["images/x.nii.gz", "images/x_seg.nii.gz", "images/y.nii.gz", "images/y_seg.nii.gz"],
        &["x: images/x.nii.gz + images/x_seg.nii.gz", "y: images/y.nii.gz + images/y_seg.nii.gz"],
        &[],
    );
    // The sequence is a part of every name, or a folder.
    check(
        &["images/a_t1.nii.gz", "images/b_t1.nii.gz", "labels/a_t1.nii.gz", "labels/b_t1.nii.gz"],
        &["a_t1: images/a_t1.nii.gz + labels/a_t1.nii.gz", "b_t1: images/b_t1.nii.gz + labels/b_t1.nii.gz"],
        &[],
    );
    check(
        &["flair/a.nii.gz", "flair/b.nii.gz", "seg/a.nii.gz", "seg/b.nii.gz", "t1/a.nii.gz", "t1/b.nii.gz"],
        &["a: flair/a.nii.gz + seg/a.nii.gz", "b: flair/b.nii.gz + seg/b.nii.gz"],
        &["t1/a.nii.gz", "t1/b.nii.gz"],
    );
    check(
        &["p1/ct.nii.gz", "p1/mask.nii.gz", "p1/pet.nii.gz", "p2/ct.nii.gz", "p2/mask.nii.gz"],
        &["p1: p1/ct.nii.gz + p1/mask.nii.gz", "p2: p2/ct.nii.gz + p2/mask.nii.gz"],
        &["p1/pet.nii.gz"],
    );
    // One file for each class, in folders that are called like the images.
    check(
        &[
            "images/a.nii.gz",
            "images/b.nii.gz",
            "labels/a/liver.nii.gz",
            "labels/a/spleen.nii.gz",
            "labels/b/liver.nii.gz",
        ],
        &["a: images/a.nii.gz + liver,spleen", "b: images/b.nii.gz + liver"],
        &[],
    );
}

#[test]
fn splits_of_folders_are_known_and_no_part_of_names() {
    let splits = |paths: &[&str]| -> Vec<String> {
        let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
        let split = |pair: &Pair| pair.split.map_or("-", Split::name);
        pair(&paths, None).pairs.iter().map(|pair| format!("{} {}", pair.case, split(pair))).collect()
    };
    assert_eq!(
        splits(&["imagesTr/a.nii.gz", "imagesTs/b.nii.gz", "labelsTr/a.nii.gz", "labelsTs/b.nii.gz"]),
        ["a train", "b test"]
    );
    // The same names on both sides are different cases.
    assert_eq!(
        splits(&[
            "test/images/0.nii.gz",
            "test/labels/0.nii.gz",
            "train/images/0.nii.gz",
            "train/labels/0.nii.gz",
        ]),
        ["test_0 test", "train_0 train"]
    );
    assert_eq!(
        splits(&[
            "data/training/patient001/patient001_frame01.nii.gz",
            "data/training/patient001/patient001_frame01_gt.nii.gz",
            "data/testing/patient101/patient101_frame01.nii.gz",
            "data/testing/patient101/patient101_frame01_gt.nii.gz",
        ]),
        ["patient101_frame01 test", "patient001_frame01 train"]
    );
}

#[test]
fn the_sequence_is_the_users_choice() {
    let paths =
        ["p1/p1_flair", "p1/p1_seg", "p1/p1_t1", "p2/p2_flair", "p2/p2_seg"].map(|p| format!("{p}.nii.gz"));
    let images = |sequence: Option<&str>| -> Vec<String> {
        pair(&paths, sequence).pairs.into_iter().map(|pair| pair.image).collect()
    };
    assert_eq!(images(None), ["p1/p1_flair.nii.gz", "p2/p2_flair.nii.gz"]);
    assert_eq!(images(Some("T1")), ["p1/p1_t1.nii.gz"]);
    let found = pair(&paths, Some("t1"));
    let reason =
        |path: &str| found.left_out.iter().find(|(left_out, _)| left_out == path).map(|(_, why)| why.as_str());
    assert_eq!(reason("p2/p2_seg.nii.gz"), Some("its case has no image of the sequence \"t1\""));
    assert_eq!(
        reason("p1/p1_flair.nii.gz"),
        Some("another channel or sequence of the case; p1/p1_t1.nii.gz is used")
    );
    assert_eq!(found.sequences.iter().map(String::as_str).collect::<Vec<_>>(), ["flair", "t1"]);
    let channels = ["imagesTr/a_0000", "imagesTr/a_0001", "labelsTr/a"].map(|p| format!("{p}.nii.gz"));
    assert_eq!(pair(&channels, Some("0001")).pairs[0].image, "imagesTr/a_0001.nii.gz");
}
