//! Label maps of any tool, scored.

use std::fs;
use std::path::Path;

use fastersam::LabelTable;
use fastersam_volume::{Orientation, Scan, write_label_volume};
use ndarray::Array3;
use serde_json::Value;

use crate::program::{ROOT, fastersam, stderr, stdout, text};

/// What `score --json` prints.
#[track_caller]
fn scored(arguments: &[&str]) -> Value {
    serde_json::from_str(&stdout(&fastersam(&[&["score", "--json"], arguments].concat()))).unwrap()
}

/// The message of a `score` that must fail.
#[track_caller]
fn refused(arguments: &[&str]) -> String {
    let output = fastersam(&[&["score"], arguments].concat());
    assert!(!output.status.success(), "{arguments:?} succeeded");
    stderr(&output)
}

/// A label map with a box of each value; boxes are `shift` voxels to the right.
fn write_map(path: &Path, values: &[u8], shift: usize) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let map = Array3::from_shape_fn((6, 20, 30), |(slice, row, col)| {
        let at = (col.saturating_sub(shift) / 8, row);
        let is_in = (1..5).contains(&slice) && (4..12).contains(&at.1) && col >= shift;
        values.get(at.0).copied().filter(|_| is_in).unwrap_or(0)
    });
    write_label_volume(path, &map, [4.0, 1.5, 0.5], Orientation::default()).unwrap();
}

/// The same map with the names of its values in its header.
fn name_values(path: &Path, names: &[&str], codes: &[u16]) {
    let scan = Scan::read(path).unwrap();
    let table = LabelTable::new(names).with_codes(codes.iter().copied());
    let class = |value: f32| codes.iter().position(|&code| f32::from(code) == value).map_or(0, |at| at as u8 + 1);
    scan.grid.write_label_map(path, &scan.voxels.mapv(class), &table).unwrap();
}

#[test]
fn maps_of_segment_have_the_scores_of_evaluate_and_a_row_in_the_report() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (data, run, maps) = (at("data"), at("run"), at("maps"));
    stdout(&fastersam(&["data", "phantom", "--form", "nifti", "-o", text(&data), "--cases", "5", "--size", "64"]));
    let described = stdout(&fastersam(&["data", "describe", text(&data)]));
    let config = data.join("experiment.toml");
    let small = ["--set", "model.preset=tiny", "--set", "model.input_size=64", "--set", "train.epochs=6"];
    stdout(&fastersam(&[&["train", "-c", text(&config), "-o", text(&run)], &small[..]].concat()));
    let model = run.join("checkpoints");
    let measured = ["-m", text(&model), "-c", text(&config), "--pause", "never", "--json"];
    let evaluated: Value =
        serde_json::from_str(&stdout(&fastersam(&[&["evaluate"], &measured[..], &small].concat()))).unwrap();
    let cases = evaluated["cases"].as_array().unwrap();
    let has_overlap = |class: &Value| class["jaccard"].as_f64().is_some_and(|jaccard| jaccard > 0.1);
    let classes = || cases.iter().flat_map(|case| case["classes"].as_array().unwrap());
    assert!(classes().any(has_overlap), "empty maps tell nothing: {evaluated}");

    fs::create_dir(&maps).unwrap();
    for case in cases {
        let scan = data.join(format!("images/{}.nii.gz", case["case"].as_str().unwrap()));
        let arguments = ["segment", text(&scan), "-m", text(&model), "--pause", "never", "-o", text(&maps)];
        stdout(&fastersam(&arguments));
    }
    let records = run.join("records");
    let (truth, dataset) = (data.join("labels"), evaluated["dataset"].as_str().unwrap());
    let row = ["--records", text(&records), "--method", "another tool", "--dataset", dataset, "--split", "valid"];
    let labels = ["--labels", described.trim()];
    let found = scored(&[&[text(&maps), text(&truth)], &labels[..], &row].concat());
    // To the last bit: the same voxels in the same order.
    assert_eq!(found["cases"], evaluated["cases"]);
    assert_eq!(found["summary"], evaluated["summary"]);
    // Names in the maps' own headers mean the same.
    assert_eq!(scored(&[text(&maps), text(&truth)])["cases"], evaluated["cases"]);
    assert_eq!(found["missing"].as_array().unwrap().len() + cases.len(), 10);

    let record: Value =
        serde_json::from_str(&fs::read_to_string(found["record"].as_str().unwrap()).unwrap()).unwrap();
    let provenance = &record["record"]["provenance"];
    let hash =
        fastersam_files::sha256_of_file(&truth.join(format!("{}.nii.gz", cases[0]["case"].as_str().unwrap())));
    let said = &provenance["config"]["score"]["sha256"][cases[0]["case"].as_str().unwrap()]["truth"];
    assert_eq!(said, hash.unwrap().as_str());
    assert!(provenance["weights_sha256"].is_null());
    let published = format!("{ROOT}/configs/published");
    let report = stdout(&fastersam(&["report", text(&run), "--published", &published]));
    assert!(fs::read_to_string(report.trim()).unwrap().contains("another tool"));

    // `compare` takes both: no difference.
    let [first, second] = [("evaluated.json", &evaluated), ("scored.json", &found)].map(|(name, value)| {
        fs::write(at(name), value.to_string()).unwrap();
        at(name)
    });
    let compared = stdout(&fastersam(&["compare", text(&first), text(&second), "--json"]));
    let compared: Value = serde_json::from_str(&compared).unwrap();
    assert_eq!(compared["strict"]["dice"]["mean"]["mean_difference"], 0.0);
    let against = scored(&[&[text(&maps), text(&truth), "--against", text(&truth)], &labels[..]].concat());
    let difference = against["against"]["strict"]["dice"]["mean"]["mean_difference"].as_f64().unwrap();
    let own = evaluated["summary"]["strict"]["dice"].as_f64().unwrap();
    assert!((difference - (own - 1.0)).abs() < 1e-12, "{difference} {own}");
}

