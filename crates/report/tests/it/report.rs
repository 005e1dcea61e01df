//! The report of the sample records: its tables to the letter, its files to the byte.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use fastersam_records::{EvaluationRecord, Provenance, Record, read_records, samples, write_record};
use fastersam_report::{Published, ReportError, build, files};

/// Of this repository.
pub fn published_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/published")
}

/// The files of a report.
pub fn report(records: Vec<Record>) -> BTreeMap<String, Vec<u8>> {
    files(records, &Published::read(&published_folder()).unwrap()).unwrap()
}

/// The files of the samples' report, drawn once for all tests.
fn sample_files() -> &'static BTreeMap<String, Vec<u8>> {
    static FILES: OnceLock<BTreeMap<String, Vec<u8>>> = OnceLock::new();
    FILES.get_or_init(|| report(samples::records()))
}

fn text(files: &BTreeMap<String, Vec<u8>>, name: &str) -> String {
    String::from_utf8(files[name].clone()).unwrap()
}

#[test]
fn tables_are_as_saved() {
    let files = sample_files();
    let mut compared = 0;
    for name in files.keys().filter(|name| name.starts_with("tables/")) {
        insta::assert_snapshot!(name.trim_start_matches("tables/"), text(files, name));
        compared += 1;
    }
    assert_eq!(
        compared,
        2 * (3 + 3 + 3),
        "summary, tables of three data sets, of efficiency and of published speeds"
    );
}

#[test]
fn the_page_is_as_saved() {
    let page = text(&report(vec![samples::training("Phantom heart", "FasterSAM tiny").into()]), "index.html");
    let (_, body) = page.split_once("</style>").unwrap();
    insta::assert_snapshot!("index.html", body.replace("><", ">\n<"));
}

#[test]
fn reports_are_the_same_to_the_byte_and_complete() {
    let folder = tempfile::tempdir().unwrap();
    let records = folder.path().join("records");
    for record in samples::records() {
        write_record(&records, &record).unwrap();
    }
    let index = build(&records, Some(&published_folder()), &folder.path().join("report")).unwrap();
    assert_eq!(index, folder.path().join("report/index.html"));
    // The order in which the records come makes no difference.
    let mut reversed = read_records(&records).unwrap();
    reversed.reverse();
    let again = report(reversed);
    for (name, bytes) in &again {
        assert!(std::fs::read(folder.path().join("report").join(name)).unwrap() == *bytes, "{name} differs");
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
fn a_report_takes_the_place_of_an_older_one_and_of_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let (records, out) = (folder.path().join("records"), folder.path().join("report"));
    let mut record = samples::training("set", "method");
    write_record(&records, &record.clone().into()).unwrap();
    build(&records, Some(&published_folder()), &out).unwrap();
    // Of an older report, and a user's own.
    let sums = std::fs::read_to_string(out.join("SHA256SUMS")).unwrap();
    std::fs::write(out.join("old.csv"), "").unwrap();
    std::fs::write(out.join("SHA256SUMS"), format!("{sums}{}  old.csv\n", "0".repeat(64))).unwrap();
    std::fs::create_dir(out.join("mine")).unwrap();
    std::fs::write(out.join("mine/notes.txt"), "kept").unwrap();
    record.method = "another".to_owned();
    write_record(&records, &record.into()).unwrap();
    build(&records, Some(&published_folder()), &out).unwrap();
    assert!(!out.join("old.csv").exists());
    assert_eq!(std::fs::read_to_string(out.join("mine/notes.txt")).unwrap(), "kept");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left beside it");
    for line in std::fs::read_to_string(out.join("SHA256SUMS")).unwrap().lines() {
        let (sum, name) = line.split_once("  ").unwrap();
        assert_eq!(fastersam_files::sha256_of_file(&out.join(name)).unwrap(), sum, "{name}");
    }

    // A page of somebody else's.
    let other = folder.path().join("site");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("index.html"), "mine").unwrap();
    assert!(matches!(
        build(&records, Some(&published_folder()), &other).unwrap_err(),
        ReportError::NotOurs { .. }
    ));
    assert_eq!(std::fs::read_to_string(other.join("index.html")).unwrap(), "mine");
}

