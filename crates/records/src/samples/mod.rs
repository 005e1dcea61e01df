//! Fixed records of invented results, to test the report with. The numbers are made up; they only have
//! the spread and the edge cases that real ones have: missing values, a baseline without tokens, several
//! pause points, a recommended setting.

mod bench;

use fastersam_metrics::{
    CaseScores, ClassScore, MeasureSummary, ProtocolScore, ProtocolSummary, Summary, SurfaceScore, SurfaceSummary,
};

use crate::{
    CalibrationCases, CostRecord, EpochRow, EvaluationRecord, PauseRecord, PauseSettings, Provenance,
    PublishedSet, Record, Scope, SliceRecord, ThroughputRecord, TokenRecord, TrainingRecord,
};

pub use bench::bench;

/// Classes of the abdomen.
pub const ORGANS: [&str; 8] =
    ["aorta", "gallbladder", "left kidney", "right kidney", "liver", "pancreas", "spleen", "stomach"];
/// Classes of the heart.
pub const HEART: [&str; 3] = ["right ventricle", "myocardium", "left ventricle"];

/// A sweep's settings: threshold, share active after the points, MACs saved, loss of Dice, speed-up.
const SWEEP: [(f64, [f64; 3], f64, f64, f64); 5] = [
    (0.0, [1.0, 1.0, 1.0], 0.0, 0.0, 1.0),
    (0.02, [0.582, 0.306, 0.195], 0.412, 0.0003, 1.41),
    (0.1, [0.306, 0.118, 0.092], 0.604, 0.0011, 1.83),
    (0.2, [0.138, 0.072, 0.070], 0.711, 0.0042, 2.10),
    (0.4, [0.057, 0.046, 0.045], 0.803, 0.0187, 2.36),
];

/// An invented provenance.
#[must_use]
pub fn provenance() -> Provenance {
    Provenance {
        config: serde_json::json!({ "preset": "tiny", "pause_points": [0, 2, 4], "epochs": 12 }),
        seed: 1,
        data_manifest_sha256: "5d1f".repeat(16),
        backbone_sha256: None,
        decoder_sha256: None,
        weights_sha256: Some("a07c".repeat(16)),
        commit: "0123456".into(),
        version: "0.1.0".into(),
        burn_version: "0.22.1".into(),
        device: "flex".into(),
        threads: 2,
        cpu: "Sample CPU <2 cores>".into(),
        date: "2026-01-02T03:04:05Z".into(),
    }
}

/// Pause points of the invented checkpoint.
const POINTS: [usize; 3] = [0, 2, 4];

/// The setting at some of the checkpoint's pause points; none for a method without any.
fn pause(points: &[usize], setting: usize) -> PauseRecord {
    if points.is_empty() {
        return PauseRecord::default();
    }
    let threshold = SWEEP[setting].0;
    let thresholds: Vec<f64> =
        POINTS.iter().map(|point| if points.contains(point) { threshold } else { 0.0 }).collect();
    let recommended = setting == 2 && points[0] == 0;
    PauseRecord {
        settings: if setting == 0 { PauseSettings::never() } else { PauseSettings::threshold(thresholds) },
        recommended: recommended.then(|| CalibrationCases { cases: "the valid split".into(), trained_on: false }),
        ..PauseRecord::never(&POINTS)
    }
}

fn cost(setting: usize) -> CostRecord {
    let saved = SWEEP[setting].2;
    CostRecord {
        encoder_gmacs: 0.062 * (1.0 - saved),
        model_gmacs: 0.062 * (1.0 - saved) + 0.041,
        encoder_macs_saved: saved,
        parameters: 1_234_567,
        trained_parameters: 1_200_000,
    }
}

