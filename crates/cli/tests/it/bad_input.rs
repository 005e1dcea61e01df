//! Bad input: one paragraph that names the file and what to do, an exit code, and nothing half-written.

use std::fs;
use std::path::{Path, PathBuf};

use fastersam_volume::{Scan, write_labels};

use crate::program::{ROOT, fastersam, stderr, text};

/// The message of a command that must fail.
fn error(arguments: &[&str]) -> String {
    let output = fastersam(arguments);
    assert!(!output.status.success(), "{arguments:?} succeeded");
    assert!(output.stdout.is_empty(), "{arguments:?} printed a result");
    let message = stderr(&output);
    assert!(!message.contains("panicked"), "{message}");
    let (_, paragraph) = message.split_once("error: ").unwrap_or_else(|| panic!("no error in: {message}"));
    assert!(!paragraph.trim_end().contains("\n\n"), "{message}");
    paragraph.to_owned()
}

/// That each of the words is in the message.
fn check(message: &str, words: &[&str]) {
    for word in words {
        assert!(message.contains(word), "{word:?} is not in: {message}");
    }
}

/// A folder with patients as ACDC has them, of phantoms.
fn patients(folder: &Path) -> PathBuf {
    let data = folder.join("data");
    fs::create_dir(&data).unwrap();
    let output = fastersam(&[
        "data",
        "phantom",
        "--form",
        "acdc-nifti",
        "-o",
        text(&data.join("acdc")),
        "--cases",
        "19",
        "--size",
        "24",
    ]);
    assert!(output.status.success(), "{}", stderr(&output));
    data
}

#[test]
fn broken_data_are_named_before_anything_is_trained() {
    let folder = tempfile::tempdir().unwrap();
    let data = patients(folder.path());
    let run = folder.path().join("run");
    let config = format!("{ROOT}/configs/experiments/acdc-small.toml");
    let arguments = ["train", "-c", &config, "--data", text(&data), "-o", text(&run)];
    let patient = data.join("acdc/patient001");
    let image = patient.join("patient001_frame01.nii.gz");
    let label = patient.join("patient001_frame01_gt.nii.gz");
    let whole = [fs::read(&image).unwrap(), fs::read(&label).unwrap()];
    let restore = || {
        fs::write(&image, &whole[0]).unwrap();
        fs::write(&label, &whole[1]).unwrap();
    };
    let good = Scan::read(&label).unwrap();
    let classes = good.voxels.mapv(|class| class as u8);

    fs::write(&image, &whole[0][..whole[0].len() / 2]).unwrap();
    check(&error(&arguments), &["patient001_frame01.nii.gz", "truncated", "again"]);
    restore();

    let smaller = classes.slice(ndarray::s![..20, .., ..]).to_owned();
    write_labels(&label, &smaller, good.grid.spacing_mm).unwrap();
    check(&error(&arguments), &["patient001_frame01_gt.nii.gz", "20", "24"]);
    restore();

    good.grid.write_classes(&label, &classes.mapv(|class| if class == 3 { 9 } else { class })).unwrap();
    check(&error(&arguments), &["patient001_frame01_gt.nii.gz", "9"]);
    restore();

    // The same classes without the image's place and directions.
    write_labels(&label, &classes, good.grid.spacing_mm).unwrap();
    check(&error(&arguments), &["patient001_frame01_gt.nii.gz", "do not lie on each other"]);
    restore();

    fs::remove_file(&label).unwrap();
    check(&error(&arguments), &["patient001", "_gt.nii.gz"]);
    assert!(!run.exists(), "something was written");
}

