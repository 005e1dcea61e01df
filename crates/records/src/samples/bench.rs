//! An invented run of the bench.

use super::provenance;
use crate::{
    BenchDice, BenchRecord, BenchRow, BenchScope, EndToEnd, EndToEndRow, PeerVersions, ProductRow, Program,
};

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
        precision: "f32".into(),
        active_share: Vec::new(),
        gmacs: Some(gmacs),
        counted_gmacs: (program == Program::FasterSam).then_some(1.002 * gmacs),
        seconds: vec![seconds(1.1), seconds(1.0), seconds(0.9)],
        weights_mib: 360.0,
        peak_memory_mib: (program == Program::FasterSam).then_some(440.0),
        execution: None,
        dice: (scope == BenchScope::Model).then(|| BenchDice {
            dice: 0.875,
            scored_on: "ACDC, valid".into(),
            setting: "threshold 0.02".into(),
            active_share: vec![0.5],
        }),
    }
}

/// An invented run of the bench.
#[must_use]
pub fn bench() -> BenchRecord {
    use BenchScope::{Encoder, Model, Volume};
    use Program::{Composed, FasterSam, PyTorch};
    let end_to_end = |part: &str, is_whole: bool, pause: &str, ms: f64| EndToEndRow {
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
            packages: [("onnxruntime".to_owned(), "1.23.0".to_owned())].into(),
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
        end_to_end: Some(EndToEnd {
            preset: "vit_b".into(),
            input_size: 224,
            scan: [18, 512, 512],
            scan_mib: 7.8,
            rows: vec![
                end_to_end("encoder", false, "never", 120.0),
                end_to_end("end to end", true, "never", 118.0),
                end_to_end("encoder", false, "stage 0", 20.0),
                end_to_end("end to end", true, "stage 0", 19.0),
            ],
        }),
        provenance: provenance(),
    }
}
