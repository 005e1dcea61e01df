//! Records survive the way to disk and back; what can't is refused with the file's name.

use fastersam_records::{
    EPOCH_COLUMNS, EpochRow, Record, RecordError, TrainingRecord, has_records, read_records, remove_records,
    write_record,
};

use serde_json::Value;

use fastersam_records::samples;

#[test]
fn records_come_back_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let mut records = samples::records();
    let mut names: Vec<String> = records.iter().map(Record::file_name).collect();
    for record in &records {
        let path = write_record(folder.path(), record).unwrap();
        assert_eq!(path.file_name().unwrap().to_str().unwrap(), record.file_name());
    }
    names.sort();
    names.dedup();
    assert_eq!(names.len(), records.len(), "two records of the same name");
    records.sort_by_key(Record::file_name);
    let read = read_records(folder.path()).unwrap();
    assert_eq!(read.len(), records.len());
    for (read, record) in read.iter().zip(&records) {
        assert!(
            same(&serde_json::to_value(read).unwrap(), &serde_json::to_value(record).unwrap()),
            "{}",
            record.file_name()
        );
    }
    // No temporary file is left.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), records.len());
}

/// Equal up to the last bit of a number: serde_json reads decimals to within one unit in the last place.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        (Value::Number(a), Value::Number(b)) => match (a.as_f64(), b.as_f64()) {
            (Some(a), Some(b)) => (a - b).abs() <= f64::EPSILON * a.abs(),
            _ => a == b,
        },
        _ => a == b,
    }
}

#[test]
fn the_same_measurement_replaces_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut slice = samples::slice("set", &samples::HEART, "method", &[2, 4], 1);
    write_record(folder.path(), &slice.clone().into()).unwrap();
    slice.prediction[0] = 3;
    write_record(folder.path(), &slice.clone().into()).unwrap();
    assert!(read_records(folder.path()).unwrap() == [Record::from(slice)]);
}

/// Writes `text` as a record, and checks that reading fails with the file's name and `expected`.
fn check_broken(text: &str, expected: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broken.json");
    std::fs::write(&path, text).unwrap();
    let error = read_records(folder.path()).unwrap_err();
    assert!(matches!(error, RecordError::Broken { .. }), "{error}");
    let message = error.to_string();
    assert!(message.contains(&path.display().to_string()) && message.contains(expected), "{message}");
}

#[test]
fn a_broken_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path =
        write_record(folder.path(), &samples::slice("set", &samples::HEART, "method", &[2, 4], 1).into()).unwrap();
    let text = std::fs::read_to_string(path).unwrap();
    check_broken(&text[..text.len() / 2], "EOF");
    check_broken(&text.replacen("\"schema\": 2", "\"schema\": 1", 1), "schema 1");
    check_broken(&text.replacen("\"grid\": 8", "\"grid\": 9", 1), "seal");
    check_broken("", "EOF");
    // Made by hand, with a seal that fits.
    let value: Value = serde_json::from_str(&text).unwrap();
    let unsealed = text.replacen(value["seal"].as_str().unwrap(), fastersam_files::UNSEALED, 1);
    let forged = |from: &str, to: &str| fastersam_files::seal(&unsealed.replacen(from, to, 1));
    check_broken(&forged("\"kind\": \"slice\"", "\"kind\": \"slices\""), "unknown kind `slices`");
    check_broken(&forged("\"grid\": 8", "\"grid\": 8, \"grids\": 8"), "grids");
    check_broken(&forged("\"grid\": 8", "\"grid\": 9"), "paused_after");
    check_broken(&forged("\"rows\": 128", "\"rows\": 64"), "image");
}

#[test]
fn a_record_with_one_flipped_bit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = write_record(folder.path(), &samples::training("set", "method").into()).unwrap();
    let whole = std::fs::read(&path).unwrap();
    for bit in (0..8 * whole.len()).step_by(131) {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(&path, bytes).unwrap();
        let error = read_records(folder.path()).map(|_| bit).unwrap_err().to_string();
        assert!(error.contains(path.to_str().unwrap()), "{error}");
    }
}

#[test]
fn records_of_other_weights_do_not_replace_each_other_and_go_by_experiment() {
    let folder = tempfile::tempdir().unwrap();
    let record = samples::training("set", "method");
    let mut other = record.clone();
    other.provenance.weights_sha256 = Some("ff".repeat(32));
    let mut foreign = record.clone();
    foreign.experiment = "other".to_owned();
    for record in [&record, &other, &foreign] {
        write_record(folder.path(), &record.clone().into()).unwrap();
    }
    std::fs::write(folder.path().join("notes.json"), "{}").unwrap();
    assert!(has_records(folder.path(), &record.experiment));
    remove_records(folder.path(), &record.experiment);
    assert!(!has_records(folder.path(), &record.experiment) && has_records(folder.path(), "other"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "another experiment's and a user's own");
}

#[test]
fn a_number_that_json_cannot_hold_is_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let mut record = samples::training("set", "method");
    record.epochs[3].loss = f64::NAN;
    let error = write_record(folder.path(), &record.into()).unwrap_err();
    assert!(matches!(error, RecordError::Unwritable { .. }), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn training_csv_reads_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("epochs.csv");
    let epochs = samples::training("set", "method").epochs;
    let lines: Vec<String> =
        std::iter::once(EpochRow::csv_header()).chain(epochs.iter().map(EpochRow::to_csv)).collect();
    assert_eq!(lines[0].split(',').collect::<Vec<_>>(), EPOCH_COLUMNS);
    std::fs::write(&path, lines.join("\n")).unwrap();
    assert_eq!(TrainingRecord::read_epochs(&path).unwrap(), epochs);

    std::fs::write(&path, format!("{}\n{}\n", lines[0], lines[3].replacen("3,", "three,", 1))).unwrap();
    let message = TrainingRecord::read_epochs(&path).unwrap_err().to_string();
    assert!(
        message.contains("epochs.csv") && message.contains("line 2") && message.contains("`epoch`"),
        "{message}"
    );
}