#[test]
fn missing_folders_and_wrong_configurations_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let (configs, run) = (format!("{ROOT}/configs"), folder.path().join("run"));
    let nowhere = folder.path().join("nowhere");
    let suite = ["reproduce", "--configs", &configs, "-o", text(&run)];
    let quick = [&suite[..], &["--suite", "cpu-quick"]].concat();
    check(&error(&[&quick[..], &["--data", text(&nowhere)]].concat()), &["nowhere", "does not exist"]);
    check(&error(&quick), &["--data"]);
    check(&error(&[&suite[..], &["--suite", "smok"]].concat()), &["smok", "smoke", "cpu-quick"]);
    check(&error(&[&suite[..], &["--only", "heart"]].concat()), &["heart", "phantom-heart"]);
    check(
        &error(&[&suite[..], &["--set", "train.epoch=3"]].concat()),
        &["phantom-abdomen.toml", "epoch", "epochs"],
    );
    check(&error(&[&suite[..], &["--set", "train.epochs=three"]].concat()), &["epochs", "three"]);
    check(
        &error(&[&suite[..], &["--set", "model.preset=huge"]].concat()),
        &["unknown preset `huge`; choose tiny, small, vit_s, vit_b, vit_l, vit_h"],
    );

    let file = folder.path().join("experiment.toml");
    let good = fs::read_to_string(format!("{configs}/experiments/phantom-heart.toml")).unwrap();
    let train = ["train", "-c", text(&file), "-o", text(&run)];
    fs::write(&file, good.replace("epochs =", "epoch =")).unwrap();
    check(&error(&train), &["experiment.toml", "epoch", "epochs"]);
    fs::write(&file, good.replace("[data]", "[data]\nfold = 1")).unwrap();
    check(&error(&train), &["experiment.toml", "fold"]);
    fs::write(&file, good.replace("[0, 2, 4]", "[0, 4, 2]")).unwrap();
    check(&error(&train), &["pause"]);
    for (setting, words) in [
        ("measure.pause={ pause_threshold = 0.1 }", ["[measure] pause", "thresholds"]),
        ("measure.thresholds=[2.0]", ["measure.thresholds is 2", "from 0 to 1"]),
        ("measure.thresholds=[nan]", ["measure.thresholds is no finite number", "from 0 to 1"]),
        ("measure.throughput_batch_sizes=[0]", ["measure.throughput_batch_sizes is 0", "from 1 to 4096"]),
        ("measure.throughput_batch_sizes=[1000000000]", ["measure.throughput_batch_sizes is 1000000000", "4096"]),
        ("measure.throughput_runs=0", ["measure.throughput_runs is 0", "from 1 to 1000"]),
        ("measure.dice_tolerance=-0.1", ["measure.dice_tolerance is -0.1", "from 0 to 1"]),
        ("train.decay_power=nan", ["train.decay_power is no finite number", "from 0 to 100"]),
        ("train.epochs=0", ["train.epochs is 0", "from 1 to 100000"]),
        ("data.train_cases=1000000000", ["data.train_cases is 1000000000", "from 1 to 10000"]),
        ("model.input_size=1000000", ["model.input_size is 1000000", "from 16 to 4096"]),
        ("measure.pause={ criterion = \"guess\" }", ["guess", "measure.pause.criterion"]),
    ] {
        check(&error(&[&suite[..], &["--set", setting]].concat()), &words);
    }
    fs::write(&file, "id = ").unwrap();
    check(&error(&train), &["experiment.toml", "line 1"]);
    check(&error(&["train", "-c", text(&nowhere), "-o", text(&run)]), &["nowhere"]);
    assert!(!run.exists(), "something was written");
}

#[test]
fn scans_and_checkpoints_that_are_none_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("nowhere");
    let scan = folder.path().join("scan.nii.gz");
    let segment =
        |scan: &Path, more: &[&str]| error(&[&["segment", text(scan), "--model", text(&nowhere)], more].concat());
    check(&segment(&scan, &[]), &["scan.nii.gz", "does not exist"]);
    fs::write(&scan, [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1, 2]).unwrap();
    check(&segment(&scan, &[]), &["scan.nii.gz", "truncated"]);
    write_labels(&scan, &ndarray::Array3::ones((8, 8, 2)), [1.0; 3]).unwrap();
    check(&segment(&scan, &[]), &["nowhere", "checkpoint"]);
    check(&segment(&scan, &["-o", text(&nowhere.join("map.nii.gz"))]), &["nowhere", "make it"]);
    check(&segment(&scan, &["-o", "map.txt"]), &["map.txt", ".nii.gz"]);
    assert!(!folder.path().join("scan_segmentation.nii.gz").exists());

    check(&error(&["inspect", text(folder.path())]), &["checkpoint"]);
    check(&error(&["--device", "gpu", "inspect", text(folder.path())]), &["gpu", "flex", "cuda"]);
    #[cfg(not(feature = "cuda"))]
    check(&error(&["--device", "cuda", "inspect", text(folder.path())]), &["cuda", "--features cuda"]);
    check(&error(&["--threads", "0", "inspect", text(folder.path())]), &["0 threads can't be started"]);
    check(&error(&["report", text(&nowhere)]), &["nowhere"]);
}