/// A method's scores at one setting; `dice` is the mean that it has without pausing.
pub fn evaluation(
    dataset: &str,
    classes: &[&str],
    method: &str,
    points: &[usize],
    setting: usize,
    dice: f64,
) -> EvaluationRecord {
    let dice = dice - SWEEP[setting].3;
    let per_class: Vec<f64> =
        (0..classes.len()).map(|class| dice + 0.01 * (class as f64 - (classes.len() - 1) as f64 / 2.0)).collect();
    let used = |index: usize| points.contains(&POINTS[index]);
    // Of points that are idle, the share of the point before.
    let idle = POINTS.len() - points.len();
    let active = std::iter::repeat_n(1.0, idle).chain(SWEEP[setting].1.iter().copied()).take(POINTS.len());
    EvaluationRecord {
        experiment: "sample".into(),
        method: method.into(),
        dataset: dataset.into(),
        published: None,
        dataset_note: None,
        split: "test".into(),
        backbone: Some("tiny".into()),
        input_size: Some(128),
        class_names: classes.iter().map(ToString::to_string).collect(),
        pause: pause(points, setting),
        summary: summary(&per_class),
        cases: cases(&per_class),
        tokens: Some(TokenRecord {
            n_tokens: 64,
            active_share_after_stage: active.collect(),
            head_accuracy_on_paused: (0..POINTS.len())
                .map(|index| (setting > 0 && used(index)).then(|| 0.995 - 0.004 * (setting * (index + 1)) as f64))
                .collect(),
        }),
        cost: Some(cost(setting)),
        provenance: provenance(),
    }
}

fn throughput(dataset: &str, method: &str, points: &[usize], setting: usize, scope: Scope) -> ThroughputRecord {
    let slices_per_s = SWEEP[setting].4 * if points[0] == 0 { 66.0 } else { 61.5 }
        / if scope == Scope::VoxelsToClassMap { 1.6 } else { 1.0 };
    let median = 1000.0 / slices_per_s;
    ThroughputRecord {
        experiment: "sample".into(),
        method: method.into(),
        dataset: dataset.into(),
        pause: pause(points, setting),
        batch_size: 8,
        input_size: 128,
        runs: 20,
        slices_per_s,
        // Against the same rate without pausing, whatever could pause.
        speed_up_over_never: if points[0] == 0 { SWEEP[setting].4 * 66.0 / 61.5 } else { SWEEP[setting].4 },
        ms_per_slice_median: median,
        ms_per_slice_p10: 0.96 * median,
        ms_per_slice_p90: 1.09 * median,
        peak_memory_mib: Some(180.0 - 9.0 * setting as f64),
        // The report takes the evaluation's cost for the second scope.
        cost: (scope == Scope::NetworkInputToLogits).then(|| cost(setting)),
        scope,
        provenance: provenance(),
    }
}

/// An ellipse in a noisy square; its border tokens pause late or never.
pub fn slice(dataset: &str, classes: &[&str], method: &str, points: &[usize], setting: usize) -> SliceRecord {
    let (side, grid) = (128_usize, 8_usize);
    let label = |y: usize, x: usize, grow: f64| -> u8 {
        let (dy, dx) = (y as f64 / side as f64 - 0.5, x as f64 / side as f64 - 0.5);
        let radius = (dy * dy * 1.7 + dx * dx).sqrt() - grow;
        if radius > 0.36 {
            return 0;
        }
        let turn = (dy.atan2(dx) / std::f64::consts::TAU + 0.5) * classes.len() as f64;
        if radius < 0.06 { 0 } else { 1 + (turn as usize).min(classes.len() - 1) as u8 }
    };
    let places = || (0..side * side).map(|place| (place / side, place % side));
    let image = places().map(|(y, x)| {
        let noise = (y * 7919 + x * 104_729 + y * x * 31) % 37;
        40 + 18 * label(y, x, 0.0) + noise as u8
    });
    let paused_after = (0..grid * grid).map(|token| {
        let (dy, dx) = ((token / grid) as f64 - 3.5, (token % grid) as f64 - 3.5);
        let from_border = ((dy * dy * 1.7 + dx * dx).sqrt() - 3.0).abs();
        let stage = ((points.len() + 1) as f64 * (2.0 - from_border).max(0.0) / 2.0 + 1.0) as u8;
        if setting == 0 || usize::from(stage) > points.len() {
            0
        } else {
            stage + (POINTS.len() - points.len()) as u8
        }
    });
    SliceRecord {
        experiment: "sample".into(),
        method: method.into(),
        dataset: dataset.into(),
        case: "phantom 007".into(),
        slice: 11,
        class_names: classes.iter().map(ToString::to_string).collect(),
        pause: pause(points, setting),
        rows: side,
        cols: side,
        image: image.collect(),
        truth: places().map(|(y, x)| label(y, x, 0.0)).collect(),
        prediction: places().map(|(y, x)| label(y, x, 0.004 * ((x / 9 + y / 13) % 4) as f64)).collect(),
        grid,
        paused_after: paused_after.collect(),
        provenance: provenance(),
    }
}