#[test]
fn plots_carry_their_text_as_text_and_pictures_have_twice_the_size_of_the_page() {
    let files = sample_files();
    let svg = text(files, "plots/dice-throughput-phantom-heart-test.svg");
    assert!(svg.contains("Dice vs. throughput: Phantom heart, test split"), "{svg}");
    assert!(svg.contains("DejaVu Sans, Verdana, Helvetica, Arial, sans-serif"));
    let page = text(files, "index.html");
    for (name, bytes) in files.iter().filter(|(name, _)| name.ends_with(".png")) {
        let info = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap().info().clone();
        let shown = if name.starts_with("plots/") { name.replace(".png", ".svg") } else { name.clone() };
        let (_, image) = page.split_once(&format!("<img src=\"{shown}\"")).unwrap();
        let size = format!("width=\"{}\" height=\"{}\"", info.width / 2, info.height / 2);
        assert!(image.split('>').next().unwrap().contains(&size), "{name} is not twice {size}");
    }
}

#[test]
fn published_rows_stand_beside_real_data_only() {
    let files = sample_files();
    let table = |name: &str| text(files, name);
    assert!(table("tables/comparison-synapse-fold-fold-1.md").contains("TransUNet"));
    assert!(table("tables/comparison-synapse-fold-fold-1.md").contains("as tabulated by later papers"));
    assert!(!table("tables/comparison-phantom-abdomen-test.md").contains("TransUNet"));
    for name in files.keys().filter(|name| name.ends_with(".md") && !name.contains("published-speed")) {
        assert!(table(name).contains("A reconstruction."), "{name}");
    }
}

#[test]
fn provenance_names_every_hash_once() {
    let hashes = ["1a".repeat(32), "2b".repeat(32), "3c".repeat(32), "4d".repeat(32)];
    let provenance = Provenance {
        data_manifest_sha256: hashes[0].clone(),
        weights_sha256: Some(hashes[1].clone()),
        backbone_sha256: Some(hashes[2].clone()),
        decoder_sha256: Some(hashes[3].clone()),
        ..samples::provenance()
    };
    let record = samples::evaluation("set", &samples::HEART, "method", &[2, 4], 0, 0.9);
    let page = text(&report(vec![EvaluationRecord { provenance, ..record }.into()]), "index.html");
    for hash in hashes {
        assert_eq!(page.matches(&hash).count(), 1, "{hash}");
    }
}

#[test]
fn what_is_missing_or_broken_is_named_once() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("report");
    assert!(matches!(
        build(folder.path(), Some(&published_folder()), &out).unwrap_err(),
        ReportError::Empty { .. }
    ));
    write_record(folder.path(), &samples::training("set", "method").into()).unwrap();

    let error = build(folder.path(), Some(folder.path()), &out).unwrap_err();
    assert!(error.to_string().contains("synapse.csv"), "{error}");
    assert!(std::error::Error::source(&error).is_none(), "the message holds the cause already");

    for name in ["synapse.csv", "acdc.csv", "speed.csv"] {
        let text = std::fs::read_to_string(published_folder().join(name)).unwrap();
        std::fs::write(folder.path().join(name), text.replace("89.71", "about 90")).unwrap();
    }
    let message = build(folder.path(), Some(folder.path()), &out).unwrap_err().to_string();
    assert!(message.contains("acdc.csv") && message.contains("about 90"), "{message}");

    std::fs::write(folder.path().join("evaluation-x.json"), "{").unwrap();
    let message = build(folder.path(), Some(&published_folder()), &out).unwrap_err().to_string();
    assert!(message.contains("evaluation-x.json"), "{message}");
    assert!(!out.exists(), "nothing half-written");
}

#[test]
fn a_slice_whose_maps_do_not_fit_is_refused() {
    let mut slice = samples::slice("set", &samples::HEART, "method", &[2, 4], 2);
    slice.truth.pop();
    let records =
        vec![samples::evaluation("set", &samples::HEART, "method", &[2, 4], 0, 0.9).into(), slice.into()];
    let error = files(records, &Published::read(&published_folder()).unwrap()).unwrap_err();
    assert!(error.to_string().contains("`truth`"), "{error}");
}
