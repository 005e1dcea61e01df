//! The bench: what a run leaves behind, and the page that is drawn from its record alone.

use std::path::{Path, PathBuf};

use fastersam_records::bench::targets::targets;
use fastersam_records::{
    BenchDice, BenchRecord, BenchRow, BenchScope, PeerVersions, ProductRow, Program, Record, WayRow, WholeWay,
    samples,
};
use fastersam_report::{Published, copy_bench_page, files};

fn published() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/published")
}

/// An invented row of ViT-B; its name says what it is.
fn row(
    program: Program,
    scope: BenchScope,
    input_size: usize,
    batch_size: usize,
    pause: &str,
    ms: f64,
) -> BenchRow {
    let slices = if scope == BenchScope::Volume { 2 * batch_size } else { batch_size };
    let seconds = |factor: f64| factor * ms * slices as f64 / 1e3;
    let gmacs = if pause == "never" { 0.00035 * (input_size * input_size) as f64 } else { 4.0 };
    BenchRow {
        id: format!("{}-vit_b-{input_size}-b{batch_size}-{}-{pause}", program.name(), scope.name()),
        program,
        scope,
        preset: "vit_b".into(),
        input_size,
        batch_size,
        slices,
        pause: pause.into(),
        active_share: Vec::new(),
        gmacs: Some(gmacs),
        counted_gmacs: (program == Program::FasterSam).then_some(1.002 * gmacs),
        seconds: vec![seconds(1.1), seconds(1.0), seconds(0.9)],
        weights_mib: 360.0,
        peak_memory_mib: (program == Program::FasterSam).then_some(440.0),
        dice: (scope == BenchScope::Model).then(|| BenchDice {
            dice: 0.875,
            scored_on: "ACDC, valid".into(),
            setting: "tau 0.02".into(),
            active_share: vec![0.5],
        }),
    }
}

/// An invented run.
fn sample() -> BenchRecord {
    use BenchScope::{Encoder, Model, Volume};
    use Program::{Composed, FasterSam, PyTorch};
    let way = |part: &str, is_whole: bool, pause: &str, ms: f64| WayRow {
        part: part.into(),
        is_whole,
        batch_size: 8,
        pause: pause.into(),
        ms_per_slice: vec![ms, 1.2 * ms],
    };
    BenchRecord {
        experiment: "bench".into(),
        cores: 2,
        vectors: "AVX2".into(),
        used_by_others: Some(0.013),
        peer: Some(PeerVersions {
            python: "3.11.7".into(),
            torch: "2.9.0".into(),
            segment_anything: "1.0".into(),
            threads: 2,
        }),
        products: vec![
            ProductRow { shape: [1024, 1024, 1024], seconds: vec![0.0085, 0.008, 0.009] },
            ProductRow { shape: [196, 768, 768], seconds: vec![0.002] },
        ],
        rows: vec![
            row(PyTorch, Encoder, 1024, 1, "never", 6000.0),
            row(PyTorch, Encoder, 512, 1, "never", 1300.0),
            row(FasterSam, Encoder, 512, 1, "never", 900.0),
            row(FasterSam, Encoder, 224, 1, "never", 160.0),
            row(PyTorch, Encoder, 224, 1, "never", 200.0),
            row(Composed, Encoder, 224, 1, "never", 320.0),
            row(FasterSam, Model, 224, 1, "never", 180.0),
            row(FasterSam, Model, 224, 1, "half", 100.0),
            row(FasterSam, Model, 224, 8, "stage0", 40.0),
            row(FasterSam, Volume, 224, 8, "stage0", 44.0),
        ],
        whole_way: Some(WholeWay {
            preset: "vit_b".into(),
            input_size: 224,
            scan: [18, 512, 512],
            scan_mib: 7.8,
            rows: vec![
                way("encoder", false, "never", 120.0),
                way("the whole way", true, "never", 118.0),
                way("encoder", false, "stage 0", 20.0),
                way("the whole way", true, "stage 0", 19.0),
            ],
        }),
        provenance: samples::provenance(),
    }
}

fn page(record: &BenchRecord) -> String {
    let files = files(vec![record.clone().into()], &Published::read(&published()).unwrap()).unwrap();
    String::from_utf8(files["bench.md"].clone()).unwrap()
}

#[test]
fn the_page_is_as_saved() {
    let snapshot = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/snapshots/bench.md");
    let page = page(&sample());
    if std::env::var_os("FASTERSAM_UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&snapshot, &page).unwrap();
    }
    assert_eq!(page, std::fs::read_to_string(&snapshot).unwrap_or_default(), "{}", snapshot.display());
}

#[test]
fn targets_are_ratios_per_slice_and_only_of_what_was_measured() {
    let record = sample();
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
    let nothing = BenchRecord { rows: Vec::new(), whole_way: None, ..record };
    assert!(targets(&nothing).iter().all(|target| target.measured.is_none() && target.is_met().is_none()));
    assert!(!page(&nothing).contains("| met |"), "a verdict without a measurement");
}

#[test]
fn the_page_is_copied_with_the_plots_it_shows() {
    let folder = tempfile::tempdir().unwrap();
    let (report, docs) = (folder.path().join("report"), folder.path().join("docs"));
    for (name, bytes) in files(vec![sample().into()], &Published::read(&published()).unwrap()).unwrap() {
        let path = report.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    copy_bench_page(&report, &docs).unwrap();
    let page = std::fs::read_to_string(docs.join("bench.md")).unwrap();
    let shown: Vec<&str> = page.split("](").skip(1).filter_map(|part| part.split(')').next()).collect();
    assert_eq!(shown, ["plots/bench-waterfall.png", "plots/bench-inputs.png"]);
    for name in shown {
        assert!(docs.join(name).exists(), "{name}");
    }
}
