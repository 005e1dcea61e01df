//! Data of one's own, from a folder of NIfTI files to a report, through the program alone; and the data commands.

use std::fs;
use std::path::Path;
use std::process::Command;

use fastersam::CalibrationCases;
use fastersam_datasets::phantom::Phantom;
use fastersam_records::Record;
use fastersam_volume::{Orientation, write_image_volume, write_label_volume};
use serde_json::Value;

const CONFIGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs");

/// What a command that must succeed prints.
#[track_caller]
fn run(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_fastersam")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The message of a command that must fail.
#[track_caller]
fn fails(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_fastersam")).args(arguments).output().unwrap();
    assert!(!output.status.success(), "{arguments:?} succeeded");
    let both = [output.stdout, output.stderr].concat();
    String::from_utf8(both).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Six scans that lie like nobody's data set: coronal slices, codes of their own, names of their own.
fn write_scans(folder: &Path) {
    let orientation = Orientation { axes: [1, 2, 0], positive: [false, true, true] };
    for index in 0..6 {
        let scan = Phantom::Heart.acquire(5, index, 48);
        let code = |class: u8| [0, 7, 30, 205][usize::from(class)];
        let [image, label] = ["scans", "seg"].map(|part| {
            fs::create_dir_all(folder.join(part)).unwrap();
            folder.join(part).join(format!("visit-{index}.nii.gz"))
        });
        write_image_volume(&image, &scan.raw, scan.spacing_mm, orientation).unwrap();
        write_label_volume(&label, &scan.label.mapv(code), scan.spacing_mm, orientation).unwrap();
    }
}

fn experiment(id: &str, path: &Path) -> String {
    format!(
        r#"
id = "{id}"
title = "Scans of one's own"

[data]
source = "files"
path = "{}"
train = "train"
calibrate = {{ hold_out = 1 }}
evaluate = "valid"

[model]
preset = "tiny"
input_size = 64
pause_points = [0, 2, 4]

[train]
epochs = 1
batch_size = 4
learning_rate = 1e-3
warmup_steps = 3
weight_decay = 0.05
augment = true

[measure]
batch_size = 4
thresholds = [0.2]
dice_tolerance = 0.01
throughput_batch_sizes = [4]
throughput_runs = 1
"#,
        text(path)
    )
}

#[test]
fn a_folder_of_scans_works_in_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let scans = folder.path().join("clinic");
    write_scans(&scans);

    let described = run(&["data", "describe", text(&scans)]);
    let draft = fs::read_to_string(&described).unwrap();
    assert!(fails(&["data", "describe", text(&scans)]).contains("exists"));
    let named = draft
        .replace("class 7", "right ventricle")
        .replace("class 30", "myocardium")
        .replace("class 205", "left ventricle");
    assert_ne!(named, draft);
    fs::write(&described, named).unwrap();

    let report: Value = serde_json::from_str(&run(&["data", "check", text(&scans), "--json"])).unwrap();
    assert_eq!(report["cases"].as_array().unwrap().len(), 6);
    assert_eq!(report["splits"]["valid"]["cases"], 1);
    let prepared = folder.path().join("prepared");
    run(&["data", "import", text(&scans), "-o", text(&prepared)]);
    let again: Value = serde_json::from_str(&run(&["data", "check", text(&prepared), "--json"])).unwrap();
    assert_eq!((&again["cases"], &again["splits"]), (&report["cases"], &report["splits"]));

    let config = folder.path().join("own.toml");
    fs::write(&config, experiment("own", &scans)).unwrap();
    let output = folder.path().join("run");
    run(&["train", "-c", text(&config), "-o", text(&output)]);
    let checkpoints = output.join("checkpoints");
    let evaluate = |config: &Path| -> Value {
        let found = run(&["evaluate", "-m", text(&checkpoints), "-c", text(config), "--json"]);
        serde_json::from_str(&found).unwrap()
    };
    let scored = evaluate(&config);
    assert_eq!(scored["split"], "valid");
    assert_eq!(scored["cases"][0]["case"], "visit-4");
    assert_eq!(scored["cases"][0]["classes"].as_array().unwrap().len(), 3);
    // The prepared form gives the same scores to the last bit.
    let of_prepared = folder.path().join("prepared.toml");
    fs::write(&of_prepared, experiment("own", &prepared)).unwrap();
    assert_eq!(evaluate(&of_prepared)["cases"], scored["cases"]);

    // The run beside itself, from the printed scores.
    let scores = folder.path().join("scores.json");
    fs::write(&scores, scored.to_string()).unwrap();
    let beside: Value = serde_json::from_str(&run(&["compare", text(&scores), text(&scores), "--json"])).unwrap();
    assert_eq!((&beside["n_cases"], &beside["strict"]["dice"]["mean"]["p_value"]), (&1.into(), &1.0.into()));
    assert!(fails(&["compare", text(&scores), text(&config)]).contains("own.toml"));

    let timed = run(&["bench", "--rounds", "1", "-m", text(&checkpoints), "-c", text(&config), "--json"]);
    assert!(timed.lines().all(|line| line.contains("ms_per_slice")), "{timed}");
    let scan = scans.join("scans/visit-5.nii.gz");
    let result: Value =
        serde_json::from_str(&run(&["segment", text(&scan), "--model", text(&checkpoints), "--json"])).unwrap();
    assert!(result["volume_ml"]["left ventricle"].is_number(), "{result}");

    let suite = folder.path().join("suite.toml");
    fs::write(&suite, "title = \"Clinic\"\nexperiments = [\"own.toml\"]\n").unwrap();
    let all = folder.path().join("all");
    let index = run(&["reproduce", "--suite", text(&suite), "--configs", CONFIGS, "-o", text(&all)]);
    assert!(Path::new(&index).is_file(), "{index}");
    let tables: Vec<_> = fs::read_dir(all.join("report/tables")).unwrap().map(|e| e.unwrap().path()).collect();
    assert!(
        tables
            .iter()
            .any(|table| fs::read_to_string(table).unwrap().contains("clinic") || text(table).contains("clinic")),
        "{tables:?}"
    );
}

/// What a suite said of the calibration cases: on the terminal, and in the checkpoint.
fn calibrated(folder: &Path, calibrate: &str) -> (String, CalibrationCases) {
    let (suite, run) = (folder.join("suite.toml"), folder.join("run"));
    let config = experiment("own", &folder.join("clinic")).replace("{ hold_out = 1 }", calibrate);
    fs::write(folder.join("own.toml"), config).unwrap();
    fs::write(&suite, "title = \"Clinic\"\nexperiments = [\"own.toml\"]\n").unwrap();
    let arguments = ["reproduce", "--suite", text(&suite), "--configs", CONFIGS, "-o", text(&run), "--overwrite"];
    let output = Command::new(env!("CARGO_BIN_EXE_fastersam")).args(arguments).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    let checkpoint = fastersam::checkpoint::resolve(&run.join("own/checkpoints")).unwrap();
    let recommended = fastersam::checkpoint::read_info(&checkpoint).unwrap().recommended.unwrap();
    // Every record that recommends the setting says the same.
    let records = fastersam_records::read_records(&run.join("records")).unwrap();
    let named: Vec<CalibrationCases> = records
        .iter()
        .filter_map(|record| match record {
            Record::Evaluation(record) => record.pause.recommended.clone(),
            Record::Throughput(record) => record.pause.recommended.clone(),
            _ => None,
        })
        .collect();
    assert!(!named.is_empty() && named.iter().all(|cases| *cases == recommended.chosen_on), "{named:?}");
    (said, recommended.chosen_on)
}

#[test]
fn cases_that_choose_the_setting_leave_the_training_set_or_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let scans = folder.path().join("clinic");
    write_scans(&scans);
    run(&["data", "describe", text(&scans)]);
    // Of six scans, one is scored.
    let (said, cases) = calibrated(folder.path(), "{ hold_out = 2 }");
    assert!(said.contains("3 volumes to train on, 2 to choose a pause setting on, 1 to score"), "{said}");
    let expected = CalibrationCases { cases: "2 of train, held out of training".to_owned(), trained_on: false };
    assert_eq!(cases, expected);
    let (said, cases) = calibrated(folder.path(), "{ from_training = 2 }");
    assert!(said.contains("5 volumes to train on, 2 to choose a pause setting on, 1 to score"), "{said}");
    assert!(said.contains("the model was trained on them as well"), "{said}");
    assert_eq!(cases, CalibrationCases { cases: "2 of train".to_owned(), trained_on: true });

    let config = folder.path().join("own.toml");
    for (calibrate, words) in [
        ("\"train\"", ["hold_out", "from_training"]),
        ("\"valid\"", ["valid", "are scored"]),
        ("{ hold_out = 5 }", ["5 of the 5 patients", "1 to 4"]),
        ("{ hold_out = 0 }", ["hold_out is 0", "from 1"]),
        ("{ hold_aut = 2 }", ["hold_out = N", "from_training = N"]),
    ] {
        fs::write(&config, experiment("own", &scans).replace("{ hold_out = 1 }", calibrate)).unwrap();
        let message = fails(&["train", "-c", text(&config), "-o", text(&folder.path().join("none"))]);
        assert!(words.iter().all(|word| message.contains(word)), "{calibrate}: {message}");
    }
}

