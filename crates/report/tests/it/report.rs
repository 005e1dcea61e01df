//! The report of the sample records: its tables to the letter, its files to the byte.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use fastersam_records::{read_records, samples, write_record};
use fastersam_report::{Published, ReportError, build, files};
/// The files of the samples' report, drawn once for all tests.
fn sample_files() -> &'static BTreeMap<String, Vec<u8>> {
    static FILES: OnceLock<BTreeMap<String, Vec<u8>>> = OnceLock::new();
    FILES.get_or_init(|| files(samples::records(), &Published::read(&published()).unwrap()).unwrap())
}

fn published() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/published")
}

#[test]
fn tables_are_as_saved() {
    let files = sample_files();
    let snapshots = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/snapshots");
    let mut compared = 0;
    for (name, bytes) in files.iter().filter(|(name, _)| name.starts_with("tables/")) {
        let snapshot = snapshots.join(name.trim_start_matches("tables/"));
        if std::env::var_os("FASTERSAM_UPDATE_SNAPSHOTS").is_some() {
            std::fs::write(&snapshot, bytes).unwrap();
        }
        let expected = std::fs::read_to_string(&snapshot).unwrap_or_default();
        assert_eq!(String::from_utf8_lossy(bytes), expected, "{name} is not {}", snapshot.display());
        compared += 1;
    }
    assert_eq!(
        compared,
        2 * (3 + 3 + 3),
        "summary, tables of three data sets, of efficiency and of published speeds"
    );
}

#[test]
fn reports_are_the_same_to_the_byte_and_complete() {
    // Below the build folder, so that the sample report can be looked at after the test.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sample-report");
    let records = folder.join("records");
    for record in samples::records() {
        write_record(&records, &record).unwrap();
    }
    let index = build(&records, &published(), &folder.join("report")).unwrap();
    assert_eq!(index, folder.join("report/index.html"));
    // The order in which the records come makes no difference.
    let mut reversed = read_records(&records).unwrap();
    reversed.reverse();
    let again = files(reversed, &Published::read(&published()).unwrap()).unwrap();
    for (name, bytes) in &again {
        assert!(std::fs::read(folder.join("report").join(name)).unwrap() == *bytes, "{name} differs");
    }

    let page = std::fs::read_to_string(&index).unwrap();
    assert!(page.contains("Only the abstract of the FasterSAM paper"));
    assert!(page.contains("257 x 257 slices in place of 512 x 512"));
    assert!(page.contains("Sample CPU &lt;2 cores&gt;"));
    let links = page.split("href=\"").chain(page.split("src=\"")).filter_map(|part| part.split('"').next());
    let mut linked = 0;
    for link in links.filter(|link| link.contains('/') && !link.contains('<')) {
        assert!(again.contains_key(link), "{link} is not a file of the report");
        linked += 1;
    }
    assert!(linked > again.len(), "every file but the page is linked");
    for name in again.keys().filter(|name| *name != "index.html") {
        assert!(page.contains(name.as_str()), "{name} is not linked");
    }
}

#[test]
fn published_rows_stand_beside_real_data_only() {
    let files = sample_files();
    let table = |name: &str| String::from_utf8(files[name].clone()).unwrap();
    assert!(table("tables/comparison-synapse-fold-fold-1.md").contains("TransUNet"));
    assert!(table("tables/comparison-synapse-fold-fold-1.md").contains("as tabulated by later papers"));
    assert!(!table("tables/comparison-phantom-abdomen-test.md").contains("TransUNet"));
    for name in files.keys().filter(|name| name.ends_with(".md") && !name.contains("published-speed")) {
        assert!(table(name).contains("A reconstruction."), "{name}");
    }
}

#[test]
fn what_is_missing_or_broken_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("report");
    assert!(matches!(build(folder.path(), &published(), &out).unwrap_err(), ReportError::Empty { .. }));
    write_record(folder.path(), &samples::training("set", "method").into()).unwrap();

    let message = build(folder.path(), folder.path(), &out).unwrap_err().to_string();
    assert!(message.contains("synapse.csv"), "{message}");

    for name in ["synapse.csv", "acdc.csv", "speed.csv"] {
        let text = std::fs::read_to_string(published().join(name)).unwrap();
        std::fs::write(folder.path().join(name), text.replace("89.71", "about 90")).unwrap();
    }
    let message = build(folder.path(), folder.path(), &out).unwrap_err().to_string();
    assert!(message.contains("acdc.csv") && message.contains("about 90"), "{message}");

    std::fs::write(folder.path().join("evaluation-x.json"), "{").unwrap();
    let message = build(folder.path(), &published(), &out).unwrap_err().to_string();
    assert!(message.contains("evaluation-x.json"), "{message}");
    assert!(!out.exists(), "nothing half-written");
}
