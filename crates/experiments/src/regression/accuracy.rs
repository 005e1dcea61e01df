//! What models compute: logits of drawn weights, and the scores of models that are trained from a seed.

use anyhow::Result;
use burn::tensor::{Device, Tensor, TensorData};
use fastersam::{ModelOptions, PauseSettings, Preset};
use fastersam_files::sha256;
use fastersam_records::regression::Value;
use fastersam_volume::KeyedRng;

use super::values::Values;
use crate::config::Experiment;
use crate::data;
use crate::provenance::Origin;
use crate::run_folder::{Existing, RunFolder};
use crate::train;
use crate::trained_model::TrainedModel;

/// Two data sets, small enough for a minute each, large enough that the models learn.
const EXPERIMENTS: [&str; 2] = ["phantom-heart", "phantom-abdomen"];
/// How they are made small.
const SMALL: [&str; 7] = [
    "model.input_size=64",
    "data.train_cases=12",
    "data.calibrate_cases=1",
    "data.evaluate_cases=3",
    "train.epochs=6",
    "train.warmup_steps=10",
    "train.validate_every_epochs=6",
];
/// Thresholds at which scores and active tokens are looked at.
const THRESHOLDS: [f64; 2] = [0.1, 0.4];

/// Checksums of a drawn model's logits: any change of what is computed, to the bit.
pub fn logits(device: &Device) -> Result<Values> {
    let model = ModelOptions::new(Preset::Tiny).resolve(9)?.init(1, device)?.prepack();
    let mut rng = KeyedRng::new(1, &[11]);
    let side = model.encoder_config().img_size;
    let pixels: Vec<f32> = (0..2 * side * side).map(|_| rng.range(0.0, 1.0) as f32).collect();
    let images = Tensor::<4>::from_data(TensorData::new(pixels, [2, 1, side, side]), device);
    let settings = [
        ("never", PauseSettings::never()),
        ("keep_half", PauseSettings::keep_ratio([0.5])),
        ("threshold", PauseSettings::threshold([0.97])),
    ];
    settings
        .into_iter()
        .map(|(name, settings)| {
            let logits = model.forward(images.clone(), &settings)?.logits.into_data();
            let bits: Vec<u8> = logits.iter::<f32>().flat_map(f32::to_le_bytes).collect();
            Ok((format!("sha256.{name}"), Value::Text(sha256([&bits])[..16].to_owned())))
        })
        .collect()
}

/// Dice, HD95 and active tokens of models that are trained here.
pub fn trained(device: &Device, origin: &Origin) -> Result<Values> {
    let overrides = SMALL.map(str::to_owned);
    let mut values = Values::new();
    for name in EXPERIMENTS {
        let experiment = Experiment::read(name.as_ref(), &overrides)?;
        let data = data::load(&experiment, None)?;
        let folder = tempfile::tempdir()?;
        let run = RunFolder { path: folder.path().join("run"), existing: Existing::Refuse };
        let training = train::train(&experiment, &data, &run, device)?;
        let trained = TrainedModel::load(&experiment, &data, &training.checkpoint, None, device, origin)?;
        let short = name.trim_start_matches("phantom-");
        let last = training.rows.last().map(|row| row.loss);
        values.extend(last.map(|loss| (format!("loss.{short}"), Value::Number(loss))));
        let thresholds =
            THRESHOLDS.map(|threshold| (format!("threshold_{threshold}"), PauseSettings::threshold([threshold])));
        for (setting, settings) in [("never".to_owned(), PauseSettings::never())].into_iter().chain(thresholds) {
            let found =
                trained.evaluate(&data.evaluate, &settings, experiment.measure.batch_size, "regression")?;
            let scores = fastersam_metrics::summarise(&found.cases).transunet;
            let mut add = |what: &str, value: Option<f64>| {
                values.extend(value.map(|value| (format!("{what}.{short}.{setting}"), Value::Number(value))));
            };
            add("dice", scores.dice);
            add("hd95_vox", scores.hd95_vox);
            for (point, &share) in trained.points().iter().zip(&found.tokens.active_share_after_stage) {
                if !settings.used_points(trained.points()).is_empty() {
                    add(&format!("active_share_after_{point}"), Some(share));
                }
            }
        }
    }
    Ok(values)
}