/// An invented training run.
#[must_use]
pub fn training(dataset: &str, method: &str) -> TrainingRecord {
    let epochs = (1..=12_u32).map(|epoch| {
        let progress = f64::from(epoch) / 12.0;
        EpochRow {
            epoch,
            step: u64::from(epoch) * 90,
            loss: 0.9 * (-2.4 * progress).exp() + 0.12,
            ce: 0.8 * (-3.1 * progress).exp() + 0.05,
            dice: 0.7 * (-2.2 * progress).exp() + 0.08,
            aux: 0.6 * (-2.0 * progress).exp() + 0.15,
            validation_dice: (epoch % 3 == 0).then(|| 0.9 - 0.7 * (-3.0 * progress).exp()),
            learning_rate: 1e-3 * (1.0 - progress).powf(0.9),
            slices_per_s: 21.5,
        }
    });
    TrainingRecord {
        experiment: "sample".into(),
        method: method.into(),
        dataset: dataset.into(),
        epochs: epochs.collect(),
        provenance: provenance(),
    }
}

/// Two phantom sets and one real one.
pub fn records() -> Vec<Record> {
    const OURS: &str = "FasterSAM tiny";
    let mut records: Vec<Record> = Vec::new();
    for (dataset, classes, dice) in [
        ("Phantom abdomen", &ORGANS[..], 0.884),
        ("Phantom heart", &HEART[..], 0.912),
        ("Synapse fold", &ORGANS[..], 0.654),
    ] {
        let real = dataset == "Synapse fold";
        let mut push = |mut record: EvaluationRecord| {
            if real {
                record.published = Some(PublishedSet::Synapse);
                record.dataset_note = Some("257 x 257 slices in place of 512 x 512".into());
                record.split = "fold 1".into();
                record.pause.recommended = record.pause.recommended.map(|_| CalibrationCases {
                    cases: "2 of the training cases of fold 1".into(),
                    trained_on: true,
                });
            }
            records.push(record.into());
        };
        let baseline = EvaluationRecord {
            backbone: None,
            input_size: None,
            tokens: None,
            cost: None,
            ..evaluation(dataset, classes, "per-pixel linear classifier", &[], 0, 0.21)
        };
        push(baseline);
        push(evaluation(dataset, classes, "untrained", &[2, 4], 0, 0.061));
        for points in [&[2, 4][..], &[0, 2, 4]] {
            // `never` is the same setting whatever could pause.
            for setting in usize::from(points[0] == 0)..SWEEP.len() {
                push(evaluation(
                    dataset,
                    classes,
                    OURS,
                    points,
                    setting,
                    // Both lists of pause points share a checkpoint; stage 0 costs some Dice.
                    dice - if setting > 0 && points[0] == 0 { 0.0006 } else { 0.0 },
                ));
            }
        }
        let scopes: &[Scope] = if real { &[] } else { &[Scope::NetworkInputToLogits, Scope::VoxelsToClassMap] };
        for scope in scopes {
            for points in [&[2, 4][..], &[0, 2, 4]] {
                records.extend(
                    (usize::from(points[0] == 0)..SWEEP.len())
                        .map(|setting| throughput(dataset, OURS, points, setting, *scope).into()),
                );
            }
        }
        if !real {
            records.push(training(dataset, OURS).into());
            for (points, setting) in [(&[2, 4][..], 0), (&[2, 4], 2), (&[0, 2, 4], 2)] {
                records.push(slice(dataset, classes, OURS, points, setting).into());
            }
        }
    }
    records
}

