//! The report of the sample records: its tables to the letter, its files to the byte.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use fastersam_records::{EvaluationRecord, NOTICE, Provenance, Record, read_records, samples, write_record};
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
        2 * (3 * 3 + 3),
        "three tables of each of three data sets, summary, efficiency and published speeds"
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
    let svg = text(files, "plots/dice-time-phantom-heart-test.svg");
    assert!(svg.contains("Dice vs. time: Phantom heart, test split"), "{svg}");
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
fn speed_ups_are_those_of_the_numbers_beside_them() {
    let cells = |files: &BTreeMap<String, Vec<u8>>| -> Vec<f64> {
        let markdown = text(files, "tables/summary.md");
        let mut rows =
            markdown.lines().filter(|line| line.starts_with('|')).map(|line| line.split('|').map(str::trim));
        let header: Vec<&str> = rows.next().unwrap().collect();
        let first: Vec<&str> = rows.nth(1).unwrap().collect();
        let at = |name: &&str| header.iter().position(|column| column == name).unwrap();
        let columns = ["Slices/s without pausing", "Slices/s with pausing", "Speed-up"];
        columns.iter().map(|name| first[at(name)].trim_matches('*').parse().unwrap()).collect()
    };
    // All without pausing was timed again, in a slower hour.
    let mut records = samples::records();
    for record in &mut records {
        if let Record::Throughput(speed) = record
            && speed.pause.is_never()
        {
            speed.slices_per_s /= 1.25;
            speed.ms_per_slice_median *= 1.25;
        }
    }
    let (before, after) = (cells(sample_files()), cells(&report(records.clone())));
    assert!(
        (after[0] - before[0] / 1.25).abs() < 0.1 && (after[1] - before[1]).abs() < 1e-9,
        "{before:?} {after:?}"
    );
    for row in [&before, &after] {
        assert!((row[1] / row[0] - row[2]).abs() < 0.01, "{row:?}");
    }
    let note = "ratios of two runs";
    assert!(!text(sample_files(), "tables/summary.md").contains(note));
    assert!(text(&report(records), "tables/summary.md").contains(note));
}

#[test]
fn another_tools_classes_are_found_by_their_names() {
    let mut other = samples::evaluation("Phantom heart", &samples::HEART, "nnU-Net", &[], 0, 0.95);
    (other.tokens, other.cost, other.backbone, other.input_size) = (None, None, None, None);
    other.class_names.reverse();
    other.class_names.push("atrium".to_owned());
    let mut records = samples::records();
    records.push(other.into());
    let csv = text(&report(records), "tables/comparison-phantom-heart-test.csv");
    let mut lines = csv.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().unwrap();
    let row = lines.find(|row| row[0] == "nnU-Net").unwrap();
    let at = |name: &str| header.iter().position(|column| *column == name).unwrap();
    // The samples' classes are a point apart, the first one lowest.
    assert_eq!(row[at("dsc_percent_left_ventricle")], "94.0");
    assert_eq!(row[at("dsc_percent_right_ventricle")], "96.0");
    assert_eq!(row[at("dsc_percent_atrium")], "");
}

#[test]
fn the_page_says_once_what_its_results_are_and_files_that_stand_alone_say_it_themselves() {
    let files = sample_files();
    let page = text(files, "index.html");
    assert_eq!(page.matches("Only the abstract of the FasterSAM paper").count(), 1);
    for (name, bytes) in files {
        if name.ends_with(".svg") {
            assert!(!text(files, name).contains(NOTICE), "{name} repeats the notice");
        } else if name.ends_with(".png") {
            let info = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap().info().clone();
            let comment = info.uncompressed_latin1_text.iter().find(|chunk| chunk.keyword == "Comment");
            assert_eq!(comment.map(|chunk| chunk.text.as_str()), Some(NOTICE), "{name}");
        }
    }
}

#[test]
fn points_have_labels_and_error_bars_and_long_tables_are_folded() {
    let files = sample_files();
    let svg = text(files, "plots/dice-macs-phantom-abdomen-test.svg");
    for label in ["never", "0.02", "0.4"] {
        assert!(svg.lines().any(|line| line.trim() == label), "{label}: {svg}");
    }
    // Without cases there is nothing to take an interval of.
    let bars = |svg: &str| svg.matches("<polyline").count();
    let mut records = samples::records();
    for record in &mut records {
        if let Record::Evaluation(record) = record {
            record.cases.clear();
        }
    }
    let without = report(records);
    let ends_of_eight_settings = 3 * 8;
    let plain = text(&without, "plots/dice-macs-phantom-abdomen-test.svg");
    assert_eq!(bars(&svg), bars(&plain) + ends_of_eight_settings);
    assert!(files.contains_key("plots/cases-phantom-abdomen-test.svg"));
    assert!(!without.keys().any(|name| name.contains("cases-") || name.contains("worst-")));
    let heads = text(files, "plots/heads-phantom-abdomen-test-2-4.svg");
    assert!(heads.contains("tokens that paused there, mean of a slice"), "{heads}");
    // 23 rows with the published ones; our 8 stay in sight.
    let page = text(files, "index.html");
    let (_, of_synapse) = page.split_once("Comparison on Synapse fold").unwrap();
    let (shown, folded) = of_synapse.split_once("<details").unwrap();
    assert_eq!(shown.matches("<tr class").count(), 8);
    assert!(folded.split("</details>").next().unwrap().matches("<tr class").count() > 14);
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
