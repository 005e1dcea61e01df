//! The score that goes with a row's speed: that of a trained checkpoint whose tokens paused alike.

use std::path::Path;

use anyhow::{Result, bail};

use super::workload::Workload;
use fastersam_records::{BenchDice, BenchScope, EvaluationRecord, Program, Record, read_records};

/// Shares of active tokens that differ by no more than this at every point are alike.
const ALIKE: f64 = 0.05;

/// The scores in the records of a suite's run.
pub struct Scores(Vec<EvaluationRecord>);

impl Scores {
    /// Reads the folder of a run, with `records/` in it.
    pub fn read(run: &Path) -> Result<Self> {
        let scored = read_records(&run.join("records"))?.into_iter().filter_map(|record| match record {
            Record::Evaluation(record) if record.tokens.is_some() && record.backbone.is_some() => Some(*record),
            _ => None,
        });
        let scored: Vec<EvaluationRecord> = scored.collect();
        if scored.is_empty() {
            bail!("{} holds no scores of a trained model", run.join("records").display());
        }
        Ok(Self(scored))
    }

    /// The score of the checkpoint with this backbone and input whose shares of active tokens are nearest to
    /// the row's, where one is near enough. Only whole models are scored.
    pub fn of(&self, workload: &Workload, preset: &str, points: &[usize], shares: &[f64]) -> Option<BenchDice> {
        let is_model = matches!(workload.scope, BenchScope::Model | BenchScope::Volume);
        if workload.program != Program::FasterSam || !is_model {
            return None;
        }
        let plain = |name: &str| -> String {
            name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
        };
        let same_model = |record: &&EvaluationRecord| {
            let backbone = record.backbone.as_deref().unwrap_or_default();
            plain(backbone).starts_with(&plain(preset)) && record.input_size == Some(workload.input)
        };
        let (distance, record) = self
            .0
            .iter()
            .filter(same_model)
            .map(|record| (distance(record, points, shares), record))
            .min_by(|(a, _), (b, _)| a.total_cmp(b))?;
        let dice = record.summary.transunet.dice?;
        (distance <= ALIKE).then(|| BenchDice {
            dice,
            scored_on: format!("{}, {}", record.dataset, record.split),
            setting: record.pause.label(),
            active_share: active(record).iter().map(|&(_, share)| share).collect(),
        })
    }
}

/// The record's pause points with the share active after each.
fn active(record: &EvaluationRecord) -> Vec<(usize, f64)> {
    let shares = record.tokens.iter().flat_map(|tokens| tokens.active_share_after_stage.iter().copied());
    record.pause.pause_points.iter().copied().zip(shares).collect()
}

/// The largest difference of the shares after any point of either; no shares stand for never.
fn distance(record: &EvaluationRecord, points: &[usize], shares: &[f64]) -> f64 {
    let theirs = active(record);
    let ours: Vec<(usize, f64)> = points.iter().copied().zip(shares.iter().copied()).collect();
    let after = |list: &[(usize, f64)], point: usize| {
        list.iter().take_while(|(at, _)| *at <= point).last().map_or(1.0, |(_, share)| *share)
    };
    let all = theirs.iter().chain(&ours).map(|(point, _)| *point);
    all.map(|point| (after(&theirs, point) - after(&ours, point)).abs()).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Pause;
    use fastersam::{Preset, WeightPrecision};

    fn workload(scope: BenchScope) -> Workload {
        let (program, pause) = (Program::FasterSam, Pause::Never);
        let precision = WeightPrecision::F32;
        Workload { program, scope, preset: Preset::VitS, input: 224, batch: 1, pause, precision }
    }

    fn scored(backbone: &str, points: &[usize], shares: &[f64], dice: f64) -> EvaluationRecord {
        let protocol = serde_json::json!({
            "dice": dice, "dice_interval": null, "hd95_vox": null, "hd95_mm": null,
            "per_class_dice": [dice], "per_class_hd95_vox": [null], "left_out": [0],
        });
        let record = serde_json::json!({
            "experiment": "e", "method": "FasterSAM", "dataset": "ACDC", "published": null,
            "dataset_note": null, "split": "valid", "backbone": backbone, "input_size": 224,
            "class_names": ["myocardium"],
            "pause": { "pause_points": points, "settings": { "pause_threshold": 0.1 }, "recommended": null },
            "summary": { "transunet": protocol, "strict": protocol, "n_cases": 1 },
            "cases": [],
            "tokens": {
                "n_tokens": 256, "active_share_after_stage": shares,
                "head_accuracy_on_paused": vec![None::<f64>; shares.len()],
            },
            "cost": null,
            "provenance": {
                "config": null, "seed": 1, "data_manifest_sha256": "", "weights_sha256": null, "commit": "",
                "version": "", "burn_version": "", "device": "flex", "threads": 2, "cpu": "", "date": "",
            },
        });
        serde_json::from_value(record).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn the_nearest_setting_of_the_same_model_or_none() {
        let scores = Scores(vec![
            scored("vits", &[3, 6, 9], &[1.0, 1.0, 1.0], 0.9),
            scored("vits", &[0, 3, 6, 9], &[0.33, 0.12, 0.09, 0.09], 0.8),
            scored("vits", &[3, 6, 9], &[0.52, 0.26, 0.24], 0.85),
            scored("vitb", &[3, 6, 9], &[0.7, 0.49, 0.34], 0.7),
        ]);
        let points = [0, 3, 6, 9];
        let dice = |shares: &[f64]| {
            scores.of(&workload(BenchScope::Model), "vit_s", &points, shares).map(|found| found.dice)
        };
        assert_eq!(dice(&[]), Some(0.9));
        assert_eq!(dice(&[1.0, 0.5, 0.25, 0.25]), Some(0.85));
        assert_eq!(dice(&[0.31, 0.1, 0.09, 0.09]), Some(0.8));
        assert_eq!(dice(&[1.0, 0.7, 0.49, 0.34]), None, "another backbone's");
        assert!(scores.of(&workload(BenchScope::Encoder), "vit_s", &points, &[]).is_none(), "no whole model");
    }
}