/// A summary with these Dice scores; the strict protocol has lost two points.
fn summary(per_class: &[f64]) -> Summary {
    let protocol = |lost: f64| {
        let mean = per_class.iter().sum::<f64>() / per_class.len() as f64 - lost;
        ProtocolSummary {
            dice: Some(mean),
            dice_interval: Some((mean - 0.012, mean + 0.011)),
            hd95_vox: Some(40.0 * (1.0 - mean)),
            hd95_mm: Some(60.0 * (1.0 - mean)),
            per_class_dice: per_class.iter().map(|dice| Some(dice - lost)).collect(),
            per_class_hd95_vox: per_class.iter().map(|dice| Some(40.0 * (1.0 - dice + lost))).collect(),
            left_out: vec![0; per_class.len()],
            ..ProtocolSummary::default()
        }
    };
    let measure = |of: fn(f64) -> f64| {
        let per_class: Vec<f64> = per_class.iter().map(|dice| of(*dice)).collect();
        MeasureSummary {
            mean: Some(per_class.iter().sum::<f64>() / per_class.len() as f64),
            interval: None,
            left_out: vec![0; per_class.len()],
            per_class: per_class.into_iter().map(Some).collect(),
        }
    };
    let surface = SurfaceSummary {
        assd: measure(|dice| 12.0 * (1.0 - dice)),
        surface_dice: measure(|dice| 0.9 * dice),
        ..SurfaceSummary::default()
    };
    Summary {
        transunet: protocol(0.0),
        strict: protocol(0.02),
        jaccard: measure(|dice| dice / (2.0 - dice)),
        surface_vox: surface.clone(),
        surface_mm: surface,
        n_cases: N_CASES,
    }
}

/// Cases of an invented split.
const N_CASES: usize = 8;

/// Scores of cases around these means; the last one has missed its first class.
fn cases(per_class: &[f64]) -> Vec<CaseScores> {
    let class = |case: usize, at: usize, mean: f64| {
        let noise = (case * 5 + at * 3 + (1e4 * mean).round() as usize) % 7;
        let dice = (mean + 0.01 * noise as f64 - 0.03).clamp(0.0, 1.0);
        let is_missed = case + 1 == N_CASES && at == 0;
        let score = |dice: f64, hd95_vox: f64| ProtocolScore { dice, hd95_vox, hd95_mm: Some(1.5 * hd95_vox) };
        let surface = SurfaceScore { hd: 9.0, asd: 1.1, assd: 12.0 * (1.0 - dice), surface_dice: 0.9 * dice };
        let found = score(dice, 40.0 * (1.0 - dice));
        ClassScore {
            class: at as u8 + 1,
            transunet: if is_missed { score(0.0, 0.0) } else { found },
            strict: Some(if is_missed { score(0.0, 200.0) } else { found }),
            jaccard: Some(if is_missed { 0.0 } else { dice / (2.0 - dice) }),
            surface_vox: (!is_missed).then_some(surface),
            surface_mm: (!is_missed).then_some(surface),
        }
    };
    let case = |case: usize| CaseScores {
        case: format!("case {}", case + 1),
        classes: per_class.iter().enumerate().map(|(at, mean)| class(case, at, *mean)).collect(),
    };
    (0..N_CASES).map(case).collect()
}
