//! `fastersam bench`: what a run leaves behind.

use std::path::{Path, PathBuf};
use std::process::Command;

use fastersam_records::{Record, read_records};

fn published() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/published")
}

#[test]
fn a_run_leaves_a_record_a_report_and_a_page() {
    let folder = tempfile::tempdir().unwrap();
    let (run, docs) = (folder.path().join("run"), folder.path().join("docs"));
    let published = published();
    let row = "fastersam-vit_s-224-b1-model-half";
    let output = Command::new(env!("CARGO_BIN_EXE_fastersam"))
        .args(["bench", "--only", row, "--rounds", "2", "--published", published.to_str().unwrap()])
        .args(["-o", run.to_str().unwrap(), "--page", docs.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let records = read_records(&run.join("records")).unwrap();
    let [Record::Bench(record)] = &records[..] else { panic!("{} records", records.len()) };
    let measured = record.row(row).unwrap();
    assert_eq!((record.rows.len(), measured.seconds.len()), (1, 2));
    assert!(measured.seconds.iter().all(|&seconds| seconds > 0.0));
    let (predicted, counted) = (measured.gmacs.unwrap(), measured.counted_gmacs.unwrap());
    assert!((counted / predicted - 1.0).abs() < 0.01, "{counted} counted, {predicted} predicted");
    if cfg!(target_os = "linux") {
        let memory = measured.peak_memory_mib.unwrap() / measured.weights_mib;
        assert!(memory > 1.0, "a process smaller than its weights: {memory}");
    }
    let page = std::fs::read_to_string(docs.join("bench.md")).unwrap();
    assert!(page.contains("whole model") && page.contains(&record.provenance.cpu), "{page}");

    // The same again from the record alone, as `fastersam report` does it.
    std::fs::remove_dir_all(run.join("report")).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_fastersam"))
        .args(["report", run.to_str().unwrap(), "--published", published.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(std::fs::read_to_string(run.join("report/bench.md")).unwrap(), page);
}

#[test]
fn unknown_rows_are_refused_with_the_names_of_all() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_fastersam")).args(["bench", "--only", "vit_z"]).output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && message.contains("fastersam-vit_b-224-b1-encoder-never"), "{message}");
}