#[test]
fn files_are_paired_by_name_and_the_worst_case_comes_first_with_its_picture() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    // Eight columns a value: shifted by 2, three quarters of each box stay.
    for (case, shift) in [("p1", 0), ("p2", 2), ("p3", 1)] {
        write_map(&at("labelsTs").join(format!("{case}_gt.nii.gz")), &[1, 2], 0);
        write_map(&at("tool").join(format!("{case}_0000_segmentation.nii.gz")), &[1, 2], shift);
    }
    write_map(&at("labelsTs/p4_gt.nii.gz"), &[1, 2], 0);
    write_map(&at("tool/p5_segmentation.nii.gz"), &[1, 2], 0);
    let sides = [at("tool"), at("labelsTs")];
    let (tool, truth) = (text(&sides[0]), text(&sides[1]));
    let csv = at("all.csv");
    let output = fastersam(&["score", tool, truth, "--csv", text(&csv), "--pictures", text(&at("pictures"))]);
    let printed = stdout(&output);
    let said = stderr(&output);
    assert!(said.contains("1 case without a prediction") && said.contains("p4_gt.nii.gz"), "{said}");
    assert!(said.contains("left out") && said.contains("p5_segmentation.nii.gz"), "{said}");
    assert!(said.contains("classes by the values themselves: class 1, class 2"), "{said}");
    let worst = printed.split("worst cases first").nth(1).unwrap();
    let order: Vec<usize> = ["p2", "p3", "p1"].iter().map(|case| worst.find(case).unwrap()).collect();
    assert!(order.is_sorted(), "{printed}");
    assert!(worst.contains("0.7500  worst: class 1 0.7500"), "{printed}");
    let lines = fs::read_to_string(&csv).unwrap();
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(lines.len(), 1 + 3 * 2);
    assert!(lines[0].starts_with("case,class,transunet_dice,") && lines[0].ends_with(",surface_dice_mm"));
    assert!(lines.iter().all(|line| line.split(',').count() == lines[0].split(',').count()));
    assert!(lines[1].starts_with("\"p2\",\"class 1\",0.75,"), "{}", lines[1]);
    // Two voxels of half a millimetre, in one direction.
    let hd_mm = lines[0].split(',').position(|name| name == "hd_mm").unwrap();
    assert_eq!(lines[1].split(',').nth(hd_mm), Some("1"));
    assert!(fs::read(at("pictures/p2.png")).unwrap().starts_with(b"\x89PNG"));

    // Nothing is replaced unasked, least of all a label map.
    assert!(refused(&[tool, truth, "--csv", text(&csv)]).contains("--overwrite"));
    let map = at("labelsTs/p1_gt.nii.gz");
    let before = fs::read(&map).unwrap();
    assert!(refused(&[tool, truth, "--csv", text(&map), "--overwrite"]).contains("same file as the input"));
    assert_eq!(fs::read(&map).unwrap(), before);
    // Two files are a pair whatever they are called.
    let one = scored(&[text(&at("tool/p5_segmentation.nii.gz")), text(&map)]);
    assert_eq!(one["cases"][0]["classes"][1]["strict"]["dice"], 1.0);
}

