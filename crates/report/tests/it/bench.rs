//! The bench: the page that is drawn from its record, and its text for the terminal.

use fastersam_records::bench::targets::targets;
use fastersam_records::{BenchRecord, samples};
use fastersam_report::{bench_summary, copy_bench_page};

use crate::report::report;

fn page(record: &BenchRecord) -> String {
    String::from_utf8(report(vec![record.clone().into()])["bench.md"].clone()).unwrap()
}

#[test]
fn the_page_is_as_saved() {
    insta::assert_snapshot!("bench.md", page(&samples::bench()));
}

#[test]
fn the_summary_is_as_saved() {
    insta::assert_snapshot!("bench-summary", bench_summary(&samples::bench()));
}

#[test]
fn targets_are_ratios_per_slice_and_only_of_what_was_measured() {
    let record = samples::bench();
    let measured: Vec<(f64, f64, Option<bool>)> = targets(&record)
        .iter()
        .filter_map(|target| Some((target.wanted, (100.0 * target.measured?).round() / 100.0, target.is_met())))
        .collect();
    let peak = 2e-9 * 1024_f64.powi(3) / 0.0085;
    let share = 2e3 * 0.00035 * 224.0 * 224.0 / 160.0 / peak;
    let rounded = (100.0 * share).round() / 100.0;
    assert_eq!(
        measured,
        [
            (1.1, 1.25, Some(true)),
            (0.8, rounded, Some(share >= 0.8)),
            (12.0, 13.0, Some(true)),
            (75.0, 60.0, Some(false)),
            (28.0, 32.5, Some(true)),
            (1.3, 1.22, Some(true)),
        ]
    );
    let nothing = BenchRecord { rows: Vec::new(), end_to_end: None, ..record };
    assert!(targets(&nothing).iter().all(|target| target.measured.is_none() && target.is_met().is_none()));
    assert!(!page(&nothing).contains("| met |"), "a verdict without a measurement");
}

#[test]
fn the_page_is_copied_with_the_plots_it_shows() {
    let folder = tempfile::tempdir().unwrap();
    let (from, docs) = (folder.path().join("report"), folder.path().join("docs"));
    for (name, bytes) in report(vec![samples::bench().into()]) {
        let path = from.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    copy_bench_page(&from, &docs).unwrap();
    let page = std::fs::read_to_string(docs.join("bench.md")).unwrap();
    let shown: Vec<&str> = page.split("](").skip(1).filter_map(|part| part.split(')').next()).collect();
    assert_eq!(shown, ["plots/bench-waterfall.png", "plots/bench-inputs.png"]);
    for name in shown {
        assert!(docs.join(name).exists(), "{name}");
    }
}