#[test]
fn every_form_is_written_checked_and_imported() {
    let folder = tempfile::tempdir().unwrap();
    for (form, scheme) in [
        ("synapse-nifti", "raw"),
        ("synapse-npz", "samed"),
        ("acdc-nifti", "raw"),
        ("acdc-h5", "raw"),
        ("acdc-h5-slices", "raw"),
        ("acdc-npz", "raw"),
    ] {
        let (at, to) = (folder.path().join(form), folder.path().join(format!("{form}-prepared")));
        let options = ["--label-scheme", scheme, "--axes", if form.ends_with("nifti") { "zyx" } else { "zxy" }];
        let small = ["--cases", "6", "--size", "32", "-o", text(&at)];
        run(&[&["data", "phantom", "--form", form][..], &small, &options].concat());
        let checked = run(&[&["data", "check", text(&at)][..], &options].concat());
        assert!(checked.contains(&format!("form {form}")) && !checked.contains("problem"), "{checked}");
        run(&[&["data", "import", text(&at), "-o", text(&to)][..], &options].concat());
        assert!(run(&["data", "check", text(&to)]).contains("form prepared"));
    }
    // A wrong label scheme is a problem that the check finds, and the program fails.
    let npz = folder.path().join("synapse-npz");
    assert!(fails(&["data", "check", text(&npz)]).contains("name the label scheme"));
    let message = fails(&["data", "check", text(&npz), "--label-scheme", "transunet", "--axes", "zxy"]);
    assert!(message.contains("problem") && message.contains("label scheme"), "{message}");
    // A file that is cut off is named.
    let file = folder.path().join("acdc-h5/ACDC_training_volumes/patient001_frame01.h5");
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..bytes.len() / 3]).unwrap();
    let message = fails(&["data", "check", text(&folder.path().join("acdc-h5"))]);
    assert!(message.contains("patient001_frame01.h5"), "{message}");
}