#[test]
fn values_without_a_name_and_maps_that_lie_elsewhere_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    write_map(&at("truth/p1.nii.gz"), &[1, 2], 0);
    write_map(&at("tool/p1.nii.gz"), &[1, 6, 7], 0);
    let table = at("labels.toml");
    fs::write(&table, "labels = [{ code = 1, name = \"liver\" }, { code = 2, name = \"spleen\" }]\n").unwrap();
    let sides = [at("tool"), at("truth")];
    let (tool, truth) = (text(&sides[0]), text(&sides[1]));
    let message = refused(&[tool, truth, "--labels", text(&table)]);
    assert!(message.contains("tool/p1.nii.gz") && message.contains("label values 6, 7"), "{message}");
    // They may be background, and are then.
    let own = at("tool.toml");
    let text_of_own =
        "labels = [{ code = 1, name = \"liver\" }, { code = 6, name = \"spleen\" }]\nbackground = [7]\n";
    fs::write(&own, text_of_own).unwrap();
    let found = scored(&[tool, truth, "--labels", text(&table), "--prediction-labels", text(&own)]);
    assert_eq!(found["class_names"], serde_json::json!(["liver", "spleen"]));
    assert_eq!(found["cases"][0]["classes"][1]["strict"]["dice"], 1.0);

    // Names in headers pair classes whose values differ; those that the truth lacks are background.
    name_values(&at("truth/p1.nii.gz"), &["liver", "spleen"], &[1, 2]);
    name_values(&at("tool/p1.nii.gz"), &["liver", "spleen", "aorta"], &[1, 6, 7]);
    let found = scored(&[tool, truth]);
    assert_eq!(found["cases"][0]["classes"][1]["strict"]["dice"], 1.0);
    assert!(found["notes"][0].as_str().unwrap().contains("aorta"), "{found}");
    write_map(&at("tool/p1.nii.gz"), &[1, 2, 3], 0);
    name_values(&at("tool/p1.nii.gz"), &["a", "b", "c"], &[1, 2, 3]);
    assert!(refused(&[tool, truth]).contains("no class of the predictions (a, b, c)"));
    // A header that knows no class of a given table is passed over; one that does counts.
    assert!(refused(&[tool, truth, "--labels", text(&table)]).contains("label value 3, which the label table"));
    name_values(&at("tool/p1.nii.gz"), &["liver", "spleen", "c"], &[2, 1, 3]);
    let found = scored(&[tool, truth, "--labels", text(&table)]);
    assert_eq!(found["cases"][0]["classes"][1]["strict"]["dice"], 0.0, "{found}");

    // Another size, another spacing: each is said.
    let map = Array3::<u8>::zeros((6, 20, 31));
    write_label_volume(&at("tool/p1.nii.gz"), &map, [4.0, 1.5, 0.5], Orientation::default()).unwrap();
    let message = refused(&[tool, truth]);
    assert!(message.contains("[31, 20, 6]") && message.contains("[30, 20, 6]"), "{message}");
    let map = Array3::<u8>::zeros((6, 20, 30));
    write_label_volume(&at("tool/p1.nii.gz"), &map, [4.0, 1.5, 0.75], Orientation::default()).unwrap();
    let message = refused(&[tool, truth]);
    assert!(message.contains("0.75 x 1.5 x 4") || message.contains("4 x 1.5 x 0.75"), "{message}");
    assert!(refused(&[tool, text(&at("none"))]).contains("does not exist"));
}

#[test]
fn a_file_for_each_class_is_a_label_map_too() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for case in ["s1", "s2"] {
        write_map(&at("truth").join(format!("{case}.nii.gz")), &[1, 2], 0);
        let files = at("total").join(case).join("segmentations");
        write_map(&files.join("liver.nii.gz"), &[1], 0);
        write_map(&files.join("kidney_left.nii.gz"), &[0, 1], 0);
        write_map(&files.join("aorta.nii.gz"), &[0, 0, 1], 0);
    }
    let table = at("labels.toml");
    fs::write(&table, "labels = [{ code = 1, name = \"liver\" }, { code = 2, name = \"left kidney\", file = \"kidney_left\" }]\n")
        .unwrap();
    let (total, truth) = (at("total"), at("truth"));
    let arguments = [text(&total), text(&truth), "--labels", text(&table), "--per-class-files", "prediction"];
    let found = scored(&arguments);
    assert_eq!(found["cases"].as_array().unwrap().len(), 2);
    for class in 0..2 {
        assert_eq!(found["summary"]["strict"]["per_class_dice"][class], 1.0, "{found}");
    }
}
